// A small window at an element, closed by Escape or a click elsewhere.
import { h } from "./dom.js";

/** Opens one with a title and the content that `fill(close)` gives; `onclose` runs after it. */
export function popover(anchor, title, fill, onclose = () => {}) {
  const box = h("div", { class: "popover", popover: "auto", role: "dialog", "aria-label": title });
  const close = () => box.hidePopover();
  const keep = () => place(box, anchor);
  box.append(h("h2", {}, title), ...[fill(close)].flat());
  (anchor.closest("dialog") ?? document.body).append(box);
  box.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    removeEventListener("resize", keep);
    box.remove();
    onclose();
  });
  box.showPopover();
  keep();
  addEventListener("resize", keep);
  (box.querySelector("[type=range], [type=text]") ?? box.querySelector("button, a"))?.focus();
  return box;
}

function place(box, anchor) {
  const at = anchor.getBoundingClientRect();
  const size = box.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
  const below = at.bottom + 6;
  const top = below + size.height < innerHeight - 8 ? below : Math.max(8, at.top - size.height - 6);
  box.style.setProperty("left", `${left}px`);
  box.style.setProperty("top", `${top}px`);
}
