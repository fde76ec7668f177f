// What hits must have in common with the query picture: its values of attributes.
import { $, button, fill, h } from "./dom.js";
import { titleOf } from "./facets.js";
import { library, watchLibrary } from "./library.js";
import { change, state, watch } from "./state.js";

const MEASURED = ["dominant_color", "orientation", "monochrome"];
const SURE = "_confidence"; // the end of the name of the column that says how sure a prediction is
const MOST = 8;

/** The columns as a query has them, or undefined where nothing has to be the same. */
export const asked = () => (state.same.length ? state.same : undefined);

/** The attributes that the library has: those that were learned, those that a link asks for, those that pixels decide. */
function attributes() {
  const known = Object.keys(library.columns);
  const learned = known.filter((name) => name + SURE in library.columns);
  const measured = MEASURED.filter((name) => known.includes(name));
  return [...new Set([...learned, ...state.same, ...measured])].slice(0, MOST);
}

/** A chip for each attribute, pressed where hits must have the value of the picture; unseen where there is none. */
export function sameChips() {
  const area = h("fieldset", { class: "same" });
  build(area);
  return area;
}

function build(area) {
  const names = attributes();
  area.hidden = !names.length;
  fill(area, h("legend", {}, "Same as the picture"), h("div", { class: "values" }, names.map(chip)));
}

const chip = (name) => button(null, titleOf(name).toLowerCase(), () => change({ same: toggled(name) }),
  { seen: true, class: "value", "aria-pressed": String(state.same.includes(name)), dataset: { same: name } });

const toggled = (name) => (state.same.includes(name) ? state.same.filter((other) => other !== name) : [...state.same, name]);

function put(area) {
  if (state.same.some((name) => !area.querySelector(`[data-same="${CSS.escape(name)}"]`))) return build(area);
  for (const one of area.querySelectorAll("[data-same]")) one.setAttribute("aria-pressed", state.same.includes(one.dataset.same));
}

watch((changed) => {
  const area = $(".same");
  if (area && changed.has("same")) put(area);
});
watchLibrary(() => {
  const area = $(".same");
  if (area && !area.contains(document.activeElement)) build(area);
});
