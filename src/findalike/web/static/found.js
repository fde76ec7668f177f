// The box of a part that was found, over a picture. Pure but for the element that it makes.
import { h } from "./dom.js";

const NEARLY = 0.01;

/** Whether a box is of a part, and not of all of a picture. */
export const isPart = (box) => Boolean(box) && (box[0] > NEARLY || box[1] > NEARLY || box[2] < 1 - NEARLY || box[3] < 1 - NEARLY);

/** A box of a picture of one shape as it lies where the picture covers a place of another, cut at its edges. */
export function covered([left, top, right, bottom], ratio, shape) {
  const [wide, tall] = [Math.min(1, shape / ratio), Math.min(1, ratio / shape)]; // the shares that are seen
  const seen = (at, share) => Math.min(1, Math.max(0, (at - (1 - share) / 2) / share));
  return [seen(left, wide), seen(top, tall), seen(right, wide), seen(bottom, tall)];
}

/** Lays an element where a box is. */
export function layOn(element, box) {
  const [left, top, right, bottom] = box.map((edge) => edge * 100);
  const at = { left, top, width: right - left, height: bottom - top };
  for (const [name, share] of Object.entries(at)) element.style.setProperty(name, `${share}%`);
  return element;
}

/** The box of a part as an element, or null where it is the whole. */
export const partBox = (box, title) => (isPart(box) ? layOn(h("span", { class: "part", title }), box) : null);
