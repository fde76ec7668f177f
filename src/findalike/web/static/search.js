// Asks the server for what the state says: the latest question wins, and answers come page by page.
import { Problem, search as ask, seen } from "./api.js";
import { channel } from "./dom.js";
import { feedbackTerms } from "./feedback.js";
import { library } from "./library.js";
import { asked as looked } from "./look.js";
import { stored } from "./pictures.js";
import { asked as shared } from "./same.js";
import { hasPositive, state } from "./state.js";
import { where } from "./where.js";

const PAGE = 60;
const KEPT = 12;

const NOTHING = Object.freeze({
  key: null, hits: [], cursor: null, total: null, notes: [], nothing: false, ranked: false, ms: null, timings: null,
  error: null, busy: false, scroll: 0,
});

export let results = NOTHING;

const changes = channel();
/** Calls a listener with "new", "more", "busy", "failed" or "gone" (pictures were taken out). */
export const watchResults = (listener) => changes.on(listener);

const earlier = new Map(); // answers by question, to be there at once when one goes back
let running = new AbortController();

/** The question that the state asks, without the files of pictures. */
export function question() {
  const terms = state.terms.map(asked);
  if (state.words.trim()) terms.push({ text: state.words.trim() });
  terms.push(...feedbackTerms(library.limits.terms - terms.length, hasPositive()));
  const query = { terms, where: where(), limit: Math.min(PAGE, library.limits.limit) };
  if (terms.length && state.least) query.min_score = state.least;
  if (state.terms.some(({ kind }) => kind !== "text") && looked()) query.look = looked();
  if (state.terms.some(({ kind, weight }) => kind !== "text" && weight > 0) && shared()) query.same = shared();
  return query;
}

function asked({ kind, value, weight, box, focus, face }) {
  const term = { [{ picture: "upload" }[kind] ?? kind]: value };
  if (weight !== 1) term.weight = weight;
  if (box && kind !== "text") term.box = box;
  if (face && kind !== "text") term.face = face;
  if (focus && kind !== "text") term.focus = focus;
  return term;
}

async function filesOf(query) {
  const files = new Map();
  for (const { upload } of query.terms) if (upload) files.set(upload, (await stored(upload))?.blob);
  if ([...files.values()].includes(undefined)) {
    throw new Problem(0, { code: "missing", detail:
      "A picture of this search is not in this browser. Pictures that you drop here stay in the browser that "
      + "you dropped them in: drop the picture again, or search with one of the library." });
  }
  return files;
}

/** Asks anew when the question is another one, or when `again`. */
export async function refresh({ again = false } = {}) {
  const query = question();
  const key = JSON.stringify(query);
  if (key === results.key && !again) return;
  if (again) earlier.clear();
  else if (results.key) keep({ ...results, scroll: scrollY });
  running.abort();
  running = new AbortController();
  const found = earlier.get(key);
  if (found) return show(found, "new");
  results = { ...results, key, busy: true, error: null };
  changes.tell("busy");
  await answer(query, key, running.signal);
}

async function answer(query, key, signal) {
  const start = performance.now();
  try {
    const files = await filesOf(query);
    const told = await ask(query, files, signal);
    const ms = performance.now() - start;
    remember(told.hits);
    show({ ...NOTHING, key, hits: unique(told.hits, new Set()), cursor: told.cursor, total: told.total, notes: told.notes, ms,
      nothing: told.nothing_similar, ranked: told.ranked && query.terms.some(({ weight = 1 }) => weight > 0), timings: told.timings }, "new");
  } catch (error) {
    if (error.name === "AbortError") return;
    show({ ...NOTHING, key, error }, "failed");
  }
}

function show(next, what) {
  results = { ...next, busy: false };
  if (!next.error) keep(results);
  changes.tell(what);
}

function keep(answered) {
  if (answered.error || answered.busy) return;
  earlier.delete(answered.key);
  earlier.set(answered.key, answered);
  if (earlier.size > KEPT) earlier.delete(earlier.keys().next().value);
}

/** How many hits the next page has: the farther one goes, the larger are the steps. */
const further = () => Math.min(480, Math.max(120, results.hits.length));

/** Asks for the next page, where there is one and none is on its way; one that failed only when `again`. */
export async function more({ again = false } = {}) {
  if (results.busy || !results.cursor || (results.error && !again)) return;
  const { key, cursor } = results;
  const { signal } = running;
  results = { ...results, busy: true, error: null };
  try {
    const query = JSON.parse(key);
    const told = await ask({ ...query, cursor, limit: Math.min(further(), library.limits.limit) }, await filesOf(query), signal);
    if (key !== results.key) return;
    remember(told.hits);
    const there = new Set(results.hits.map((hit) => hit.id));
    show({ ...results, hits: results.hits.concat(unique(told.hits, there)), cursor: told.cursor }, "more");
  } catch (error) {
    if (error.name === "AbortError") return;
    if (key === results.key) show({ ...results, error }, "more");
  }
}

const unique = (hits, there) => hits.filter((hit) => !there.has(hit.id) && there.add(hit.id));

function remember(hits) {
  for (const hit of hits) seen.set(hit.id, { ...seen.get(hit.id), ...hit }); // more may be known of it already
}

/** Takes pictures out of what is shown, as when they were removed from the library. */
export function takeOut(ids) {
  earlier.clear();
  const hits = results.hits.filter((hit) => !ids.has(hit.id));
  const total = results.total === null ? null : results.total - (results.hits.length - hits.length);
  results = { ...results, hits, total };
  changes.tell("gone");
}

/** Puts a changed picture in the place of what is shown of it. */
export function putIn(asset) {
  seen.set(asset.id, { ...seen.get(asset.id), ...asset });
  const hits = results.hits.map((hit) => (hit.id === asset.id ? { ...hit, ...asset } : hit));
  earlier.clear();
  results = { ...results, hits };
  changes.tell("gone");
}
