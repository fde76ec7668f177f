// Sharper thumbnails where the stored ones are too small for the screen, when nothing else is going on.
import { thumbnail } from "./api.js";
import { debounced } from "./dom.js";
import { isFilm, pictureOf } from "./moments.js";

const STORED = 256; // the longer side of a stored thumbnail
const SHARPER = 640;
const AT_ONCE = 2; // they are made from the files, which takes the server time

const sharp = new Set(); // addresses that are in the browser's cache

/** Whether a picture is shown so large that its stored thumbnail looks soft. */
function soft({ hit, offsetWidth, offsetHeight }) {
  if (isFilm(hit) || hit.picture) return false;
  const shown = Math.max(offsetWidth, offsetHeight) * devicePixelRatio;
  return shown > STORED * 1.3 && Math.max(hit.width ?? 0, hit.height ?? 0) > STORED * 1.2;
}

const inWindow = (cell) => {
  const { top, bottom } = cell.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
};

/** The best address that costs nothing. */
export const best = (hit) => pictureOf(hit, sharp.has(thumbnail(hit, SHARPER)) ? SHARPER : undefined);

/** Sharpens those of the cells that are in the window and need it, after a moment of rest. */
export const sharpen = debounced(400, async (cells) => {
  const waiting = [...cells].filter((cell) => !sharp.has(thumbnail(cell.hit, SHARPER)) && inWindow(cell) && soft(cell));
  const work = async () => {
    for (let cell = waiting.shift(); cell; cell = waiting.shift()) if (cell.isConnected && inWindow(cell)) await load(cell);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
});

async function load(cell) {
  const { hit } = cell;
  const image = new Image();
  image.src = thumbnail(hit, SHARPER);
  try {
    await image.decode();
  } catch {
    return; // the stored one stays
  }
  sharp.add(image.src.slice(location.origin.length));
  if (cell.hit.id === hit.id) cell.querySelector("img").src = image.src;
}
