// Ways in which a search is begun or added to.
import { count } from "./dom.js";
import { mayBeFilm } from "./clips.js";
import { library } from "./library.js";
import { picturesAmong, takeIn } from "./pictures.js";
import { NEW_SEARCH, change, newTerm, ranks, state } from "./state.js";
import { toast } from "./toast.js";

const AT_ONCE = 4; // files that are taken in together

/** Searches with terms alone, and offers to search with what was asked before as well. */
export function searchWith(terms, what) {
  const before = { words: state.words, terms: state.terms, more: state.more, not: state.not };
  const had = ranks();
  change({ ...NEW_SEARCH, terms, least: 0 });
  scrollTo(0, 0);
  if (!had) return;
  toast(what, { label: "Add to the last search", run: () => change({ ...before, terms: [...before.terms, ...terms] }) });
}

export const moreLike = (id) => searchWith([newTerm("id", id)], "A new search");

/** Adds terms to the search. */
export function addTerms(terms) {
  const room = library.limits.terms - state.terms.length - Boolean(state.words.trim());
  if (room < terms.length) toast(`A search has ${count(library.limits.terms, "term")} at most.`);
  change({ terms: [...state.terms, ...terms.slice(0, Math.max(0, room))], open: null, view: "" });
}

/** Searches with picture files, or adds them to the search. */
export async function takeFiles(files, { add = false } = {}) {
  const most = library.limits.body * 0.9; // a clip is sent as it is, a picture is made small
  const large = (file) => mayBeFilm(file) && file.size > most;
  const right = picturesAmong(files).filter((file) => !large(file)).slice(0, AT_ONCE);
  const left = [...files].find(large);
  if (left) toast(`“${left.name}” is larger than ${Math.floor(most / 1e6) || 1} MB: cut out the part that counts.`);
  if (!right.length) return;
  const terms = [];
  for (const file of right) terms.push(newTerm("picture", await takeIn(file)));
  if (add) addTerms(terms);
  else searchWith(terms, right.length > 1 ? "Searching with these pictures" : `Searching with this ${mayBeFilm(right[0]) ? "clip" : "picture"}`);
}
