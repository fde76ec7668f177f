// Filters: colours, tags, dates and columns with their counts, and an expression for those who want one.
import { $, button, count, debounced, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { knownLabels } from "./labels.js";
import { facet, library, watchLibrary } from "./library.js";
import { results, watchResults } from "./search.js";
import { change, ranks, state, watch } from "./state.js";
import { NO_FILTERS, filters, where } from "./where.js";

const COLOURS = ["red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "brown", "beige", "black", "white", "grey"];
const UNFIT = new Set(["path", "name", "tag", "size", "modified", "width", "height"]);
const LOOKS = /format$|^(colou?rful|bright|dark|black and white)$/;
const FEW = 30; // values that a column may have to be offered
const AT_FIRST = 10; // of them that are seen at first
const TITLES = { media: "Kind of file", folder: "Folder", label: "Labels", camera: "Camera" };

const panel = $("#filters");
const open = $("#filters-open");
let counting = new AbortController();
const widened = new Set(); // sections whose values are all shown

const toggled = (values, value) => (values.includes(value) ? values.filter((other) => other !== value) : [...values, value]);
const toggleTag = (tag) => change({ tags: toggled(state.tags, tag) });

function togglePicked(column, value) {
  const values = toggled((state.picked[column] ?? []), String(value));
  const { [column]: _, ...others } = state.picked;
  change({ picked: values.length ? { ...others, [column]: values } : others });
}

// The panel

function section(name, title, ...content) {
  return h("section", { class: "filter", dataset: { section: name } }, h("h3", {}, title), ...content);
}

function build() {
  fill(panel,
    h("div", { class: "panel-head" }, h("h2", {}, "Filters"), button("close", "Close the filters", () => toggle(false), { class: "quiet" })),
    section("colour", "Colour", h("div", { class: "swatches" }, COLOURS.map(swatch))),
    section("tag", "What it shows", h("div", { class: "values" }), tagField()),
    dates(),
    ["label", ...columns()].map((name) => section(name, TITLES[name] ?? name, h("div", { class: "values" }))),
    expert());
  mark();
}

const columns = () => {
  const fit = Object.entries(library.columns).filter(([name, kind]) =>
    ["text", "boolean", "tags"].includes(kind) && !UNFIT.has(name) && name !== library.range?.column);
  const first = ["camera", "media", "folder"];
  const place = ([name]) => (first.indexOf(name) + first.length + 1) % (first.length + 1);
  return fit.sort((a, b) => place(a) - place(b)).map(([name]) => name).slice(0, 8);
};

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

// Counts

const recount = debounced(60, async () => {
  counting.abort();
  if (panel.hidden) return;
  counting = new AbortController();
  const { signal } = counting;
  // One after the other: the search itself comes first.
  const ask = (name, condition, most) => facet(name, condition, most, signal).catch(() => null);
  const tags = await ask("tag", where(), 500);
  if (!tags) return; // the filter is wrong, or there is a newer one
  showColours(tags);
  showTags(tags);
  for (const name of columns()) {
    const values = await ask(name, where(name), FEW + 1);
    if (!values) return;
    const few = values.length > 1 && (values.length <= FEW || name === "folder");
    showValues(name, few ? values.slice(0, FEW) : [], state.picked[name] ?? [], (value) => togglePicked(name, value));
  }
});

const place = (name) => panel.querySelector(`[data-section="${CSS.escape(name)}"]`);

/** Colours have swatches and labels a section of their own; shapes and light come after things. */
function showTags(tags) {
  const labels = knownLabels();
  const rest = tags.filter(({ value }) => !COLOURS.includes(value) && !labels.has(value));
  const chosen = state.tags.filter((tag) => !COLOURS.includes(tag));
  const things = [...rest.filter(({ value }) => !LOOKS.test(value)).slice(0, FEW), ...rest.filter(({ value }) => LOOKS.test(value))];
  showValues("tag", things, chosen.filter((tag) => !labels.has(tag)), toggleTag);
  const counts = new Map(tags.map(({ value, count: pictures }) => [value, pictures]));
  showValues("label", [...labels].map((value) => ({ value, count: counts.get(value) })), chosen.filter((tag) => labels.has(tag)), toggleTag);
  place("tag").hidden = false;
}

function showValues(name, values, chosen, ontoggle) {
  const gone = chosen.filter((one) => !values.some(({ value }) => String(value) === one)).map((value) => ({ value, count: null }));
  const all = [...gone, ...values];
  place(name).hidden = !all.length;
  const seen = widened.has(name) ? all : all.slice(0, AT_FIRST);
  const more = all.length > seen.length && button(null, `${all.length - seen.length} more`, () => {
    widened.add(name);
    showValues(name, values, chosen, ontoggle);
  }, { seen: true, class: "quiet small" });
  fill($(".values", place(name)), seen.map(({ value, count: pictures }) => h("button", { type: "button", class: "value",
    "aria-pressed": chosen.includes(String(value)), title: String(value), onclick: () => ontoggle(value) },
  h("span", { class: "name" }, shortened(name, String(value))),
  h("span", { class: "count" }, pictures?.toLocaleString("en")))), more);
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

const shortened = (name, value) => (name === "folder" ? value.replace(/\/$/, "").split("/").slice(-2).join("/") : value);

/** Shows in the panel what the state says. */
function mark() {
  for (const one of panel.querySelectorAll(".swatch")) one.setAttribute("aria-pressed", state.tags.includes(one.dataset.tag));
  for (const name of ["from", "to", "where"]) {
    const field = panel.querySelector(name === "where" ? "#where" : `[name=${name}]`);
    if (field && field !== document.activeElement) field.value = state[name];
  }
}

// The bar above the pictures

function activeChips() {
  const chip = (text, clear) => h("li", { class: "chip" }, h("span", { class: "name" }, text), button("close", `No longer ${text}`, clear, { class: "quiet chip-x" }));
  const made = [
    ...state.tags.map((tag) => chip(tag, () => toggleTag(tag))),
    ...Object.entries(state.picked).flatMap(([column, values]) => values.map((value) =>
      chip(`${TITLES[column] ?? column}: ${shortened(column, value)}`, () => togglePicked(column, value)))),
    ...(state.from ? [chip(`from ${state.from}`, () => change({ from: "" }))] : []),
    ...(state.to ? [chip(`to ${state.to}`, () => change({ to: "" }))] : []),
    ...(state.where ? [chip(state.where, () => change({ where: "" }))] : []),
  ];
  if (made.length) made.push(h("li", {}, button(null, "Clear all", () => change(NO_FILTERS), { seen: true, class: "quiet small" })));
  $("#active").replaceChildren(...made);
  $("#active").hidden = !made.length;
  open.classList.toggle("on", filters() > 0);
}

function least() {
  const slider = $("#least-score");
  $("#least").hidden = !ranks();
  if (slider !== document.activeElement) slider.value = state.least;
  $("#least output").value = Number(slider.value) ? Number(slider.value).toFixed(2) : "any";
  slider.setAttribute("aria-valuetext", Number(slider.value) ? slider.value : "any");
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
  const slide = debounced(120, (event) => change({ least: Number(event.target.value) }, "live:least"));
  $("#least-score").addEventListener("input", (event) => {
    least();
    slide(event);
  });
  watch((changed) => {
    activeChips();
    least();
    mark();
    if (["tags", "picked", "from", "to", "where"].some((name) => changed.has(name))) recount();
  });
  watchLibrary(() => { panel.replaceChildren(); if (!panel.hidden) { build(); recount(); } activeChips(); });
  watchResults(showWrong);
  activeChips();
  least();
}
