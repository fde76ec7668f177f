// Pictures and clips that are dropped on the page or pasted into it.
import { $, typing } from "./dom.js";
import { focusBox } from "./box.js";
import { library } from "./library.js";
import { change, newTerm, ranks } from "./state.js";
import { addTerms, searchWith, takeFiles } from "./terms.js";

const OWN = "application/x-findalike";
const overlay = $("#drop");

const carries = ({ dataTransfer }) => {
  const types = dataTransfer?.types ?? [];
  return types.includes(OWN) || types.includes("Files") || (library.limits.urls && types.includes("text/uri-list"));
};

function over(event) {
  if (!carries(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  overlay.hidden = false;
  overlay.classList.toggle("both", ranks());
  const zone = zoneOf(event);
  for (const one of overlay.children) one.classList.toggle("on", one === zone);
}

/** The zone below the pointer; without a search there is only one. */
function zoneOf(event) {
  const [fresh, add] = overlay.children;
  if (!ranks()) return fresh;
  const edge = add.getBoundingClientRect();
  const inside = event.clientX >= edge.left && event.clientY >= edge.top;
  return inside ? add : fresh;
}

async function drop(event) {
  if (!carries(event)) return;
  event.preventDefault();
  const add = zoneOf(event).dataset.drop === "add";
  overlay.hidden = true;
  const { dataTransfer: data } = event;
  const own = data.getData(OWN);
  if (own) return begin([newTerm("id", own)], add);
  if (data.files.length) return takeFiles(data.files, { add });
  const url = data.getData("text/uri-list").split("\n")[0];
  if (url && library.limits.urls) begin([newTerm("url", url)], add);
}

const begin = (terms, add) => (add ? addTerms(terms) : searchWith(terms, "A new search"));

function paste(event) {
  const { clipboardData: data } = event;
  const files = [...data.files].filter((file) => /^(image|video)\//.test(file.type));
  if (files.length) {
    event.preventDefault();
    return takeFiles(files);
  }
  if (typing(event.target)) return;
  const text = data.getData("text/plain").trim().replace(/\s+/g, " ").slice(0, 1000);
  if (!text) return;
  event.preventDefault();
  if (library.limits.urls && /^https?:\/\/\S+$/.test(text)) return begin([newTerm("url", text)], false);
  change({ words: text, open: null, view: "" });
  focusBox();
}

export function startDrop() {
  addEventListener("dragover", over);
  addEventListener("drop", drop);
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) overlay.hidden = true; });
  addEventListener("dragend", () => { overlay.hidden = true; });
  document.addEventListener("paste", paste);
}
