// Files made of chosen pictures, and texts put on the clipboard.
import { call } from "./api.js";
import { button, h } from "./dom.js";
import { popover } from "./popover.js";
import { failed, toast } from "./toast.js";

const FORMATS = { csv: "Table (CSV)", json: "Records (JSON)", zip: "The pictures (ZIP)" };

export function exportMenu(anchor, ids) {
  popover(anchor, "Export", (close) => h("div", { class: "menu" }, Object.entries(FORMATS).map(([format, text]) =>
    button(null, text, () => { close(); save(ids, format); }, { seen: true, class: "quiet" }))));
}

async function save(ids, format) {
  try {
    const response = await call("/v1/assets/export", { method: "POST", json: { ids, format } });
    const named = /filename="?([^";]+)/.exec(response.headers.get("Content-Disposition") ?? "")?.[1];
    const url = URL.createObjectURL(await response.blob());
    h("a", { href: url, download: named ?? `pictures.${format}` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  } catch (error) {
    failed(error);
  }
}

/** Copies a text; without TLS the browser has no clipboard for pages, but still the old command. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = h("textarea", { class: "unseen", "aria-hidden": "true" }, text);
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  toast("Copied");
}
