// The bar above the pictures: the filters that are on, and the least score.
import { $, button, debounced, h } from "./dom.js";
import { shortened, titleOf, togglePicked, toggleTag } from "./facets.js";
import { change, ranks, state, watch } from "./state.js";
import { NO_FILTERS, filters } from "./where.js";

function activeChips() {
  const chip = (text, clear) => h("li", { class: "chip" }, h("span", { class: "name" }, text), button("close", `No longer ${text}`, clear, { class: "quiet chip-x" }));
  const made = [
    ...state.tags.map((tag) => chip(tag, () => toggleTag(tag))),
    ...Object.entries(state.picked).flatMap(([column, values]) => values.map((value) =>
      chip(`${titleOf(column)}: ${shortened(column, value)}`, () => togglePicked(column, value)))),
    ...(state.from ? [chip(`from ${state.from}`, () => change({ from: "" }))] : []),
    ...(state.to ? [chip(`to ${state.to}`, () => change({ to: "" }))] : []),
    ...(state.where ? [chip(state.where, () => change({ where: "" }))] : []),
  ];
  if (made.length) made.push(h("li", {}, button(null, "Clear all", () => change(NO_FILTERS), { seen: true, class: "quiet small" })));
  $("#active").replaceChildren(...made);
  $("#active").hidden = !made.length;
  $("#filters-open").classList.toggle("on", filters() > 0);
}

function least() {
  const slider = $("#least-score");
  $("#least").hidden = !ranks();
  if (slider !== document.activeElement) slider.value = state.least;
  $("#least output").value = Number(slider.value) ? Number(slider.value).toFixed(2) : "any";
  slider.setAttribute("aria-valuetext", Number(slider.value) ? slider.value : "any");
}

export function startBar() {
  const slide = debounced(120, (event) => change({ least: Number(event.target.value) }, "live:least"));
  $("#least-score").addEventListener("input", (event) => {
    least();
    slide(event);
  });
  const show = () => { activeChips(); least(); };
  watch(show);
  show();
}
