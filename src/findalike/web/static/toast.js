// Short messages that pass, with one thing to do about them.
import { $, h } from "./dom.js";

const STAYS = 7000;

/** Shows a sentence; `action` is {label, run}. */
export function toast(text, action = null) {
  const place = $("#toasts");
  const shown = h("div", { class: "toast" }, h("span", {}, text));
  const end = () => {
    shown.remove();
    if (!place.childElementCount && place.matches(":popover-open")) place.hidePopover();
  };
  if (action) {
    shown.append(h("button", { type: "button", onclick: () => { end(); action.run(); } }, action.label));
  }
  place.replaceChildren(shown);
  raise(place);
  wait(shown, end);
}

/** Shows messages above an open dialog, and in it: what is outside of one cannot be pressed. */
function raise(place) {
  if (place.matches(":popover-open")) place.hidePopover();
  ([...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body).append(place);
  if (place.childElementCount) place.showPopover();
}

document.addEventListener("close", () => raise($("#toasts")), true);

function wait(shown, end) {
  let timer = setTimeout(end, STAYS);
  shown.addEventListener("pointerenter", () => clearTimeout(timer));
  shown.addEventListener("focusin", () => clearTimeout(timer));
  shown.addEventListener("pointerleave", () => { timer = setTimeout(end, STAYS / 2); });
}

export const failed = (error) => {
  if (error.name !== "AbortError") toast(error.message);
};
