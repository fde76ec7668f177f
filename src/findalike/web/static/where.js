// Filters as an expression of the query language (docs/query.md).
import { library } from "./library.js";
import { state } from "./state.js";

export const quoted = (text) => `'${String(text).replaceAll("'", "''")}'`;

const column = (name) => (/^[A-Za-z_][\w.]*$/.test(name) ? name : name.includes('"') ? `\`${name}\`` : `"${name}"`);

function literal(value, kind) {
  if (["integer", "number", "boolean"].includes(kind)) return String(value);
  return quoted(value);
}

function oneOf(name, values) {
  const kind = library.columns[name];
  const written = values.map((value) => literal(value, kind));
  return written.length === 1 ? `${column(name)} = ${written[0]}` : `${column(name)} in (${written.join(", ")})`;
}

/** The filter that the state asks for, or null. `without` leaves out one column, to count its other values. */
export function where(without = null) {
  const parts = without === "tag" ? [] : state.tags.map((tag) => `tag = ${quoted(tag)}`);
  for (const [name, values] of Object.entries(state.picked)) {
    if (name !== without && values.length) parts.push(oneOf(name, values));
  }
  const dates = library.range?.column;
  if (dates && state.from) parts.push(`${column(dates)} >= ${state.from}`);
  if (dates && state.to) parts.push(`${column(dates)} <= ${state.to}`);
  if (state.where.trim()) parts.push(parts.length ? `(${state.where.trim()})` : state.where.trim());
  return parts.join(" and ") || null;
}

export const filters = () =>
  state.tags.length + Object.values(state.picked).flat().length + Boolean(state.from) + Boolean(state.to)
  + Boolean(state.where.trim());

export const NO_FILTERS = Object.freeze({ tags: [], picked: {}, from: "", to: "", where: "" });
