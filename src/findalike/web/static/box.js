// The box for words: searches as one types, at once on Enter, and keeps the words on a second Enter.
import { $, debounced, touched } from "./dom.js";
import { focusGrid } from "./grid.js";
import { takeFiles } from "./terms.js";
import { change, newTerm, settle, state, watch, withTerm } from "./state.js";

const WAIT = 250;
const box = $("#words");
let entered = null; // the words of the last Enter

const later = debounced(WAIT, () => change({ words: box.value, open: null }, "live:words"));

function now() {
  later.cancel();
  change({ words: box.value, open: null }, "live:words");
}

function enter(event) {
  event.preventDefault();
  const words = box.value.trim();
  if (words && words === entered) return keep();
  now();
  settle();
  entered = words;
}

/** Turns the words into a term of their own, so that others can be added. */
function keep() {
  later.cancel();
  const words = box.value.trim();
  if (!words) return;
  entered = null;
  change({ terms: [...state.terms, newTerm("text", words)], words: "" });
  box.focus();
}

function key(event) {
  if (event.key === "ArrowDown") {
    event.preventDefault();
    focusGrid();
  } else backspace(event);
}

function backspace(event) {
  if (event.key !== "Backspace" || event.repeat || box.value || !state.terms.length) return;
  event.preventDefault();
  if (state.words) now(); // what was typed is gone, though it may not have been searched for yet
  change(withTerm(state.terms.length - 1, null));
}

function show() {
  if (box.value.trim() !== state.words.trim()) box.value = state.words;
  $("#add-words").hidden = !box.value.trim();
  const first = touched() ? "Words, or a picture" : "Words, or drop a picture";
  box.placeholder = state.terms.length ? "Add words" : first;
}

export function focusBox() {
  box.focus();
  box.select();
}

export function startBox() {
  box.addEventListener("input", () => {
    $("#add-words").hidden = !box.value.trim();
    later();
  });
  box.addEventListener("keydown", key);
  box.addEventListener("blur", () => { if (box.value !== state.words) now(); });
  $("#search").addEventListener("submit", enter);
  $("#add-words").addEventListener("click", keep);
  // A press on the + must not first blur the box and so move what is pressed on.
  $("#add-words").addEventListener("pointerdown", (event) => event.preventDefault());
  $("#pick").addEventListener("click", () => $("#file").click());
  $("#file").addEventListener("change", () => {
    const files = [...$("#file").files];
    $("#file").value = "";
    takeFiles(files);
  });
  $(".box").addEventListener("click", (event) => { if (event.target.matches(".box, .box-icon, .terms")) box.focus(); });
  watch((changed) => { if (changed.has("words") || changed.has("terms")) show(); });
  show();
}
