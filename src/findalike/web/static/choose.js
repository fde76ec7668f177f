// The faces of the picture that is searched with, as buttons on it: one of them may be what counts.
import { facesFound, facesOf } from "./people.js";
import { h } from "./dom.js";
import { layOn } from "./found.js";
import { library, whenKnown } from "./library.js";
import { stored } from "./pictures.js";

const KEPT = 12;
const found = new Map(); // promises of the faces of pictures that are not of the library, by their hashes

/** The faces of a term's picture; none where the library knows no faces, or nothing can be told of these. */
async function facesIn({ kind, value }) {
  await whenKnown;
  if (!library.faces) return [];
  return (kind === "id" ? facesOf(value) : looked(value)).catch(() => []); // the answer to the search tells what is wrong
}

/** Asked once of a picture: looking for faces is work for the server. */
function looked(hash) {
  if (!found.has(hash)) {
    const told = stored(hash).then((picture) => (picture ? facesFound(picture.blob) : []));
    told.catch(() => found.delete(hash));
    found.set(hash, told);
    if (found.size > KEPT) found.delete(found.keys().next().value);
  }
  return found.get(hash);
}

/** A layer of buttons for the faces of a picture, and what shows which of them is chosen; null where it has none. */
export async function chooser(term, onchoose) {
  const faces = (await facesIn(term)).filter(({ time }) => time === null);
  if (!faces.length) return null;
  const buttons = faces.map(({ number, box, person }) => layOn(h("button", { type: "button", class: "face-box",
    "aria-label": `Face ${number} of ${faces.length}${person?.name ? `, ${person.name}` : ""}`, onclick: () => onchoose(number) },
  h("span", { class: "face-name" }, String(number))), box));
  const mark = (chosen) => buttons.forEach((button, at) => button.setAttribute("aria-pressed", faces[at].number === chosen));
  mark(term.face);
  return { layer: h("div", { class: "face-boxes", role: "group", "aria-label": "Faces" }, buttons), mark };
}
