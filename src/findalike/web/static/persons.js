// The dialog of persons: a face of each, how often they are seen, and their names.
import { $, button, count, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { library, loadLibrary, watchLibrary } from "./library.js";
import { callOf, facesOf, forget, loadPeople, merge, people, rename, undo, watchPeople } from "./people.js";
import { popover } from "./popover.js";
import { refresh } from "./search.js";
import { ask } from "./session.js";
import { NEW_SEARCH, change, leave, newTerm, state, watch } from "./state.js";
import { failed, toast } from "./toast.js";
import { NO_FILTERS } from "./where.js";

const dialog = $("#people");
const content = h("div");

async function follow(changed) {
  if (!changed.has("view")) return;
  if (state.view !== "people") return dialog.close();
  render();
  dialog.showModal();
  await loadPeople().catch(failed);
}

function render() {
  const held = dialog.contains(document.activeElement) ? document.activeElement.closest("[data-person]")?.dataset.person : null;
  const named = people.filter(({ name }) => name);
  const others = people.filter(({ name }) => !name);
  fill(content,
    h("header", { class: "sheet-head" }, h("h2", { id: "people-title" }, "People"), button("close", "Close", () => leave({ view: "" }), { class: "quiet" })),
    h("p", { class: "tip" }, "Faces that look alike are taken for one person. Names are kept in this library alone."),
    named.length > 0 && h("ul", { class: "person-list" }, named.map(card)),
    others.length > 0 && [h("h3", {}, "Not named yet"), h("ul", { class: "person-list" }, others.map(card))],
    !people.length && h("p", {}, "Nobody is seen in several pictures yet."));
  if (held) content.querySelector(`[data-person="${held}"] button`)?.focus();
}

function card(person) {
  const who = callOf(person);
  const img = h("img", { src: person.picture, alt: "", loading: "lazy" });
  img.addEventListener("error", () => img.replaceWith(h("span", { class: "blank" }, icon("face"))), { once: true });
  const many = `${count(person.faces, "face")} in ${count(person.pictures, "picture")}`;
  return h("li", { class: "person", dataset: { person: person.number } },
    h("button", { type: "button", class: "person-face", "aria-label": `Show ${who}, ${many}`, onclick: () => show(person) }, img),
    h("strong", { class: "name", title: who }, who), h("span", { class: "tip" }, many),
    library.can.write && button(null, person.name ? "Change" : "Name", (event) => edit(event.currentTarget, person),
      { seen: true, class: "small", "aria-haspopup": "dialog", "aria-label": `${person.name ? "Change" : "Name"} ${who}` }));
}

/** Shows the pictures of a person: by the name, or by the face of one that has none. */
async function show({ name, face }) {
  if (name) return change({ ...NEW_SEARCH, ...NO_FILTERS, least: 0, tags: [name] });
  try {
    const one = (await facesOf(face.asset)).find(({ key }) => key === face.key);
    change({ ...NEW_SEARCH, ...NO_FILTERS, least: 0, terms: [newTerm("id", face.asset, { face: one.number })] });
  } catch (error) {
    failed(error);
  }
}

function edit(anchor, person) {
  const back = () => content.querySelector(`[data-person="${person.number}"] .small`)?.focus();
  popover(anchor, callOf(person), (close) => h("div", { class: "face-talk" }, nameForm(person, close),
    mergeForm(person, close),
    button("trash", "Forget this person", () => { close(); forgetAfterAsking(person); }, { seen: true, class: "quiet remove" })), back);
}

function nameForm(person, close) {
  const field = h("input", { type: "text", maxlength: 100, placeholder: "Name", "aria-label": `Name of ${callOf(person)}`, autocapitalize: "words",
    autocomplete: "off", value: person.name ?? "" });
  const enter = (event) => {
    event.preventDefault();
    const name = field.value.trim();
    close();
    if (!name || name === person.name) return;
    const same = people.find((other) => other.name?.toLowerCase() === name.toLowerCase() && other.number !== person.number);
    told(same ? merge(same.number, [person.number]) : rename(person.number, name), `This is ${same?.name ?? name}`);
  };
  return h("form", { class: "row", onsubmit: enter }, field, h("button", { type: "submit", class: "main" }, "Name"));
}

function mergeForm(person, close) {
  const others = people.filter(({ number }) => number !== person.number);
  if (!others.length) return null;
  const field = h("select", { "aria-label": `Who ${callOf(person)} is as well` }, others.map((other) => h("option", { value: other.number }, callOf(other))));
  const enter = (event) => {
    event.preventDefault();
    const other = others.find(({ number }) => number === Number(field.value));
    close();
    const [first, second] = !person.name && other.name ? [other, person] : [person, other];
    told(merge(first.number, [second.number]), `${callOf(first)} and ${callOf(second)} are one`);
  };
  return h("form", { class: "row", onsubmit: enter }, h("span", { class: "tip" }, "Same as"), field, h("button", { type: "submit" }, "Merge"));
}

async function forgetAfterAsking(person) {
  const who = callOf(person);
  const sure = await ask(`Forget ${who}?`, `The name, ${count(person.faces, "face")} and all that was measured of them are deleted from this library `
    + "and its history. This cannot be undone. The pictures stay as they are.", "Forget");
  if (!sure) return;
  try {
    const done = await forget(person.number, person.name ?? String(person.number));
    toast(`${who} is forgotten: ${count(done.faces, "face")}${done.proved ? ", and nothing of them is left in the library" : ""}`);
    await loadLibrary();
    refresh({ again: true });
  } catch (error) {
    failed(error);
  }
}

/** Tells what was done, and how to take it back. */
async function told(work, text) {
  try {
    await work;
    toast(text, { label: "Undo", run: () => undo().then(() => refresh({ again: true }), failed) });
    refresh({ again: true });
  } catch (error) {
    failed(error);
  }
}

export function startPersons() {
  dialog.append(content);
  $("#people-open").addEventListener("click", () => change({ view: "people" }));
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave({ view: "" });
  });
  dialog.addEventListener("close", () => { if (state.view === "people") leave({ view: "" }); });
  watch(follow);
  watchPeople(() => { if (dialog.open) render(); });
  watchLibrary(() => { $("#people-open").hidden = !library.faces; });
  if (state.view === "people") follow(new Set(["view"]));
}

