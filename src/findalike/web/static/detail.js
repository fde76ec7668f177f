// One picture, large: what it shows, why it was found, what is like it, and what can be done with it.
import { asset, assetPath, call, search, seen, send, thumbnail } from "./api.js";
import { ask } from "./session.js";
import { $, button, h, say, softly, typing } from "./dom.js";
import { copyText } from "./export.js";
import { factList, shownList, why } from "./facts.js";
import { drawFaces, facesToggle, leaveFaces, showFaces } from "./faces.js";
import { feedback } from "./feedback.js";
import { leaveFilm, showMoments } from "./film.js";
import { focusPicture, pictureElement } from "./grid.js";
import { icon } from "./icons.js";
import { labelEditor } from "./labels.js";
import { library, loadLibrary, watchLibrary } from "./library.js";
import { isFilm } from "./moments.js";
import { queryPicture } from "./query.js";
import { more, putIn, results, takeOut, watchResults } from "./search.js";
import { mark, markButtons, markable, noteOpened, watchMarks } from "./marks.js";
import { LARGE, showOn } from "./stage.js";
import { NEW_SEARCH, change, hasPositive, leave, ranks, state, watch } from "./state.js";
import { moreLike } from "./terms.js";
import { failed, toast } from "./toast.js";

const dialog = $("#detail");
const content = h("div", { class: "content" });
let current = null; // the id that is shown
let comparing = false;
let drawn = false; // whether what is shown was drawn as a hit
let near = { id: null, hits: [] }; // what is like a picture
let asking = new AbortController();
const faceList = h("section", { class: "faces", hidden: true });
const facePlaces = { boxes: () => $(".face-boxes", dialog), list: () => faceList, toggle: () => $("[data-key=faces]", dialog) };

const place = () => results.hits.findIndex((hit) => hit.id === current);

// Opening, closing, going on

function follow(changed) {
  if (!changed.has("open")) return;
  if (!state.open) return close();
  const before = current;
  current = state.open;
  noteOpened(current);
  faceList.hidden = true;
  leaveFaces();
  asking.abort();
  asking = new AbortController();
  const build = () => {
    if (!current) return;
    render();
    if (dialog.open) return;
    dialog.showModal();
    refocus("close");
  };
  if (before) build();
  else morph(build);
  load(asking.signal);
}

/** Lets the small picture grow into the large one. */
function morph(build) {
  const small = pictureElement(current);
  small?.style.setProperty("view-transition-name", "picture");
  softly(() => {
    small?.style.removeProperty("view-transition-name");
    build();
    $(".frame", dialog)?.style.setProperty("view-transition-name", "picture");
  }).then(() => $(".frame", dialog)?.style.removeProperty("view-transition-name"));
}

function close() {
  if (!current) return;
  const last = current;
  current = null;
  comparing = false;
  asking.abort();
  leaveFilm();
  dialog.close();
  content.replaceChildren();
  focusPicture(last);
}

function step(way) {
  const at = place();
  const next = results.hits[at + way];
  if (at >= 0 && next) change({ open: next.id }, "replace");
  if (at + way > results.hits.length - 8) more();
}

async function load(signal) {
  const id = current;
  try {
    const unknown = !seen.get(id)?.name;
    const found = await asset(id, signal);
    if (id !== current) return;
    if (unknown) render();
    renderFacts({ ...results.hits[place()], ...found });
    await Promise.all([showFaces(id, facePlaces, signal), neighbours(id, signal)]);
    ahead();
  } catch (error) {
    if (error.name === "AbortError") return;
    failed(error);
    if (error.status === 404 && id === current) leave({ open: null });
  }
}

/** Has the next large picture ready. */
function ahead() {
  const next = results.hits[place() + 1];
  if (place() >= 0 && next && !isFilm(next)) new Image().src = thumbnail(next, LARGE);
}

async function neighbours(id, signal) {
  const { hits } = await search({ terms: [{ id }], limit: 12 }, new Map(), signal);
  hits.forEach((hit) => seen.set(hit.id, { ...hit, ...seen.get(hit.id) }));
  near = { id, hits };
  renderStrip();
}

function renderStrip() {
  const strip = $(".strip", dialog);
  if (near.id !== current || !strip) return;
  strip.replaceChildren(h("h3", {}, "Similar pictures"), h("ul", {}, near.hits.map((hit) => h("li", {},
    h("button", { type: "button", title: `${hit.name}, ${hit.band}`, onclick: () => change({ open: hit.id }, "replace") },
      h("img", { src: thumbnail(hit), alt: `${hit.name}, ${hit.band}` }))))));
}

// What is shown

function render() {
  const shown = { id: current, name: "", ...seen.get(current), ...results.hits[place()] };
  const held = dialog.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  dialog.setAttribute("aria-label", `Picture ${shown.name}`);
  content.replaceChildren(head(shown), h("div", { class: "stage" }),
    h("section", { class: "moments", "aria-label": "Moments", hidden: !isFilm(shown) }), h("div", { class: "about" }), h("section", { class: "strip", "aria-label": "Similar pictures" }));
  const hit = results.hits[place()];
  drawn = Boolean(hit);
  showOn($(".stage", dialog), shown, results.ranked ? hit : null, comparing && queryPicture());
  if (isFilm(shown)) showMoments($(".moments", dialog), asking.signal).catch(failed);
  renderFacts(shown);
  drawFaces();
  renderStrip();
  refocus(held);
  say(`${shown.name}${place() >= 0 ? `, ${place() + 1} of ${results.hits.length}` : ""}`);
}

/** Puts the focus on a button that was drawn anew, or on the one that closes where it is gone or disabled. */
function refocus(key) {
  (dialog.querySelector(`[data-key="${key}"]:enabled`) ?? $("[data-key=close]", dialog))?.focus();
}

function head(shown) {
  const at = place();
  const key = (name) => ({ dataset: { key: name } });
  return h("header", { class: "detail-head" },
    h("h2", { title: shown.name }, shown.name),
    h("span", { class: "tip" }, at >= 0 ? `${(at + 1).toLocaleString("en")} of ${results.hits.length.toLocaleString("en")}${results.cursor ? "+" : ""}` : ""),
    h("span", { class: "space" }),
    queryPicture() && button("compare", "Compare with the query picture (C)", compare, { ...key("compare"), class: "quiet", "aria-pressed": comparing }),
    facesToggle(key("faces")),
    button("left", "Previous picture", () => step(-1), { ...key("left"), class: "quiet", disabled: at <= 0 }),
    button("right", "Next picture", () => step(1), { ...key("right"), class: "quiet", disabled: at < 0 || at >= results.hits.length - 1 }),
    button("close", "Close", () => leave({ open: null }), { ...key("close"), class: "quiet" }));
}

const block = (title, ...content) => (content.flat().some(Boolean) ? h("section", {}, h("h3", {}, title), ...content) : null);

function renderFacts(shown) {
  const about = $(".about", dialog);
  if (!about) return;
  const hit = results.hits[place()];
  const reasons = hit && results.ranked ? why(hit) : [];
  const relabel = (changed) => { putIn(changed); renderFacts({ ...shown, ...changed }); };
  const kept = typedAndHeld(about);
  about.replaceChildren(...[
    actions(shown),
    faceList,
    reasons.length > 0 && block("Why it was found", h("p", { class: "score" }, h("strong", {}, hit.band), ` ${hit.score?.toFixed(2) ?? ""}`),
      h("ul", { class: "reasons" }, reasons.map((line) => h("li", {}, line)))),
    shown.shown?.length > 0 && block("What it shows", shownList(shown.shown, (name) => change({ ...NEW_SEARCH, words: name }))),
    block("Labels", ...labelEditor({ labels: [], ...shown }, relabel).filter(Boolean)),
    block("Facts", factList(shown)),
    shown.available === false && h("p", { class: "wrong" }, "The file is not where the library knows it: only its small picture is left."),
    block("Where it is", where(shown)),
    library.can.write && button("trash", "Remove from the library", () => remove(shown), { seen: true, class: "quiet remove" }),
  ].filter(Boolean));
  kept();
}

/** What puts back the label that is being typed, and the focus, when all is drawn anew. */
function typedAndHeld(about) {
  const called = (part) => part.getAttribute("aria-label") ?? part.textContent;
  const typed = $("input", about)?.value;
  const held = about.contains(document.activeElement) && called(document.activeElement);
  return () => {
    const field = $("input", about);
    if (typed && field) field.value = typed;
    if (held !== false) ([...about.querySelectorAll("button, a, input")].find((part) => called(part) === held) ?? field)?.focus();
  };
}

function actions({ id }) {
  const rate = (kind, name, text) => button(name, text, () => { feedback(kind, [id]); leaveFor(id); }, { seen: true });
  return h("div", { class: "actions" },
    button("similar", "More like this", () => moreLike(id), { seen: true, class: "main" }),
    ranks() && rate("more", "plus", "More of this"),
    hasPositive() && rate("not", "minus", "Less like this"),
    ...markButtons(seen.get(id) ?? { id }));
}

/** After feedback the picture is a term and no longer a hit: the next one is shown, or the grid. */
function leaveFor(id) {
  const at = results.hits.findIndex((hit) => hit.id === id);
  const next = results.hits[at + 1];
  change({ open: at >= 0 && next ? next.id : null }, "replace");
}

function where({ id, path, links, available }) {
  if (!path) return null;
  const content = links?.content ?? assetPath(id, "/content");
  const link = (name, text, href, props = {}) => h("a", { class: "button", href, ...props }, icon(name), text);
  if (available === false) return [h("p", { class: "path" }, path), button("copy", "Copy path", () => copyText(path), { seen: true })];
  return [h("p", { class: "path" }, path), h("div", { class: "actions" },
    button("copy", "Copy path", () => copyText(path), { seen: true }),
    library.can.reveal && button("folder", "Open folder", () => reveal(id), { seen: true }),
    link("outside", "Original", content, { target: "_blank", rel: "noopener" }),
    link("download", "Download", `${content}${content.includes("?") ? "&" : "?"}download=1`, { download: "" }))];
}

// What can be done

const reveal = (id) => call(assetPath(id, "/reveal"), { method: "POST" }).then(() => toast("The folder is open on the server's screen"), failed);

async function remove({ id, name, path }) {
  const sure = await ask("Remove from the library?",
    `${name} is no longer found. The file stays where it is: ${path}`, "Remove");
  if (!sure) return;
  try {
    await send("DELETE", assetPath(id));
    const next = results.hits[place() + 1];
    takeOut(new Set([id]));
    change({ open: next?.id ?? null }, "replace");
    toast(`${name} was removed from the library`);
    loadLibrary().catch(() => {});
  } catch (error) {
    failed(error);
  }
}

function compare() {
  if (!queryPicture()) return toast("Search with a picture to compare with it.");
  comparing = !comparing;
  softly(render);
}

function key(event) {
  if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const does = {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), c: compare, m: () => moreLike(current),
    "+": () => { const id = current; feedback("more", [id]); leaveFor(id); },
    "-": () => { const id = current; if (hasPositive()) { feedback("not", [id]); leaveFor(id); } },
    ...(markable(current) && { y: () => mark(current, "match"), n: () => mark(current, "no match") }),
  }[event.key];
  if (!does || event.target.closest("[popover], video")) return; // a film has keys of its own
  event.preventDefault();
  does();
}

/** Follows results that come while a picture is open: its place among them is another one, and of one that a link opened
 * it shows only now why it was found, and where. */
function renumber() {
  const old = $(".detail-head", dialog);
  if (!current || !old) return;
  if (!drawn && results.ranked && results.hits[place()] && !$(".about", dialog).contains(document.activeElement)) return render();
  const held = old.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  old.replaceWith(head({ name: "", ...seen.get(current) }));
  drawFaces();
  if (held) refocus(held);
}

export function startDetail() {
  dialog.append(content);
  watchResults(renumber);
  watch(follow);
  watchMarks(() => { if (current) renderFacts({ id: current, name: "", ...seen.get(current), ...results.hits[place()] }); });
  watchLibrary(() => { if (current) renderFacts({ id: current, name: "", ...seen.get(current), ...results.hits[place()] }); });
  dialog.addEventListener("keydown", key);
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave({ open: null });
  });
  // Browsers close a dialog on a second Escape whatever the page says.
  dialog.addEventListener("close", () => { if (state.open) leave({ open: null }); });
  if (state.open) follow(new Set(["open"]));
}
