// The picture that is searched with, large enough to choose a part of it or a thing in it.
import { assetPath, named, seen, thumbnail } from "./api.js";
import { showTerm, termName } from "./chips.js";
import { chooser } from "./choose.js";
import { layOn } from "./found.js";
import { isFilm } from "./moments.js";
import { facesOf } from "./people.js";
import { crop } from "./crop.js";
import { $, button, fill, h, set, throttled } from "./dom.js";
import { lookSliders } from "./look.js";
import { clipUrl, isClip, pictureUrl, stored } from "./pictures.js";
import { sameChips } from "./same.js";
import { change, settle, state, watch, withTerm } from "./state.js";

const panel = $("#query");
const narrow = matchMedia("(max-width: 860px)");
let chosen = 0; // which of several pictures is shown
let cropper = null;
let faces = null; // the buttons for the faces of the shown picture, where it has some
let shown = ""; // the pictures the panel was built for

const pictures = () => state.terms.flatMap((term, index) => (["id", "picture"].includes(term.kind) ? [index] : []));

/** The first picture of the search, or undefined. */
export const queryPicture = () => state.terms[pictures()[chosen] ?? pictures()[0]];

const WHOLE = Object.freeze({ box: null, face: null });

const toBox = throttled(150, (index, box) => change(withTerm(index, box ? { box, face: null } : { box }), `live:box${index}`));

function render() {
  const indexes = pictures();
  const now = JSON.stringify(indexes.map((index) => [index, state.terms[index].kind, state.terms[index].value, films(state.terms[index]) && state.terms[index].face]));
  if (now === shown) return update(indexes);
  if (shown === "" || shown === "[]") panel.open = !narrow.matches;
  shown = now;
  panel.hidden = !indexes.length;
  cropper = faces = null;
  chosen = Math.max(0, indexes.length - 1);
  build(indexes);
}

function build(indexes) {
  fill(panel);
  if (!indexes.length) return;
  const index = indexes[chosen];
  const term = state.terms[index];
  cropper = faces = null;
  if (films(term)) return term.face && term.kind === "id" ? face(term, index, indexes) : clip(term, indexes);
  const img = h("img", { alt: `Searched with: ${termName(term)}`, draggable: "false" });
  const known = () => img.isConnected && films(term) && build(indexes); // of a link it shows only now
  showTerm(img, term, 800).then((there) => (there ? known() : unseen(index, term)));
  if (term.kind === "id") {
    img.addEventListener("error", () => { panel.hidden = true; }); // it is gone, which the answer tells
    named(term.value, (name) => { img.alt = `Searched with: ${name}`; known(); });
  }
  cropper = crop(img, term.box, (box, done) => {
    const part = box?.map((edge) => Math.round(edge * 1e3) / 1e3) ?? null;
    reset.disabled = !part && !state.terms[index]?.face;
    if (!done) return toBox(index, part);
    toBox.now(index, part);
    settle();
  });
  const reset = button(null, "Whole picture", () => {
    cropper.put(null);
    change(withTerm(index, WHOLE));
  }, { seen: true, class: "small reset", disabled: !term.box && !term.face });
  fill(panel, h("summary", {}, indexes.length > 1 ? "Query pictures" : "Query picture"), several(indexes),
    h("div", { class: "crop-place" }, cropper.area),
    h("div", { class: "row" }, h("span", { class: "tip" }, "Drag over the part that counts"), reset), focus(index, term),
    sameChips(), lookSliders());
  offerFaces(term, index, cropper);
}

/** Lays the faces of the picture on it when they are known: one that is pressed is what counts, pressed again no more. */
async function offerFaces(term, index, mine) {
  const made = await chooser(term, (number) => {
    mine.put(null);
    change(withTerm(index, state.terms[index].face === number ? WHOLE : { box: null, focus: "", face: number }));
  });
  if (!made || cropper !== mine) return;
  faces = made;
  faces.mark(state.terms[index].face);
  mine.area.append(faces.layer);
  $(".row .tip", panel).textContent = "Drag over the part that counts, or choose a face";
}

const films = ({ kind, value }) => (kind === "id" ? isFilm(seen.get(value)) : isClip(value));

/** One face of a film that is searched with. */
function face(term, index, indexes) {
  const img = h("img", { alt: `Searched with: ${termName(term)}`, draggable: "false" });
  const area = h("div", { class: "crop" }, img);
  showTerm(img, term, 800);
  named(term.value, (name) => { img.alt = `Searched with: face ${term.face} of ${name}`; });
  facesOf(term.value).then((faces) => {
    const one = faces.find(({ number }) => number === term.face);
    if (one) area.append(layOn(h("span", { class: "part" }), one.box));
  }, () => {}); // the answer to the search tells what is wrong
  fill(panel, h("summary", {}, "Query picture"), several(indexes), h("div", { class: "crop-place" }, area),
    h("div", { class: "row" }, h("span", { class: "tip" }, "The marked face counts"),
      button(null, "Whole picture", () => change(withTerm(index, WHOLE)), { seen: true, class: "small" })));
}

/** The film that is searched with. All of it counts: no part of its pictures can be chosen. */
function clip(term, indexes) {
  const video = h("video", { controls: true, playsinline: true, preload: "metadata", "aria-label": `Searched with: ${termName(term)}` });
  video.muted = true;
  const own = term.kind === "id";
  const poster = own ? thumbnail({ id: term.value }) : pictureUrl(term.value);
  Promise.all([own ? assetPath(term.value, "/content") : clipUrl(term.value), poster]).then(([source, picture]) => {
    if (picture) video.poster = picture;
    if (source) video.src = source;
  });
  fill(panel, h("summary", {}, "Query clip"), several(indexes), h("div", { class: "crop-place" }, video),
    h("p", { class: "tip" }, "Films that show the same come first, then what looks like it."), sameChips(), lookSliders());
}

/** In the place of a picture that this browser cannot show, or does not have. */
async function unseen(index, term) {
  panel.hidden = !await stored(term.value);
  cropper = faces = null;
  if (films(term)) return clip(term, pictures());
  fill(panel, h("summary", {}, "Query picture"),
    h("p", { class: "tip" }, "This browser cannot show this kind of picture. The server may read it all the same."), focus(index, term),
    sameChips(), lookSliders());
}

function several(indexes) {
  if (indexes.length < 2) return null;
  return h("div", { class: "several", role: "group", "aria-label": "Which picture" }, indexes.map((index, at) => {
    const term = state.terms[index];
    const img = h("img", { alt: termName(term) });
    showTerm(img, term);
    if (term.kind === "id") named(term.value, (name) => { img.alt = name; });
    return h("button", { type: "button", "aria-pressed": at === chosen, onclick: () => { chosen = at; build(indexes); } }, img);
  }));
}

function focus(index, term) {
  // Half a word is no thing: it counts when the field is left, or on Enter.
  const wanted = (event) => change(withTerm(index, { focus: event.target.value.trim(), face: null }));
  return h("label", { class: "focus" }, h("span", {}, "Only the"),
    h("input", { type: "text", value: term.focus, placeholder: "e.g. dog", maxlength: 100, autocapitalize: "off",
      "aria-label": "The thing in the picture that counts", onchange: wanted }), h("span", {}, "in it"));
}

/** Follows the address where it was gone back in: the picture is the same, its box may be another. */
function update(indexes) {
  if (!indexes.length || !cropper || !$(".crop", panel)) return;
  const term = state.terms[indexes[chosen]];
  if (!panel.querySelector(".crop-box").matches(":active")) cropper.put(term.box);
  faces?.mark(term.face);
  $(".reset", panel).disabled = !term.box && !term.face;
  const field = $(".focus input", panel);
  if (field !== document.activeElement) set(field, "value", term.focus);
  const img = $(".crop img", panel);
  if (img) img.alt = `Searched with: ${seen.get(term.value)?.name ?? termName(term)}`;
}

export function startQuery() {
  watch((changed) => { if (changed.has("terms")) render(); });
  render();
}
