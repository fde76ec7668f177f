// Labels: words of one's own on pictures, kept in the library.
import { asset, assetPath, seen, send } from "./api.js";
import { button, count, h } from "./dom.js";
import { library } from "./library.js";
import { popover } from "./popover.js";
import { putIn } from "./search.js";
import { failed, toast } from "./toast.js";

/** The labels of all pictures seen so far. */
export const knownLabels = () => new Set([...seen.values()].flatMap((shown) => shown.labels ?? []));

/** A field for a label, with those that exist to choose from. */
function labelField(onadd) {
  const list = h("datalist", { id: `labels-${Math.random().toString(36).slice(2)}` },
    [...knownLabels()].sort().map((value) => h("option", { value })));
  const field = h("input", { type: "text", list: list.id, maxlength: 100, placeholder: "Add a label", "aria-label": "New label", autocapitalize: "off" });
  const add = (event) => {
    event.preventDefault();
    const label = field.value.trim();
    field.value = "";
    if (label) onadd(label);
  };
  return h("form", { class: "row", onsubmit: add }, field, list, h("button", { type: "submit" }, "Add"));
}

/** The labels of one picture, to take off and to add to. `onchange` is given the changed picture. */
export function labelEditor(shown, onchange) {
  const edit = async (labels) => {
    try {
      onchange(await send("PATCH", assetPath(shown.id), { labels }));
    } catch (error) {
      failed(error);
    }
  };
  const chips = shown.labels.map((label) => h("li", { class: "chip" }, label,
    library.can.write && button("close", `Take off ${label}`, () => edit({ remove: [label] }), { class: "quiet chip-x" })));
  return [chips.length ? h("ul", { class: "chips" }, chips) : null, library.can.write && labelField((label) => edit({ add: [label] }))];
}

/** Adds a label to many pictures. */
export function labelMenu(anchor, ids) {
  popover(anchor, `Label ${count(ids.length, "picture")}`, (close) => labelField(async (label) => {
    close();
    try {
      await labelAll(ids, { add: [label] });
      toast(`“${label}” is on ${count(ids.length, "picture")}`, { label: "Undo", run: () => labelAll(ids, { remove: [label] }).catch(failed) });
    } catch (error) {
      failed(error);
    }
  }));
}

async function labelAll(ids, labels) {
  await send("PATCH", "/v1/assets", { ids, labels });
  if (ids.length <= 20) (await Promise.all(ids.map((id) => asset(id)))).forEach(putIn);
}
