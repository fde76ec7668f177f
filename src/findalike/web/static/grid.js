// The pictures that were found, in rows of which only those near the window are in the document.
import { cellOf, dress, mark as showPicked, reach } from "./cell.js";
import { $, h } from "./dom.js";
import { feedback } from "./feedback.js";
import { justified, rowAt, upOrDown } from "./layout.js";
import { mark, watchMarks } from "./marks.js";
import { more, results, watchResults } from "./search.js";
import { sharpen } from "./sharpen.js";
import { pick, watchSelection } from "./selection.js";
import { change } from "./state.js";
import { moreLike } from "./terms.js";

const GAP = 8;
const LINE = 12; // between rows
const LINE_RANKED = 32; // with room for the line that shows the score, and its band
const AHEAD = 900; // pixels beside the window that are in the document too
const RELATED = 0.3; // where the band "unrelated" ends

const grid = $("#grid");
const cells = new Map(); // by id, so that a picture that stays is not loaded again
const shown = new Map(); // rows in the document, by place
let rows = [];
let active = 0; // the picture that the keyboard is at

const target = () => (innerWidth < 520 ? 124 : innerWidth < 1100 ? 168 : 196);

/** Where what is hardly related begins, when something better comes before it. */
function cutAt() {
  if (!results.ranked || results.nothing) return -1;
  const at = results.hits.findIndex((hit) => hit.score !== null && hit.score < RELATED);
  return at > 0 ? at : -1;
}

function lay() {
  grid.hidden = !results.hits.length;
  const found = justified(results.hits, { width: grid.clientWidth, target: target(), gap: GAP, line: results.ranked ? LINE_RANKED : LINE, cut: cutAt() });
  rows = found.rows;
  grid.style.setProperty("height", `${found.height}px`);
  grid.setAttribute("aria-rowcount", results.cursor ? -1 : rows.length);
  active = Math.min(active, Math.max(0, results.hits.length - 1));
}

function paint() {
  if (grid.hidden) return;
  const from = -grid.getBoundingClientRect().top;
  const wanted = new Set();
  for (let at = rowAt(rows, from - AHEAD); at < rows.length && rows[at].top < from + innerHeight + AHEAD; at++) wanted.add(at);
  const kept = rows.findIndex((row) => row.start <= active && active < row.end);
  if (kept >= 0 && grid.contains(document.activeElement)) wanted.add(kept);
  const used = new Set();
  for (const at of [...wanted].sort((a, b) => a - b)) paintRow(at, used);
  for (const [at, row] of shown) if (!wanted.has(at)) { row.remove(); shown.delete(at); }
  for (const [id, cell] of cells) if (!used.has(id)) drop(cell);
  sharpen(cells.values());
  if (rows.length && rows.at(-1).top < from + innerHeight + 900) more();
}

function paintRow(at, used) {
  const { top, height, start, end, widths, divider } = rows[at];
  let row = shown.get(at);
  if (!row || row.classList.contains("divider") !== Boolean(divider)) {
    row?.remove();
    row = divider ? dividerRow() : h("div", { class: "grid-row", role: "row" });
    shown.set(at, row);
    place(row, at);
  }
  row.style.setProperty("top", `${top}px`);
  row.style.setProperty("height", `${height}px`);
  row.setAttribute("aria-rowindex", at + 1);
  let left = 0;
  for (let index = start; index < end; index++) {
    const hit = results.hits[index];
    used.add(hit.id);
    const cell = cells.get(hit.id) ?? cellOf(hit);
    cells.set(hit.id, cell);
    dress(cell, hit);
    cell.index = index;
    cell.style.setProperty("left", `${left}px`);
    cell.style.setProperty("width", `${widths[index - start]}px`);
    reach(cell, index === active);
    const before = index === start ? null : cells.get(results.hits[index - 1].id);
    if (cell.parentNode !== row || cell.previousSibling !== before) row.insertBefore(cell, before ? before.nextSibling : row.firstChild);
    left += widths[index - start] + GAP;
  }
}

/** Takes a cell away; what it was still loading must not hold up others. */
function drop(cell) {
  const img = $("img", cell);
  if (!img.complete) img.removeAttribute("src");
  cell.remove();
  cells.delete(cell.hit.id);
}

/** Puts a row where it belongs among those in the document, so that reading follows the eye. */
function place(row, at) {
  const after = [...shown.keys()].filter((other) => other > at).sort((a, b) => a - b)[0];
  grid.insertBefore(row, after === undefined ? null : shown.get(after));
}

const dividerRow = () => h("div", { class: "grid-row divider", role: "row" },
  h("span", { role: "gridcell" }, "Less alike from here on"));

function go(index, focus = true) {
  const next = Math.max(0, Math.min(results.hits.length - 1, index));
  const before = cells.get(results.hits[active]?.id);
  if (before) reach(before, false);
  active = next;
  const row = rows.find(({ start, end }) => start <= next && next < end);
  if (!row) return;
  show(row);
  paint();
  const cell = cells.get(results.hits[next].id) ?? null;
  if (!cell) return;
  reach(cell, true);
  if (focus) $(".pic", cell).focus({ preventScroll: true });
}

/** Scrolls so that a row is in the window, below what is fixed at its top. */
function show({ top, height }) {
  const at = grid.getBoundingClientRect().top + top;
  const head = $(".top").offsetHeight + 12;
  if (at < head) scrollBy(0, at - head);
  else if (at + height > innerHeight - 16) scrollBy(0, at + height - innerHeight + 16);
}

const MOVES = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  ArrowUp: (index) => upOrDown(rows, index, -1, GAP),
  ArrowDown: (index) => upOrDown(rows, index, 1, GAP),
  Home: () => 0,
  End: () => results.hits.length - 1,
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === grid && MOVES[event.key] && results.hits.length) { // skipped to, and no picture has the focus yet
    event.preventDefault();
    return go(active);
  }
  const cell = event.target.closest(".cell");
  if (!cell) return;
  const inPicture = event.target.matches(".pic");
  const does = {
    x: () => pick(cell.index, event.shiftKey),
    X: () => pick(cell.index, true),
    m: () => moreLike(cell.hit.id),
    "+": () => feedback("more", [cell.hit.id]),
    "-": () => feedback("not", [cell.hit.id]),
    ...(cell.marks && { y: () => mark(cell.hit.id, "match"), n: () => mark(cell.hit.id, "no match") }),
  };
  if (inPicture) does[" "] = does.x;
  const run = MOVES[event.key] ? () => go(MOVES[event.key](cell.index)) : does[event.key];
  if (!run) return;
  event.preventDefault();
  run();
}

function press(event) {
  const act = event.target.closest("[data-act]")?.dataset.act;
  const cell = event.target.closest(".cell");
  if (!cell || !act) return;
  if (act === "open" && (event.ctrlKey || event.metaKey)) return; // a new tab
  event.preventDefault();
  active = cell.index;
  const picking = act === "pick" || (act === "open" && (event.shiftKey || document.body.classList.contains("selecting")));
  if (picking) pick(cell.index, event.shiftKey);
  else if (act === "open") change({ open: cell.hit.id });
  else if (act === "similar") moreLike(cell.hit.id);
  else if (act === "not") feedback("not", [cell.hit.id]);
  else mark(cell.hit.id, act);
}

/** Brings the focus to a picture, as when the detail view of it closes. */
export function focusPicture(id) {
  const index = results.hits.findIndex((hit) => hit.id === id);
  if (index >= 0) go(index);
  else grid.focus({ preventScroll: true });
}

/** Brings the focus to the picture that the keyboard was at. */
export const focusGrid = () => go(active);

/** The img of a picture, where it is in the document. */
export const pictureElement = (id) => cells.get(id)?.querySelector("img");

let frame = 0;
const soon = () => {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    paint();
  });
};

function update(what) {
  if (what === "busy") return grid.setAttribute("aria-busy", "true");
  grid.removeAttribute("aria-busy");
  if (what === "new" || what === "failed") active = 0;
  const focused = grid.contains(document.activeElement);
  lay();
  if (what === "new") scrollTo({ top: results.scroll, behavior: "instant" });
  paint();
  if (focused && !grid.contains(document.activeElement) && results.hits.length) go(active);
}

export function startGrid() {
  watchResults(update);
  watchSelection(() => cells.forEach(showPicked));
  watchMarks(() => cells.forEach((cell) => dress(cell, cell.hit)));
  grid.addEventListener("click", press);
  grid.addEventListener("keydown", key);
  grid.addEventListener("focusin", (event) => {
    const cell = event.target.closest(".cell");
    if (cell && cell.index !== active) {
      const before = cells.get(results.hits[active]?.id);
      if (before) reach(before, false);
      active = cell.index;
      reach(cell, true);
    }
  });
  grid.addEventListener("dragstart", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    event.dataTransfer.setData("application/x-findalike", cell.hit.id);
    event.dataTransfer.setDragImage($("img", cell), 20, 20);
  });
  addEventListener("scroll", soon, { passive: true });
  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(grid.parentElement.clientWidth - width) < 1) return;
    width = grid.parentElement.clientWidth;
    lay();
    paint();
  }).observe(grid.parentElement);
}
