// Pictures that were chosen together, and what can be done with them.
import { $, button, channel, count, fill, h, say } from "./dom.js";
import { exportMenu } from "./export.js";
import { feedback } from "./feedback.js";
import { labelMenu } from "./labels.js";
import { library } from "./library.js";
import { results, watchResults } from "./search.js";
import { hasPositive, watch } from "./state.js";

const chosen = new Set();
const changes = channel();
let anchor = null; // where a range begins
let mode = false; // whether a tap chooses instead of opening

export const isSelected = (id) => chosen.has(id);
export const watchSelection = (listener) => changes.on(listener);
export const anySelected = () => chosen.size > 0 || mode;

/** Chooses a picture, or takes it out; `range` takes all from the last one on. */
export function pick(index, range = false) {
  const { hits } = results;
  const on = !chosen.has(hits[index].id);
  const from = range && anchor !== null ? anchor : index;
  for (let at = Math.min(from, index); at <= Math.max(from, index); at++) {
    if (on || range) chosen.add(hits[at].id);
    else chosen.delete(hits[at].id);
  }
  anchor = index;
  changed();
}

export function clearSelection() {
  chosen.clear();
  anchor = null;
  mode = false;
  changed();
}

function all() {
  results.hits.forEach((hit) => chosen.add(hit.id));
  changed();
}

function changed() {
  document.body.classList.toggle("selecting", anySelected());
  $("#select").setAttribute("aria-pressed", mode || chosen.size > 0);
  render();
  changes.tell();
  say(`${count(chosen.size, "picture")} selected`);
}

function render() {
  const bar = $("#selected");
  const held = bar.contains(document.activeElement) && (document.activeElement.dataset.key ?? "");
  bar.hidden = !anySelected();
  fill(bar, bar.hidden ? null : choices([...chosen]));
  // What was pressed is drawn anew or gone: the focus stays here, or goes to what shows the bar.
  if (held !== false) (bar.querySelector(`[data-key="${held}"]:enabled`) ?? $("#select")).focus({ preventScroll: true });
}

function choices(ids) {
  const none = !ids.length;
  const rate = (kind, name, text) => button(name, text, () => { feedback(kind, ids); clearSelection(); },
    { seen: "wide", disabled: none || (kind === "not" && !hasPositive()) });
  return [
    h("strong", {}, ids.length.toLocaleString("en"), h("span", { class: "wide" }, " selected")),
    h("button", { type: "button", class: "quiet", dataset: { key: "all" }, onclick: all }, "All", h("span", { class: "wide" }, `${results.hits.length.toLocaleString("en")} shown`)),
    h("span", { class: "space" }),
    rate("more", "plus", "More of this"),
    rate("not", "minus", "Less like this"),
    library.can.write && button("label", "Label", (event) => labelMenu(event.currentTarget, ids), { seen: "wide", dataset: { key: "label" }, disabled: none, "aria-haspopup": "dialog" }),
    button("download", "Export", (event) => exportMenu(event.currentTarget, ids), { seen: "wide", dataset: { key: "export" }, disabled: none, "aria-haspopup": "dialog" }),
    button("close", "Clear the selection", clearSelection, { class: "quiet" }),
  ];
}

export function startSelection() {
  $("#select").addEventListener("click", () => {
    if (anySelected()) return clearSelection();
    mode = true;
    changed();
  });
  watchResults((what) => {
    if (what === "new") anchor = null;
    if (what === "gone") {
      const there = new Set(results.hits.map((hit) => hit.id));
      chosen.forEach((id) => { if (!there.has(id)) chosen.delete(id); });
    }
    if (anySelected()) render();
  });
  watch((what) => { if (what.has("terms") && anySelected()) render(); });
}
