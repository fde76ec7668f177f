// The files that could not be read, with reasons.
import { get } from "./api.js";
import { button, count, debounced, h } from "./dom.js";
import { library } from "./library.js";
import { failed } from "./toast.js";

const FEW = 8; // that are listed without being asked for
const PAGE = 200;

let known = { list: [], cursor: null };

/** Lists the failures of the library in `place`; with a cursor, those that follow too. */
export async function showFailures(place, cursor = null) {
  const query = new URLSearchParams({ limit: PAGE, ...(cursor && { cursor }) });
  const answer = await get(`/v1/failures?${query}`);
  known = { list: cursor ? known.list.concat(answer.failures) : answer.failures, cursor: answer.cursor };
  place?.replaceChildren(...(known.list.length ? [listOf(place)] : []));
}

function listOf(place) {
  const { list, cursor } = known;
  const items = h("ul", { class: "failure-list" });
  const show = (text) => items.replaceChildren(...list
    .filter(({ path, error }) => `${path} ${error}`.toLowerCase().includes(text))
    .map(({ path, stage, error }) => h("li", {}, h("span", { class: "path" }, path), h("span", { class: "tip" }, `${stage}: ${error}`))));
  show("");
  const find = list.length > FEW && h("input", { type: "search", placeholder: "Find a file or a reason", "aria-label": "Find among the failures",
    oninput: debounced(120, (event) => show(event.target.value.toLowerCase())) });
  const more = cursor && button(null, "More", () => showFailures(place, cursor).catch(failed), { seen: true });
  const many = Math.max(library.failures, list.length);
  return h("details", { open: list.length <= FEW }, h("summary", {}, `${count(many, "file")} could not be read`), find, items, more);
}
