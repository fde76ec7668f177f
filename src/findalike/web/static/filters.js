// The panel of filters: colours, tags, dates and columns, and an expression for those who want one.
import { recount } from "./counts.js";
import { $, button, fill, h } from "./dom.js";
import { COLOURS, columns, titleOf, toggleTag } from "./facets.js";
import { icon } from "./icons.js";
import { facet, library, watchLibrary } from "./library.js";
import { results, watchResults } from "./search.js";
import { change, state, watch } from "./state.js";
import { where } from "./where.js";

const panel = $("#filters");
const open = $("#filters-open");

function section(name, title, ...content) {
  return h("section", { class: "filter", dataset: { section: name } }, h("h3", {}, title), ...content);
}

function build() {
  fill(panel,
    h("div", { class: "panel-head" }, h("h2", {}, "Filters"), button("close", "Close the filters", () => toggle(false), { class: "quiet" })),
    section("colour", "Colour", h("div", { class: "swatches" }, COLOURS.map(swatch))),
    section("tag", "What it shows", h("div", { class: "values" }), tagField()),
    dates(),
    ["label", ...columns()].map((name) => section(name, titleOf(name), h("div", { class: "values" }))),
    expert());
  mark();
}

const swatch = (colour) => h("button", { type: "button", class: `swatch ${colour}`, title: colour, "aria-label": colour,
  "aria-pressed": "false", dataset: { tag: colour }, onclick: () => toggleTag(colour) }, icon("check"));

function tagField() {
  const list = h("datalist", { id: "all-tags" });
  const field = h("input", { type: "text", list: "all-tags", placeholder: "Another tag", "aria-label": "Filter by another tag", autocapitalize: "off" });
  field.addEventListener("focus", async () => {
    const tags = await facet("tag", where(), 500).catch(() => []);
    list.replaceChildren(...tags.map(({ value }) => h("option", { value })));
  });
  return h("form", { class: "row", onsubmit: (event) => {
    event.preventDefault();
    const tag = field.value.trim();
    field.value = "";
    if (tag && !state.tags.includes(tag)) toggleTag(tag);
  } }, field, list);
}

function dates() {
  if (!library.range) return null;
  const { from, to } = library.range;
  const day = (name, text) => h("label", {}, text, h("input", { type: "date", name, min: from.slice(0, 10), max: to.slice(0, 10),
    value: state[name], onchange: (event) => change({ [name]: event.target.value }) }));
  return section("date", "Date", h("div", { class: "dates" }, day("from", "From"), day("to", "To")));
}

function expert() {
  const wrong = h("p", { class: "wrong", id: "where-wrong", role: "alert", hidden: true });
  const field = h("input", { id: "where", type: "text", value: state.where, spellcheck: "false", autocapitalize: "off", autocomplete: "off",
    placeholder: "size > 1e6 and name like '%beach%'", "aria-label": "Filter expression", "aria-describedby": "where-wrong", maxlength: 10000 });
  const ask = (event) => {
    event.preventDefault();
    change({ where: field.value.trim() });
  };
  field.addEventListener("change", ask);
  return h("details", { class: "filter", open: Boolean(state.where) }, h("summary", {}, "Expression"),
    h("form", { onsubmit: ask }, field), wrong,
    h("p", { class: "tip" }, "Columns: ", h("span", { class: "columns-known" }, Object.keys(library.columns).join(", "))));
}

/** Shows in the panel what the state says. */
function mark() {
  for (const one of panel.querySelectorAll(".swatch")) one.setAttribute("aria-pressed", state.tags.includes(one.dataset.tag));
  for (const name of ["from", "to", "where"]) {
    const field = panel.querySelector(name === "where" ? "#where" : `[name=${name}]`);
    if (field && field !== document.activeElement) field.value = state[name];
  }
}

function showWrong() {
  const wrong = $("#where-wrong");
  if (!wrong) return;
  const { error } = results;
  wrong.hidden = !(error?.code === "query" && state.where);
  wrong.textContent = wrong.hidden ? "" : error.message;
  $("#where").setAttribute("aria-invalid", !wrong.hidden);
  if (!wrong.hidden) wrong.closest("details").open = true;
}

export function toggle(on = panel.hidden) {
  panel.hidden = !on;
  open.setAttribute("aria-expanded", on);
  document.body.classList.toggle("filtering", on);
  if (on) {
    if (!panel.childElementCount) build();
    recount();
    panel.querySelector("button").focus({ preventScroll: true });
  } else open.focus({ preventScroll: true });
}

export function startFilters() {
  open.addEventListener("click", () => toggle());
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) {
      event.stopPropagation();
      toggle(false);
    }
  });
  watch((changed) => {
    mark();
    if (["tags", "picked", "from", "to", "where"].some((name) => changed.has(name))) recount();
  });
  watchLibrary(() => { panel.replaceChildren(); if (!panel.hidden) { build(); recount(); } });
  watchResults(showWrong);
}
