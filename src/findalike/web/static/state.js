// What is asked for, in one value. It lives in the address, so that it can be shared and gone back to.
import { EMPTY, read, write } from "./address.js";
import { channel } from "./dom.js";

const changes = channel();

export let state = { ...EMPTY, ...read(location) };

/** Calls a listener after each change with the names of what changed. */
export const watch = (listener) => changes.on(listener);

let live = null; // what the last entry of the history is being typed or dragged for

/**
 * Changes the state. `as` is "push" for a step one can go back from, "replace" for one that one cannot, or
 * "live:SOMETHING" while something is typed or dragged: a step for the first, none for those that follow.
 */
export function change(patch, as = "push") {
  const before = state;
  state = { ...state, ...patch };
  const changed = Object.keys(patch).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(state[name]));
  if (!changed.length) return;
  store(as, patch);
  changes.tell(new Set(changed));
}

function store(as, patch) {
  const address = write(state);
  const step = as === "push" || (as.startsWith("live:") && as !== live);
  live = as.startsWith("live:") ? as : null;
  if (address === location.pathname + location.search + location.hash) return;
  if (step) history.pushState({ within: true, opened: Boolean(patch.open || patch.view) }, "", address);
  else history.replaceState(history.state, "", address);
}

/** What is typed or dragged next is a new step. */
export function settle() {
  live = null;
}

/** Goes back where a dialog was opened from, or takes it out of the address where it was opened by a link. */
export function leave(patch) {
  if (history.state?.opened) history.back();
  else change(patch, "replace");
}

addEventListener("popstate", () => {
  const before = state;
  live = null;
  state = { ...EMPTY, ...read(location) };
  const names = Object.keys(EMPTY).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(state[name]));
  if (names.length) changes.tell(new Set(names));
});

/** Starts a new search: terms of its own, without feedback; filters stay. */
export const NEW_SEARCH = Object.freeze({ words: "", terms: [], more: [], not: [], open: null, view: "" });

export const newTerm = (kind, value, rest = {}) => ({ kind, value, weight: 1, box: null, focus: "", face: null, ...rest });

/** The state with one term changed; null takes it away. */
export function withTerm(index, patch) {
  const terms = state.terms.slice();
  if (patch) terms[index] = { ...terms[index], ...patch };
  else terms.splice(index, 1);
  return { terms };
}

/** Whether anything is looked for that pictures can be ranked by. */
export const ranks = () => Boolean(state.words.trim() || state.terms.length || state.more.length);

/** Whether there is something that feedback may push away from. */
export const hasPositive = () => Boolean(
  state.words.trim() || state.more.length || state.terms.some((term) => term.weight > 0));
