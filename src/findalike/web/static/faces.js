// The faces of the picture in the detail view: boxes on it, a list beside it, and what can be said of each.
import { asset, seen } from "./api.js";
import { $, button, fill, h, say } from "./dom.js";
import { layOn } from "./found.js";
import { goToTime } from "./film.js";
import { icon } from "./icons.js";
import { library, whenKnown } from "./library.js";
import { clock } from "./moments.js";
import { callOf, facesOf, knownNames, loadPeople, nameFace, notPerson, people, undo } from "./people.js";
import { popover } from "./popover.js";
import { putIn } from "./search.js";
import { newTerm } from "./state.js";
import { searchWith } from "./terms.js";
import { failed, toast } from "./toast.js";

const FEW = 24; // faces that are listed at first

let boxed = false; // whether boxes are shown; it stays so from picture to picture
let open = null; // {id, faces, places: {boxes, list, toggle}, turns, told: a promise of the faces as the server knows them}

/** Learns the faces of a picture and shows them in these places; nothing where the library knows none. */
export async function showFaces(id, places, signal) {
  leaveFaces();
  await whenKnown;
  if (!library.faces || signal.aborted) return;
  const faces = await facesOf(id, signal);
  if (!people.length) await loadPeople(signal);
  open = { id, faces, places, turns: 0, told: Promise.resolve(byKey(faces)) };
  drawFaces();
}

/** What was known of the faces of a picture is of another one no more. */
export function leaveFaces() {
  if (open) fill(open.places.list());
  open = null;
}

/** The faces of a film but for those of a person who is among them already: in a film one is seen again and again. */
function oncePerPerson(faces) {
  const met = new Set();
  return faces.filter(({ time, person }) => time === null || !person || (!met.has(person.number ?? person.name) && met.add(person.number ?? person.name)));
}

/** The button that shows and hides the boxes; hidden until faces are known. */
export const facesToggle = (props) => button("face", "Faces", () => { boxed = !boxed; drawFaces(); }, { ...props, class: "quiet", hidden: true, "aria-pressed": boxed });

/** Shows in its places what is known of the faces; again, when those are drawn anew. */
export function drawFaces() {
  if (!open) return;
  const { faces, places } = open;
  const still = faces.filter(({ time }) => time === null);
  const toggle = places.toggle();
  if (toggle) {
    toggle.hidden = !still.length;
    toggle.setAttribute("aria-pressed", boxed);
  }
  const held = document.activeElement?.dataset?.face;
  const inBoxes = places.boxes()?.contains(document.activeElement);
  if (places.boxes()) fill(places.boxes(), boxed && still.map(boxOf));
  const list = places.list();
  if (list) {
    const chips = oncePerPerson(faces);
    const listed = open.wide ? chips : chips.slice(0, FEW);
    const more = chips.length > listed.length && button(null, `${chips.length - listed.length} more`, () => { open.wide = true; drawFaces(); }, { seen: true, class: "quiet small" });
    list.hidden = !faces.length;
    fill(list, h("h3", {}, "Faces"), h("ul", { class: "face-list" }, listed.map((face) => h("li", {}, chipOf(face)))), more);
  }
  if (held) (inBoxes ? places.boxes() : list)?.querySelector(`[data-face="${held}"]`)?.focus();
}

const named = ({ number, person }) => `Face ${number}, ${person?.name ?? (person ? `person ${person.number}` : "nobody yet")}`;

const whose = ({ person }) => (person ? callOf(person) : "Who?");

function boxOf(face) {
  const made = h("button", { type: "button", class: "face-box", dataset: { face: face.key }, "aria-label": named(face), "aria-haspopup": "dialog",
    onclick: (event) => talk(event.currentTarget, face) },
  h("span", { class: "face-name" }, whose(face)));
  return layOn(made, face.box);
}

function chipOf(face) {
  const img = h("img", { src: face.picture, alt: "" });
  img.addEventListener("error", () => img.replaceWith(h("span", { class: "blank" }, icon("face"))), { once: true });
  return h("button", { type: "button", class: "face-chip", dataset: { face: face.key }, "aria-label": named(face), "aria-haspopup": "dialog",
    onclick: (event) => talk(event.currentTarget, face) }, img,
  h("span", { class: "name" }, whose(face)));
}

/** What can be done with a face. */
function talk(anchor, face) {
  const back = () => document.querySelector(`[data-face="${face.key}"]`)?.focus();
  popover(anchor, named(face), (close) => {
    const then = (run) => () => { close(); run(); };
    return h("div", { class: "face-talk" },
      library.can.write && nameField(face, close),
      h("div", { class: "menu" },
        button("search", "Search this face", then(() => searchWith([newTerm("id", open.id, { face: face.number })], "Searching with this face")), { seen: true, class: "quiet" }),
        face.time !== null && button("film", `Go to ${clock(face.time)}`, then(() => goToTime(face.time)), { seen: true, class: "quiet" }),
        library.can.write && face.person && button("no", `Not ${callOf(face.person)}`, then(() => deny(face)), { seen: true, class: "quiet" })));
  }, back);
}

/** A field for a name, with those that are known to choose from. */
function nameField(face, close) {
  const list = h("datalist", { id: "known-names" }, knownNames().sort().map((value) => h("option", { value })));
  const field = h("input", { type: "text", list: list.id, maxlength: 100, placeholder: "Who is it?", "aria-label": "Name of this person",
    autocapitalize: "words", autocomplete: "off", value: face.person?.name ?? "" });
  const enter = (event) => {
    event.preventDefault();
    const name = field.value.trim();
    close();
    if (name && name !== face.person?.name) call(face, name);
  };
  return h("form", { class: "row", onsubmit: enter }, field, list, h("button", { type: "submit", class: "main" }, "Name"));
}

const call = (face, name) => change(face, { number: null, name }, () => nameFace(open.id, face.key, name), `This is ${name}`);

const deny = (face) => change(face, null, ({ person }) => notPerson(open.id, face.key, person.number), `Not ${callOf(face.person)}; this is remembered`);

/**
 * Shows at once what was said of a face, and takes it back where the server does not take it. What is said next waits
 * for it; `tell` is given the face as the server knows it then.
 */
async function change(face, person, tell, text) {
  const mine = open;
  const put = (now) => {
    mine.faces = mine.faces.map((one) => (one.key === face.key ? { ...one, person: now } : one));
    if (open === mine) drawFaces();
  };
  put(person);
  say(text);
  const turn = ++mine.turns;
  try {
    await (mine.told = mine.told.then(async (known) => known.set(face.key, await tell(known.get(face.key)))));
    toast(text, { label: "Undo", run: () => undo().then(() => learn(mine, ++mine.turns), failed) });
  } catch (error) {
    failed(error);
  }
  await learn(mine, turn).catch(() => put(face.person));
}

const byKey = (faces) => new Map(faces.map((face) => [face.key, face]));

/** Learns anew who is in the picture, unless more was said meanwhile: a name is a tag of it, and says something of
 * faces like it, too. */
async function learn(mine, turn) {
  const faces = await facesOf(mine.id);
  if (turn !== mine.turns) return;
  mine.faces = faces;
  mine.told = Promise.resolve(byKey(faces));
  if (open === mine) drawFaces();
  if (seen.has(mine.id)) putIn(await asset(mine.id));
}
