// What the library notes to learn from: said plainly, and switched off with one press.
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { library } from "./library.js";
import { notesOpened, setNotesOpened } from "./marks.js";

/** A part of the view of the library; nothing for those who may only read. */
export function teachingPart() {
  if (!library.can.write) return null;
  const box = h("input", { type: "checkbox", checked: notesOpened(), onchange: () => setNotesOpened(box.checked) });
  return [h("h3", {}, "Teaching"),
    h("p", {}, "In a search with a picture of the library you can say of each hit whether it matches. That is noted in the library, to train on: "
      + "it leaves the library's machine by nothing but your own download, and nothing is ranked by it."),
    h("label", { class: "row switch" }, box, "Also note which hits are opened, as a weak sign of a match (in this browser)"),
    h("p", { class: "row" }, h("a", { class: "button", href: "/v1/feedback?format=csv", download: "feedback.csv" }, icon("download"), "Download what was noted"))];
}
