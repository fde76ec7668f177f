// The large picture, alone or beside the one that was searched with.
import { thumbnail } from "./api.js";
import { showTerm, termName } from "./chips.js";
import { fill, h } from "./dom.js";

export const LARGE = 1600;

/** Fills the stage with a picture, the part of it that matched, and the query picture where there is one. */
export function showOn(stage, shown, box, query) {
  fill(stage, query && queryFigure(query), figure(shown, box));
  stage.style.setProperty("--ratio", ratioOf(shown));
  stage.classList.toggle("two", Boolean(query));
}

const ratioOf = ({ width, height }) => (width && height ? width / height : 1.5);

function framed(ratio, width, ...content) {
  return h("figure", { style: { "--ratio": ratio, ...(width && { "--wide": `${Math.max(320, width * 2)}px` }) } }, h("div", { class: "frame" }, content));
}

function figure(shown, box) {
  const large = h("img", { class: "large", alt: shown.tags?.length ? `${shown.name}, shows ${shown.tags.slice(0, 6).join(", ")}` : shown.name,
    onload: () => large.classList.add("ready") });
  large.src = thumbnail(shown, LARGE);
  return framed(ratioOf(shown), shown.width,
    h("img", { src: thumbnail(shown), alt: "" }), large, part(box, "The part that matched"));
}

function queryFigure(term) {
  const img = h("img", { class: "large ready", alt: `Searched with: ${termName(term)}` });
  const made = framed(1, 0, img, part(term.box, "The part that was searched with"));
  img.onload = () => made.style.setProperty("--ratio", img.naturalWidth / img.naturalHeight);
  showTerm(img, term, 1024);
  made.append(h("figcaption", {}, "Query"));
  return made;
}

function part(box, title) {
  if (!box || (box[0] <= 0.01 && box[1] <= 0.01 && box[2] >= 0.99 && box[3] >= 0.99)) return null;
  const [left, top, right, bottom] = box.map((edge) => edge * 100);
  return h("span", { class: "part", title, style: { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` } });
}
