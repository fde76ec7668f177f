// Keys that work anywhere, and the theme.
import { $, set, typing } from "./dom.js";
import { focusBox } from "./box.js";
import { toggle as toggleFilters } from "./filters.js";
import { icon } from "./icons.js";
import { anySelected, clearSelection } from "./selection.js";

function key(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const closed = !$("dialog[open]");
  if (event.key === "Escape" && closed && anySelected() && !$(":popover-open:not(.toasts)")) return clearSelection();
  if (typing(event.target)) return;
  const does = {
    "?": () => $("#help").togglePopover(),
    "/": () => closed && focusBox(),
    f: () => closed && toggleFilters(),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
}

const THEMES = { auto: "dark", dark: "light", light: "auto" };
const ICONS = { auto: "auto", dark: "moon", light: "sun" };
const TEXTS = { auto: "as the system has it", dark: "dark", light: "light" };

function showTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  const text = `Theme: ${TEXTS[name]}`;
  set($("#theme"), "aria-label", text);
  $("#theme").title = text;
  $("#theme").replaceChildren(icon(ICONS[name]));
}

function nextTheme() {
  const name = THEMES[document.documentElement.dataset.theme ?? "auto"];
  showTheme(name);
  try {
    localStorage.setItem("theme", name);
  } catch {
    // It then holds for this page only.
  }
}

export function startKeys() {
  addEventListener("keydown", key);
  $("#theme").addEventListener("click", nextTheme);
  showTheme(document.documentElement.dataset.theme ?? "auto");
}
