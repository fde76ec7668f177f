// Elements without HTML strings: the page's policy forbids those.
import { icon } from "./icons.js";

const AS_PROPERTY = new Set(["value", "checked", "disabled", "indeterminate", "hidden", "open", "tabIndex"]);

export const $ = (selector, root = document) => root.querySelector(selector);

/** An element: h("button", {class: "quiet", onclick: go}, "Go"). Null and false props and children are left out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) set(element, name, value);
  element.append(...there(children));
  return element;
}

const there = (children) => children.flat(3).filter((child) => child != null && child !== false && child !== "");

/** Puts children in the place of those that an element has. */
export const fill = (element, ...children) => element.replaceChildren(...there(children));

export function set(element, name, value) {
  if (value == null) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name === "style") Object.entries(value).forEach(([key, text]) => element.style.setProperty(key, text));
  else if (AS_PROPERTY.has(name)) element[name] = value;
  else if (name.startsWith("aria-")) element.setAttribute(name, String(value));
  else if (value !== false) element.setAttribute(name, value === true ? "" : value);
}

/** A button with an icon, and a text that is seen (or so on wide screens), or only heard and shown as a tip. */
export function button(name, text, onclick, props = {}) {
  const { seen = false, ...rest } = props;
  const named = seen === true ? {} : { "aria-label": text, title: text };
  const shape = seen ? "" : "icon";
  return h("button", { type: "button", ...named, onclick, ...rest, class: `${shape} ${rest.class ?? ""}`.trim() },
    name && icon(name), seen && (seen === "wide" ? h("span", { class: "wide" }, text) : text));
}

let spoken = 0;

/** Says a sentence to screen readers. */
export function say(text) {
  clearTimeout(spoken);
  spoken = setTimeout(() => { $("#live").textContent = text; }, 150);
}

/** Whether fingers are what points: nothing can be dropped then. */
export const touched = () => matchMedia("(pointer: coarse)").matches;

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Changes the page with a soft passage where the browser and the reader want one. */
export function softly(change) {
  if (!document.startViewTransition || calm() || document.hidden) {
    change();
    return Promise.resolve();
  }
  const passage = document.startViewTransition(change);
  passage.ready.catch(() => {});
  return passage.finished.catch(() => {});
}

export function debounced(wait, run) {
  let timer = 0;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(run, wait, ...given);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}

/** Runs at once, then at most once each `wait` ms, and always with what was given last; `now` does not wait. */
export function throttled(wait, run) {
  let timer = 0;
  let last = null;
  const again = () => {
    timer = 0;
    if (last) later(...last);
  };
  const later = (...given) => {
    last = given;
    if (timer) return;
    last = null;
    timer = setTimeout(again, wait);
    run(...given);
  };
  later.now = (...given) => {
    last = null;
    run(...given);
  };
  return later;
}

/** Listeners that are told of changes. */
export function channel() {
  const listeners = new Set();
  return {
    on: (listener) => { listeners.add(listener); },
    tell: (...what) => listeners.forEach((listener) => listener(...what)),
  };
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** Whether keys pressed now are meant for a field. */
export const typing = (target) =>
  target instanceof Element && target.matches("input:not([type=checkbox], [type=range]), textarea, select");
