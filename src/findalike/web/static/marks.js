// What people say of the hits of a search for one picture of the library. It is kept there, to learn from; nothing is ranked by it.
import { get, send } from "./api.js";
import { button, channel } from "./dom.js";
import { library, watchLibrary } from "./library.js";
import { results, watchResults } from "./search.js";
import { state } from "./state.js";
import { failed, toast } from "./toast.js";

export const CALLED = { match: "Match", "no match": "Not a match" };
export const MARKED = { match: "marked as a match", "no match": "marked as not a match" };

const changes = channel();
export const watchMarks = (listener) => changes.on(listener);

let of = null; // the id of the picture whose hits these marks are of
let marks = new Map(); // by the id of the hit
const opened = new Set();

/** The id of the one picture of the library that is searched with as a whole, or null. */
export function queried() {
  const [term, ...others] = state.terms;
  const alone = term?.kind === "id" && term.weight > 0 && !term.box && !term.focus && !term.face;
  return alone && !others.length && !state.words.trim() && !state.more.length ? term.value : null;
}

/** Whether anything can be said of a picture as a hit. */
export const markable = (id) => library.can.write && queried() !== null && queried() !== id && results.ranked;

/** What was said of a hit: "match", "no match", or nothing. */
export const verdictOf = (id) => (queried() === of ? marks.get(id)?.verdict : undefined);

const told = (id, verdict) => {
  const hit = results.hits.find((each) => each.id === id);
  return { query: queried(), hit: id, verdict, ...(hit && { space: hit.space, rank: hit.rank }) };
};

/** Says that a hit is a match or none; once more takes it back. */
export async function mark(id, verdict) {
  if (!markable(id)) return;
  const before = marks.get(id);
  try {
    if (before?.verdict === verdict) return await takeBack(before, "Taken back");
    const { marks: [given] } = await send("POST", "/v1/feedback", { marks: [told(id, verdict)] }, { again: false });
    marks.set(id, given);
    changes.tell();
    toast(`Noted in this library: ${CALLED[verdict].toLowerCase()}`, { label: "Undo", run: () => takeBack(given, "").catch(failed) });
  } catch (error) {
    failed(error);
  }
}

async function takeBack(given, text) {
  await send("DELETE", `/v1/feedback/${given.id}`);
  await learn(given.query);
  if (text) toast(text);
}

/** Asks what was said of the hits of a picture. */
async function learn(query) {
  const answer = await get(`/v1/feedback?query=${encodeURIComponent(query)}`);
  if (query !== queried()) return;
  of = query;
  marks = new Map(answer.marks.filter(({ verdict }) => verdict !== "click").map((each) => [each.hit, each]));
  changes.tell();
}

/** Buttons to say it with, for the view of one picture. */
export function markButtons({ id }) {
  if (!markable(id)) return [];
  return Object.entries(CALLED).map(([verdict, text]) => button(verdict === "match" ? "yes" : "no", text, () => mark(id, verdict),
    { seen: true, "aria-pressed": verdictOf(id) === verdict }));
}

// What is opened

const KEY = "note-opened";

export function notesOpened() {
  try {
    return localStorage.getItem(KEY) !== "no";
  } catch {
    return true;
  }
}

export function setNotesOpened(on) {
  try {
    localStorage.setItem(KEY, on ? "yes" : "no");
  } catch {
    // It then holds for this page only.
  }
}

/** Notes that a hit was opened, as a weak word for it: once, and where that was not switched off. */
export function noteOpened(id) {
  const pair = `${queried()} ${id}`;
  const hit = results.hits.some((each) => each.id === id);
  if (!notesOpened() || !markable(id) || !hit || opened.has(pair)) return;
  opened.add(pair);
  send("POST", "/v1/feedback", { marks: [told(id, "click")] }, { again: false }).catch(() => opened.delete(pair));
}

function follow() {
  const query = queried();
  if (!library.can.write || !query || query === of) return;
  learn(query).catch(() => {});
}

export function startMarks() {
  watchResults((what) => { if (what === "new") follow(); });
  watchLibrary(() => { changes.tell(); follow(); });
}
