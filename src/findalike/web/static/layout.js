// Justified rows: pictures keep their shape, and each row is as wide as the grid. Pure arithmetic.

const SLIMMEST = 0.45;
const WIDEST = 3.2;
export const DIVIDER = 52;

/** Width by height of a picture, within what a row can show. */
export function shape({ width, height }) {
  const ratio = width > 0 && height > 0 ? width / height : 1;
  return Math.min(WIDEST, Math.max(SLIMMEST, ratio));
}

/**
 * Rows of `hits` for a grid of a width. Each is {top, height, start, end, widths}, or {top, height, start, end,
 * divider: true} before the picture `cut`.
 */
export function justified(hits, { width, target, gap, line, cut = -1 }) {
  const rows = [];
  let top = 0;
  let start = 0;
  let sum = 0;
  const close = (end, full) => {
    if (end <= start) return;
    const free = width - gap * (end - start - 1);
    const height = full ? free / sum : Math.min(target, free / sum);
    const widths = hits.slice(start, end).map((hit) => shape(hit) * height);
    rows.push({ top, height, start, end, widths });
    top += height + line;
    start = end;
    sum = 0;
  };
  for (let at = 0; at < hits.length; at++) {
    if (at === cut) {
      close(at, false);
      rows.push({ top, height: DIVIDER, start: at, end: at, widths: [], divider: true });
      top += DIVIDER;
    }
    const ratio = shape(hits[at]);
    // A picture that would press the row flat goes into the next one, unless the row would then be too tall.
    const fits = (width - gap * (at - start)) / (sum + ratio);
    const without = sum ? (width - gap * (at - start - 1)) / sum : Infinity;
    if (sum && fits < target && target - fits > without - target) close(at, true);
    sum += ratio;
    if ((width - gap * (at - start)) / sum <= target) close(at + 1, true);
  }
  close(hits.length, false);
  return { rows, height: Math.max(0, top) };
}

/** The place of the first row that ends below `y`. */
export function rowAt(rows, y) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height < y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The picture above or below, by the middle of the one at `index`; at an end the first or last. */
export function upOrDown(rows, index, way, gap) {
  const at = rows.findIndex(({ start, end }) => start <= index && index < end);
  let next = at + way;
  while (rows[next]?.divider) next += way;
  if (!rows[next]) return way > 0 ? rows[at].end - 1 : index;
  const middle = middles(rows[at], gap)[index - rows[at].start];
  const distances = middles(rows[next], gap).map((other) => Math.abs(other - middle));
  return rows[next].start + distances.indexOf(Math.min(...distances));
}

function middles({ widths }, gap) {
  let left = 0;
  return widths.map((width) => {
    left += width + gap;
    return left - gap - width / 2;
  });
}
