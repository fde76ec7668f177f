// The large picture, alone or beside the one that was searched with.
import { thumbnail } from "./api.js";
import { showTerm, termName } from "./chips.js";
import { calm, fill, h } from "./dom.js";
import { leaveFilm, screenOf } from "./film.js";
import { partBox } from "./found.js";
import { isFilm, moves } from "./moments.js";

export const LARGE = 1600;

/** Fills the stage with a picture or film, what of it was found (by `hit`), and the query picture where there is one. */
export function showOn(stage, shown, hit, query) {
  leaveFilm();
  fill(stage, query && queryFigure(query), isFilm(shown) ? film(shown, hit) : figure(shown, hit?.box));
  stage.style.setProperty("--ratio", ratioOf(shown));
  stage.classList.toggle("two", Boolean(query));
}

const ratioOf = ({ width, height }) => (width && height ? width / height : 1.5);

function framed(ratio, width, ...content) {
  return h("figure", { style: { "--ratio": ratio, ...(width && { "--wide": `${Math.max(320, width * 2)}px` }) } }, h("div", { class: "frame" }, content));
}

const MATCHED = "The part that matched";

function figure(shown, box) {
  const large = h("img", { class: "large", alt: shown.tags?.length ? `${shown.name}, shows ${shown.tags.slice(0, 6).join(", ")}` : shown.name,
    onload: () => large.classList.add("ready") });
  large.src = moves(shown) && !calm() ? shown.links.content : thumbnail(shown, LARGE);
  return framed(ratioOf(shown), shown.width,
    h("img", { src: thumbnail(shown), alt: "" }), large, partBox(box, MATCHED), h("div", { class: "face-boxes" }));
}

const film = (shown, hit) => framed(ratioOf(shown), null, screenOf(shown, hit, partBox(hit?.box, MATCHED)));

function queryFigure(term) {
  const img = h("img", { class: "large ready", alt: `Searched with: ${termName(term)}` });
  const made = framed(1, 0, img, partBox(term.box, "The part that was searched with"));
  img.onload = () => made.style.setProperty("--ratio", img.naturalWidth / img.naturalHeight);
  showTerm(img, term, 1024);
  made.append(h("figcaption", {}, "Query"));
  return made;
}
