// What the library is and what may be done with it, asked once and again after it changed.
import { get } from "./api.js";
import { channel } from "./dom.js";

const changes = channel();

export let library = {
  name: "", path: "", pictures: 0, failures: 0, columns: {}, spaces: [], faces: 0, folders: [], range: null, version: "",
  can: { write: false, index: false, upload: false, reveal: false },
  limits: { terms: 16, limit: 200, body: 33554432, urls: false },
};
export let known = false;

let first;
/** Resolves when the library was told for the first time. */
export const whenKnown = new Promise((resolve) => { first = resolve; });

export const watchLibrary = (listener) => changes.on(listener);

export async function loadLibrary() {
  library = { ...library, ...await get("/v1/library") };
  known = true;
  first();
  changes.tell();
}

export const facet = (column, where, most = 20, signal) => {
  const query = new URLSearchParams({ column, most });
  if (where) query.set("where", where);
  return get(`/v1/facets?${query}`, signal).then((answer) => answer.values);
};
