// The values that pictures can be filtered by, with how many pictures have each.
import { $, button, count, debounced, fill, h } from "./dom.js";
import { COLOURS, columns, isLook, shortened, togglePicked, toggleTag } from "./facets.js";
import { knownLabels } from "./labels.js";
import { facet } from "./library.js";
import { state } from "./state.js";
import { where } from "./where.js";

const FEW = 30; // values that a column may have to be offered
const AT_FIRST = 10; // of them that are seen at first

const panel = $("#filters");
const widened = new Set(); // sections whose values are all shown
let counting = new AbortController();

/** Counts anew what the filters leave, after a moment. */
export const recount = debounced(60, async () => {
  counting.abort();
  if (panel.hidden) return;
  counting = new AbortController();
  const { signal } = counting;
  // One after the other: the search itself comes first.
  const ask = (name, condition, most) => facet(name, condition, most, signal).catch(() => null);
  const tags = await ask("tag", where(), 500);
  if (!tags) return; // the filter is wrong, or there is a newer one
  const labels = await ask("label", where(), 200);
  if (!labels) return;
  showColours(tags);
  showTags(tags, labels);
  for (const name of columns()) {
    const values = await ask(name, where(name), FEW + 1);
    if (!values) return;
    const few = values.length > 1 && (values.length <= FEW || name === "folder");
    showValues(name, few ? values.slice(0, FEW) : [], state.picked[name] ?? [], (value) => togglePicked(name, value));
  }
});

const place = (name) => panel.querySelector(`[data-section="${CSS.escape(name)}"]`);

/** Colours have swatches and labels a section of their own; shapes and light come after things. */
function showTags(tags, counted) {
  const labels = new Set([...counted.map(({ value }) => value), ...knownLabels()]);
  const rest = tags.filter(({ value }) => !COLOURS.includes(value) && !labels.has(value));
  const chosen = state.tags.filter((tag) => !COLOURS.includes(tag));
  const things = [...rest.filter(({ value }) => !isLook(value)).slice(0, FEW), ...rest.filter(({ value }) => isLook(value))];
  showValues("tag", things, chosen.filter((tag) => !labels.has(tag)), toggleTag);
  const counts = new Map(counted.map(({ value, count: pictures }) => [value, pictures]));
  showValues("label", [...labels].map((value) => ({ value, count: counts.get(value) })), chosen.filter((tag) => labels.has(tag)), toggleTag);
  if (place("tag")) place("tag").hidden = false;
}

function showValues(name, values, chosen, ontoggle) {
  if (!place(name)) return; // the panel was closed meanwhile
  const gone = chosen.filter((one) => !values.some(({ value }) => String(value) === one)).map((value) => ({ value, count: null }));
  const all = [...gone, ...values];
  place(name).hidden = !all.length;
  const seen = widened.has(name) ? all : all.slice(0, AT_FIRST);
  const list = $(".values", place(name));
  const held = list.contains(document.activeElement) && document.activeElement.title;
  const more = all.length > seen.length && button(null, `${all.length - seen.length} more`, () => {
    widened.add(name);
    showValues(name, values, chosen, ontoggle);
  }, { seen: true, class: "quiet small" });
  fill(list, seen.map(({ value, count: pictures }) => h("button", { type: "button", class: "value",
    "aria-pressed": chosen.includes(String(value)), title: String(value), onclick: () => ontoggle(value) },
  h("span", { class: "name" }, shortened(name, String(value))),
  h("span", { class: "count" }, pictures?.toLocaleString("en")))), more);
  // What was pressed is drawn anew, and keeps the focus; "more" hands it on to the first that it showed.
  const buttons = [...list.querySelectorAll(".value")];
  if (held !== false) (buttons.find((one) => one.title === held) ?? buttons[AT_FIRST] ?? buttons.at(-1))?.focus();
}

function showColours(tags) {
  const counts = new Map(tags.map(({ value, count: pictures }) => [value, pictures]));
  for (const one of panel.querySelectorAll(".swatch")) {
    const pictures = counts.get(one.dataset.tag) ?? 0;
    one.classList.toggle("none", !pictures);
    one.title = `${one.dataset.tag}, ${count(pictures, "picture")}`;
    one.setAttribute("aria-label", one.title);
  }
}
