// The state of the page as an address, and back. Pure: no document, no history.

export const EMPTY = Object.freeze({
  words: "", // in the box, not yet kept as a term
  terms: [], // {kind: "text" | "id" | "picture" | "url", value, weight, box, focus, face}
  more: [], // ids of feedback: more of this
  not: [], // ids of feedback: not a match
  tags: [],
  picked: {}, // column: [values]
  from: "",
  to: "",
  where: "",
  same: [], // attributes that hits share with the query picture
  look: {}, // way of looking alike: weight; empty as usual
  least: 0,
  open: null, // id of the picture in the detail view
  view: "", // "index" for the library, "people" for the persons in it, "review" for the attributes
});

const VIEWS = new Set(["index", "people", "review"]);

const KINDS = { text: "text", id: "id", picture: "picture", url: "url" };
const TERM = /^(text|id|picture|url)(?:\*(-?\d*\.?\d+))?(?:@([\d.,]+))?(?:\(([^)]*)\))?(?:~(\d{1,4}))?:(.+)$/s;

const short = (number) => String(Math.round(number * 1e4) / 1e4);

/** A term as text, e.g. `id*0.5@0.1,0,0.6,1(dog):3f2a`, or `id~2:3f2a` for the second face of a picture. */
export function writeTerm({ kind, value, weight, box, focus, face }) {
  const shown = weight === 1 ? "" : `*${short(weight)}`;
  const part = box ? `@${box.map(short).join(",")}` : "";
  const thing = focus ? `(${focus.replaceAll(")", "")})` : "";
  return `${kind}${shown}${part}${thing}${face ? `~${face}` : ""}:${value}`;
}

/** The term that a text tells of, or null. */
export function readTerm(text) {
  const found = TERM.exec(text);
  if (!found) return null;
  const [, kind, weight, part, focus, face, value] = found;
  return { kind: KINDS[kind], value, weight: Number(weight ?? 1) || 1, box: readBox(part), focus: focus || "", face: Number(face) || null };
}

function readBox(part) {
  const box = part?.split(",").map(Number) ?? [];
  const right = box.length === 4 && box.every((edge) => edge >= 0 && edge <= 1) && box[0] < box[2] && box[1] < box[3];
  return right ? box : null;
}

/** The address of a state, from its path on. */
export function write(state) {
  const query = new URLSearchParams();
  if (state.words.trim()) query.append("q", state.words.trim());
  state.terms.forEach((term) => query.append("t", writeTerm(term)));
  if (state.more.length) query.append("more", state.more.join(","));
  if (state.not.length) query.append("not", state.not.join(","));
  state.tags.forEach((tag) => query.append("tag", tag));
  for (const [column, values] of Object.entries(state.picked)) {
    values.forEach((value) => query.append("in", `${column}=${value}`));
  }
  for (const name of ["from", "to", "where", "open"]) if (state[name]) query.append(name, state[name]);
  const ways = Object.entries(state.look).map(([way, weight]) => `${way}=${short(weight)}`);
  if (ways.length) query.append("look", ways.join(","));
  state.same.forEach((name) => query.append("same", name));
  if (state.least) query.append("least", short(state.least));
  // Signs that need no escape in a query, for addresses that can be read.
  const asked = String(query).replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%40/g, "@").replace(/%28/g, "(").replace(/%29/g, ")").replace(/%3D/g, "=");
  return `/${asked && `?${asked}`}${state.view && `#${state.view}`}`;
}

/** The state that an address tells of; what it does not understand is left out. */
export function read({ search, hash }) {
  const query = new URLSearchParams(search);
  const ids = (name) => (query.get(name) ?? "").split(",").filter(Boolean);
  const least = Number(query.get("least"));
  return {
    words: query.get("q") ?? "",
    terms: query.getAll("t").map(readTerm).filter(Boolean),
    more: ids("more"),
    not: ids("not"),
    tags: query.getAll("tag"),
    picked: readPicked(query.getAll("in")),
    from: readDay(query.get("from")),
    to: readDay(query.get("to")),
    where: query.get("where") ?? "",
    look: readLook(query.get("look")),
    same: [...new Set(query.getAll("same"))].filter((name) => name.trim()),
    least: least > 0 && least <= 1 ? least : 0,
    open: query.get("open"),
    view: VIEWS.has(hash.slice(1)) ? hash.slice(1) : "",
  };
}

const readDay = (text) => (/^\d{4}-\d\d-\d\d$/.test(text ?? "") ? text : "");

function readLook(text) {
  const pairs = (text ?? "").split(",").map((pair) => pair.split("="));
  return Object.fromEntries(pairs.map(([way, weight]) => [way, Number(weight)])
    .filter(([way, weight]) => ["thing", "colour", "layout"].includes(way) && weight > 0 && weight <= 1));
}

function readPicked(pairs) {
  const picked = {};
  for (const pair of pairs) {
    const cut = pair.indexOf("=");
    if (cut > 0) (picked[pair.slice(0, cut)] ??= []).push(pair.slice(cut + 1));
  }
  return picked;
}
