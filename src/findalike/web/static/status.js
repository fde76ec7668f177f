// What is said about an answer: how many, how fast, what was not understood, and what to do when there is nothing.
import { presence, sentence } from "./api.js";
import { $, button, count, h, say, touched } from "./dom.js";
import { isLook } from "./facets.js";
import { facet, known, library, watchLibrary } from "./library.js";
import { more, refresh, results, watchResults } from "./search.js";
import { change, ranks, state, watch } from "./state.js";
import { NO_FILTERS, filters } from "./where.js";

const GENERAL = new Set(["animal", "mammal", "carnivore", "canine", "nature"]); // nobody looks for these

function howMany() {
  const { hits, cursor, total } = results;
  if (!cursor || total !== null) return count(cursor ? total : hits.length, "picture");
  return `${hits.length.toLocaleString("en")}+ pictures`;
}

function summary() {
  const place = $("#summary");
  if (!results.hits.length && (results.error || results.busy)) return place.replaceChildren(results.error ? "" : "Searching…");
  const ms = results.ms === null ? null : Math.max(1, Math.round(results.ms));
  const detail = Object.entries(results.timings ?? {}).map(([name, time]) => `${name} ${time} ms`).join(", ");
  place.replaceChildren(howMany(), ms === null ? "" : h("span", { class: "ms", title: `On the server: ${detail}` }, ` · ${ms} ms`));
}

function notes() {
  const place = $("#notes");
  const lines = bare() ? [] : [...results.notes];
  const wrong = results.error && !results.hits.length && !bare(); // of a later page it is told at the end
  if (wrong) lines.push(results.error.message.split("\n")[0]);
  else if (results.hits.length && results.nothing) lines.unshift("Nothing here is really similar; these come closest.");
  place.replaceChildren(...lines.map((line) => h("p", { class: wrong ? "wrong" : "" }, sentence(line))), ...wayOut());
  place.hidden = !place.childElementCount;
}

/** What one can do where there are no pictures. */
function wayOut() {
  if (results.hits.length) return [];
  if (bare()) return [empty()];
  if (results.busy || results.key === null) return []; // nobody knows yet
  const { error } = results;
  const ways = [];
  if (error?.status >= 500) ways.push(button(null, "Try again", () => refresh({ again: true }), { seen: true }));
  if (state.least) ways.push(button(null, "Show lower scores too", () => change({ least: 0 }), { seen: true }));
  if (filters()) ways.push(button(null, "Clear the filters", () => change(NO_FILTERS), { seen: true }));
  const line = error || results.notes.length ? [] : [h("p", {}, "No picture fits.")];
  return [...line, ...(ways.length ? [h("p", { class: "row" }, ways)] : [])];
}

const bare = () => results.error?.code === "library-empty" || (known && !library.pictures && !results.hits.length);

const empty = () => h("div", { class: "empty" }, h("h2", {}, "No pictures yet"),
  h("p", {}, `Index a folder, and its pictures can be searched. They stay where they are.${library.can.upload ? " Or upload some." : ""}`),
  button("folder", library.folders.length ? "Choose a folder" : "How to add pictures", () => change({ view: "index" }), { seen: true, class: "main" }));

function end() {
  const place = $("#end");
  const { hits, cursor, error } = results;
  if (!hits.length) return place.replaceChildren();
  if (error) {
    return place.replaceChildren(h("p", { class: "wrong" }, error.message),
      button(null, "Try again", () => more({ again: true }), { seen: true }));
  }
  place.replaceChildren(h("p", {}, cursor ? "More pictures are coming…" : `That is all: ${count(hits.length, "picture")}`));
}

let examples = [];

function hint() {
  const place = $("#hint");
  place.hidden = ranks() || filters() > 0 || !known || !library.pictures;
  if (place.hidden) return;
  place.replaceChildren(`Type words, ${touched() ? "choose a picture" : "drop a picture anywhere"}, or take one from below to find more like it. `,
    ...(examples.length ? ["Try "] : []),
    ...examples.map((word) => h("button", { type: "button", class: "example", onclick: () => change({ words: word }) }, word)));
}

async function learnExamples() {
  if (examples.length || !library.pictures) return hint();
  const tags = await facet("tag", null, 60).catch(() => []);
  const things = tags.filter(({ value, count: many }) => !value.includes(" ") && !isLook(value) && !GENERAL.has(value) && many < library.pictures * 0.15);
  const apart = Math.max(1, Math.floor(things.length / 6)); // neighbours in this list are often kinds of one another
  examples = things.filter((_, at) => at % apart === 0).slice(0, 5).map(({ value }) => value);
  hint();
}

function title() {
  const words = [state.words, ...state.terms.filter((term) => term.kind === "text").map((term) => term.value)].filter(Boolean);
  document.title = words.length ? `${words.join(", ")} – findalike` : "findalike";
}

function render(what) {
  document.body.classList.toggle("busy", what === "busy");
  $(".bar").hidden = bare();
  summary();
  if (what === "busy" && results.hits.length) return; // what was found before stays until there is something new
  notes();
  end();
  if (what === "new") say(results.hits.length ? howMany() : "No picture fits");
  if (what === "failed") say(results.error.message);
}

function here(there) {
  const banner = $("#banner");
  banner.hidden = there;
  banner.textContent = there ? "" : "The server does not answer. Trying again…";
  if (there) {
    say("The server is there again");
    refresh({ again: results.error !== null });
  }
}

export function startStatus() {
  watchResults(render);
  watch(() => { title(); hint(); });
  watchLibrary(() => { learnExamples(); render("more"); });
  presence.on(here);
  title();
}
