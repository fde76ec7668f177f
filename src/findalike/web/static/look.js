// What counts in looking alike: how much the thing, its colours and its layout weigh in a search with pictures.
import { $, button, fill, h } from "./dom.js";
import { library, watchLibrary } from "./library.js";
import { change, settle, state, watch } from "./state.js";

const WAYS = { thing: "Thing", colour: "Colours", layout: "Layout" };
const USUAL = Object.freeze({ thing: 1 });

/** The weights that are in force. */
const weights = () => (Object.keys(state.look).length ? state.look : USUAL);

/** The weights as a query has them, or undefined where the usual ones are in force. */
export const asked = () => (JSON.stringify(weights()) === JSON.stringify(USUAL) ? undefined : state.look);

const ways = () => Object.keys(WAYS).filter((way) => way === "thing" || library.spaces?.some(({ name }) => name === way));

/** A slider for each way that the library knows; unseen where it knows but one. */
export function lookSliders() {
  const area = h("fieldset", { class: "look" });
  build(area);
  return area;
}

function build(area) {
  const usual = button(null, "As usual", () => change({ look: {} }), { seen: true, class: "small usual" });
  area.hidden = ways().length < 2;
  fill(area, h("legend", {}, "What counts"), ways().map(slider), usual);
  put(area);
}

function slider(way) {
  const turned = (event) => {
    change({ look: turnedTo(way, Number(event.target.value)) }, `live:look-${way}`);
    put($(".look")); // also where nothing changed
  };
  return h("label", {}, h("span", {}, WAYS[way]),
    h("input", { type: "range", name: `look-${way}`, min: 0, max: 1, step: 0.25, "aria-label": WAYS[way], oninput: turned, onchange: settle }),
    h("output", {}));
}

/** The look with one weight changed. All cannot be nothing: then the thing counts, as usual. */
function turnedTo(way, weight) {
  const next = Object.fromEntries(ways().map((each) => [each, each === way ? weight : weights()[each] ?? 0]).filter(([, each]) => each > 0));
  return Object.keys(next).length ? next : {};
}

/** Shows what the state says. */
function put(area) {
  for (const way of ways()) {
    const field = area.querySelector(`[name=look-${way}]`);
    const weight = weights()[way] ?? 0;
    field.value = weight;
    field.setAttribute("aria-valuetext", weight ? String(weight) : "not at all");
    field.nextSibling.value = weight ? `×${weight}` : "–";
  }
  area.querySelector(".usual").disabled = !asked();
}

watch((changed) => {
  const area = $(".look");
  if (area && changed.has("look")) put(area);
});
watchLibrary(() => {
  const area = $(".look");
  if (area && !area.contains(document.activeElement)) build(area);
});
