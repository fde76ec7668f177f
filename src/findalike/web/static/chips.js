// The terms of the search as chips in the box, each with its weight.
import { asset, seen, thumbnail } from "./api.js";
import { $, button, h } from "./dom.js";
import { feedbackChips, feedbackList } from "./feedback.js";
import { icon } from "./icons.js";
import { isClip, pictureUrl } from "./pictures.js";
import { popover } from "./popover.js";
import { change, state, watch, withTerm } from "./state.js";

const list = $("#terms");

/** What a term is called. */
export function termName(term) {
  if (term.kind === "id") return `${term.face ? `face ${term.face} of ` : ""}${seen.get(term.value)?.name ?? "picture"}`;
  if (term.kind !== "picture") return term.value;
  return `${term.face ? `face ${term.face} of ` : ""}${isClip(term.value) ? "your clip" : "your picture"}`;
}

/** Points an img at a term's picture; puts a sign in its place, and tells so, where there is none to show. */
export async function showTerm(img, term, size) {
  const url = term.kind === "id" ? thumbnail(seen.get(term.value) ?? { id: term.value }, size) : await pictureUrl(term.value);
  const blank = () => img.replaceWith(h("span", { class: "blank" }, icon("picture")));
  if (url) {
    img.addEventListener("error", blank, { once: true });
    img.src = url;
  } else blank();
  return Boolean(url);
}

const times = (weight) => (Math.abs(weight) === 1 ? "" : `×${Math.abs(weight)}`);

function chip(term, index) {
  const simple = state.terms.length + Boolean(state.words.trim()) + state.more.length + state.not.length === 1;
  const name = termName(term);
  const away = term.weight < 0;
  const img = ["id", "picture"].includes(term.kind) && h("img", { alt: "" });
  if (img) showTerm(img, term);
  const body = h("button", { type: "button", class: "chip-body", dataset: { key: `body${index}` },
    "aria-haspopup": "dialog", title: `Weight of ${name}`,
    "aria-label": `${away ? "Less" : "More"} of ${name}, weight ${Math.abs(term.weight)}${term.box ? ", a part" : ""}`,
    onclick: (event) => edit(event.currentTarget, index) },
    img, term.box && icon("crop"), term.face && icon("face"), !img && h("span", { class: "name" }, name), h("span", { class: "times" }, times(term.weight)));
  const sign = button(away ? "minus" : "plus", away ? `Search for ${name} instead of away from it` : `Search away from ${name}`,
    () => change(withTerm(index, { weight: -term.weight })), { class: "quiet chip-sign", dataset: { key: `sign${index}` } });
  const remove = button("close", `Remove ${name}`, () => drop(index), { class: "quiet chip-x", dataset: { key: `x${index}` } });
  return h("li", { class: `term ${away ? "not" : ""}` }, (!simple || away) && sign, body, remove);
}

function drop(index) {
  change(withTerm(index, null));
  $("#words").focus();
}

function edit(anchor, index) {
  const back = () => list.querySelector(`[data-key=body${index}]`)?.focus();
  popover(anchor, "How much it counts", () => weightEditor(index), back);
}

function weightEditor(index) {
  const term = state.terms[index];
  const shown = h("output", {}, `×${Math.abs(term.weight)}`);
  const signed = (size) => (state.terms[index].weight < 0 ? -size : size);
  const slider = h("input", { type: "range", min: 0.25, max: 2, step: 0.25, value: Math.abs(term.weight), "aria-label": "Weight",
    oninput: (event) => {
      change(withTerm(index, { weight: signed(Number(event.target.value)) }), `live:weight${index}`);
      shown.value = `×${event.target.value}`;
    } });
  const side = (text, away) => h("label", {},
    h("input", { type: "radio", name: "side", checked: (term.weight < 0) === away,
      onchange: () => change(withTerm(index, { weight: (away ? -1 : 1) * Math.abs(state.terms[index].weight) })) }), text);
  return h("div", { class: "weight" }, h("div", { class: "segments" }, side("More of it", false), side("Less of it", true)),
    h("div", { class: "row" }, slider, shown));
}

function feedbackPopover(anchor, kind) {
  popover(anchor, kind === "not" ? "Not like these" : "More like these", (close) => feedbackList(kind, close),
    () => list.querySelector(`[data-key=${kind}]`)?.focus());
}

function render() {
  const key = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...state.terms.map(chip), ...feedbackChips(feedbackPopover));
  list.hidden = !list.childElementCount;
  if (key) (list.querySelector(`[data-key=${key}]`) ?? $("#words")).focus();
}

/** Names pictures of the library that a link brought and nothing told of yet. */
async function learn() {
  const unknown = state.terms.filter((term) => term.kind === "id" && !seen.has(term.value));
  if (!unknown.length) return;
  await Promise.allSettled(unknown.map((term) => asset(term.value)));
  render();
}

export function startChips() {
  watch((changed) => {
    if (["terms", "more", "not", "words"].some((name) => changed.has(name))) render();
    if (changed.has("terms")) learn();
  });
  render();
  learn();
}
