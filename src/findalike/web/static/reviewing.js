// The dialog in which people check what was predicted, one picture at a time.
import { thumbnail } from "./api.js";
import { $, button, count, fill, h, say, set, typing } from "./dom.js";
import { copyText } from "./export.js";
import { icon } from "./icons.js";
import { library, loadLibrary, watchLibrary } from "./library.js";
import { answer, begin, choose, learnAnew, review, showSkipped, skip, undo, watchReview } from "./review.js";
import { refresh } from "./search.js";
import { LARGE, showOn } from "./stage.js";
import { change, leave, state, watch } from "./state.js";
import { failed, toast } from "./toast.js";

const dialog = $("#review");
const parts = {
  head: h("header", { class: "detail-head" }),
  stage: h("div", { class: "stage" }),
  ask: h("div", { class: "about", tabIndex: -1 }),
};
let shown = null; // the case on the stage
let answered = false; // whether what the page shows elsewhere is out of date

async function follow(changed) {
  if (!changed.has("view")) return;
  if (state.view !== "review") return dialog.close();
  render();
  dialog.showModal();
  parts.ask.focus();
  await begin().catch(failed);
}

// What is shown

function render() {
  if (!dialog.open && state.view !== "review") return;
  const [first, second] = review.cases;
  head();
  ask(first);
  if (first && first !== shown) {
    showOn(parts.stage, first.asset, null, null);
    say(`${first.asset.name}, ${guess(first)}`);
    if (second) new Image().src = thumbnail(second.asset, LARGE);
  }
  if (!first) fill(parts.stage);
  shown = first ?? null;
}

function head() {
  const held = parts.head.contains(document.activeElement) && document.activeElement.dataset.key;
  const now = review.standing;
  const names = review.attributes.map(({ column }) => column);
  fill(parts.head,
    h("h2", { id: "review-title" }, "Review"),
    names.length > 0 && h("select", { "aria-label": "Attribute", dataset: { key: "column" }, onchange: (event) => { choose(event.target.value).catch(failed); } },
      names.map((name) => h("option", { value: name, selected: name === review.column }, name))),
    h("span", { class: "space" }),
    now && h("progress", { max: Math.max(1, now.total), value: now.stated, "aria-label": "Pictures with a person's value" }),
    now && h("span", { class: "tip" }, `${now.stated.toLocaleString("en")} of ${now.total.toLocaleString("en")}`, now.expected !== null && ` · about ${percent(now.expected)} right`),
    button("undo", "Undo (U)", () => run(undo), { class: "quiet", dataset: { key: "undo" }, disabled: !review.column }),
    button("close", "Close", () => leave({ view: "" }), { class: "quiet", dataset: { key: "close" } }));
  if (held) $(`[data-key=${held}]`, parts.head)?.focus();
}

const percent = (share) => `${Math.round(share * 100)} %`;
const called = (value) => (value === true ? "yes" : value === false ? "no" : value);
const guess = ({ value, confidence }) => (value === null ? "nothing predicted" : `${called(value)}, ${confidence === null ? "said by a person" : `${percent(confidence)} sure`}`);

function ask(first) {
  const { activeElement } = document;
  const held = parts.ask.contains(activeElement);
  const field = $("input", parts.ask);
  const same = first && first === shown;
  const typed = same ? field?.value : "";
  const inField = field !== null && activeElement === field;
  fill(parts.ask, review.notice && h("p", { class: "notice", role: "status" }, review.notice),
    first ? question(first) : empty(), standing());
  if (typed) $("input", parts.ask).value = typed;
  if (!same) parts.ask.scrollTop = 0; // nobody accepts what is out of sight
  if (held) ((inField && $("input", parts.ask)) || parts.ask).focus({ preventScroll: true });
  parts.ask.setAttribute("aria-busy", review.busy);
}

function question(first) {
  return [h("section", { class: "predicted" }, h("h3", {}, `${review.column}?`),
    h("p", { class: "guess" }, first.value === null ? "Nothing predicted" : called(first.value)),
    first.confidence !== null && h("p", { class: "tip" }, `${percent(first.confidence)} sure`),
    first.value !== null && keyed("check", `Accept ${called(first.value)}`, "Enter", accept, "main")),
  h("section", {}, h("h3", {}, "Or choose"), h("ol", { class: "choices" }, first.choices.map(choice))),
  otherForm(),
  keyed("right", "Skip", "S", skip, "quiet skip-case")];
}

/** A button that names its key where there are keys. */
const keyed = (name, text, shortcut, work, kind) => h("button", { type: "button", class: kind, "aria-keyshortcuts": shortcut, onclick: () => run(work) },
  icon(name), text, h("kbd", { "aria-hidden": "true" }, shortcut));

function choice({ value, probability }, at) {
  const text = probability === null ? called(value) : `${called(value)}, ${percent(probability)}`;
  return h("li", {}, h("button", { type: "button", "aria-label": text, "aria-keyshortcuts": at + 1, onclick: () => run(() => answer(value)) },
    h("kbd", { "aria-hidden": "true" }, at + 1), h("span", { class: "name" }, called(value)),
    h("span", { class: "bar", "aria-hidden": "true", style: { "--share": probability ?? 0 } })));
}

function otherForm() {
  const list = h("datalist", { id: "review-values" }, review.values.filter((value) => typeof value === "string").map((value) => h("option", { value })));
  const field = h("input", { type: "text", list: list.id, maxlength: 100, placeholder: "Another value", "aria-label": "Another value", "aria-keyshortcuts": "E", autocapitalize: "off", autocomplete: "off" });
  const enter = (event) => {
    event.preventDefault();
    const value = field.value.trim();
    field.value = "";
    parts.ask.focus();
    if (value) run(() => answer(value));
  };
  return h("form", { class: "row", onsubmit: enter }, field, list, h("button", { type: "submit" }, "Set"));
}

function empty() {
  if (review.busy) return h("p", {}, "Looking for the pictures that teach most…");
  if (!review.column) return howTo();
  return h("section", {}, h("p", {}, "All that is open here was checked, skipped, or is before someone else just now."),
    button(null, "Show what I skipped", () => run(showSkipped), { seen: true }));
}

function howTo() {
  const command = (text) => h("div", { class: "command" }, h("code", {}, text), button("copy", `Copy ${text}`, () => copyText(text), { class: "quiet" }));
  return h("section", {}, h("p", {}, "Nothing was predicted yet. Give some pictures a value, by a table for example, and learn it:"),
    command("findalike attributes learn --column color"), command("findalike attributes apply"));
}

// How far it is

function standing() {
  const now = review.standing;
  if (!now) return null;
  return h("section", { class: "standing" }, h("h3", {}, "How far"),
    h("p", {}, `${now.stated.toLocaleString("en")} of ${count(now.total, "picture")} have a person's value`),
    now.expected !== null && h("p", {}, "Expected to be right by now: ", h("strong", {}, percent(now.expected)),
      h("span", { class: "tip" }, " of those with a value, if people are right and confidences can be trusted.")),
    measured(now), learning(),
    h("p", { class: "row" }, h("a", { class: "button", download: "answers.csv", href: `/v1/review/answers?${new URLSearchParams({ column: now.column, format: "csv" })}` },
      icon("download"), "Answers as CSV")));
}

const TRUST = {
  unknown: "Too few to tell whether the confidences can be trusted.",
  fits: "That is no more than chance apart: the confidences can be trusted so far.",
  "too sure": "The predictions are less often right than they say: expect less than above, and learn anew.",
  "too modest": "The predictions are more often right than they say: expect more than above.",
};

function measured(now) {
  if (!now.answered) return h("p", { class: "tip" }, "No prediction was checked yet.");
  return h("p", { class: "tip" }, `Measured: ${now.accepted.toLocaleString("en")} of ${count(now.answered, "prediction")} that were checked stayed as they were `
    + `(${percent(now.accepted_share)}; their confidences said ${percent(now.foreseen_share)}). ${TRUST[now.trust]} `
    + "The most doubtful come first: among the others more ought to be right.");
}

function learning() {
  const job = review.learning;
  if (!job) return button("similar", "Learn anew from all answers", relearn, { seen: true });
  const known = job.total > 0;
  return h("div", {}, h("progress", { "aria-label": "Learning", ...(known && { max: job.total, value: job.done }) }), h("p", { class: "tip" }, "Learning…"));
}

async function relearn() {
  try {
    const { state: ended, lesson, error } = await learnAnew();
    if (ended !== "done") return toast(error ?? "Learning was stopped.");
    const before = lesson.before === null ? "" : `, before ${percent(lesson.before)}`;
    toast(`Learned from ${count(lesson.labelled, "picture")}: ${percent(lesson.accuracy)} right where it was tested${before}. ${count(lesson.predicted, "prediction")} made anew.`);
    answered = true;
  } catch (error) {
    failed(error);
  }
}

// What can be done

const accept = () => (review.cases[0]?.value === null ? null : answer(review.cases[0].value));
const choosing = (at) => review.cases[0]?.choices[at] && answer(review.cases[0].choices[at].value);

async function run(work) {
  answered = true;
  try {
    await work();
  } catch (error) {
    failed(error);
  }
}

function key(event) {
  if (event.defaultPrevented || event.altKey || event.target.closest("[popover]")) return;
  if ((event.ctrlKey || event.metaKey) && !(event.key === "z" && !typing(event.target))) return;
  if (typing(event.target)) return event.key === "Enter" && event.target.matches("input") ? acceptEmpty(event) : undefined;
  const pressed = event.ctrlKey || event.metaKey ? "u" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const onButton = event.target.matches("button, a");
  const does = {
    Enter: onButton ? null : accept, s: skip, ArrowRight: skip, u: undo, e: () => $("input", parts.ask)?.focus(),
  }[pressed] ?? (/^[1-9]$/.test(pressed) ? () => choosing(Number(pressed) - 1) : null);
  if (!does) return;
  event.preventDefault();
  run(async () => does());
}

/** Enter in an empty field accepts, as it does elsewhere. */
function acceptEmpty(event) {
  if (event.target.value.trim()) return;
  event.preventDefault();
  parts.ask.focus();
  run(async () => accept());
}

function closed() {
  if (state.view === "review") leave({ view: "" });
  if (!answered) return;
  answered = false;
  loadLibrary().catch(() => {});
  refresh({ again: true });
}

export function startReviewing() {
  dialog.append(h("div", { class: "content" }, parts.head, parts.stage, parts.ask));
  set(dialog, "onkeydown", key);
  $("#review-open").addEventListener("click", () => change({ view: "review" }));
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave({ view: "" });
  });
  dialog.addEventListener("close", closed);
  watch(follow);
  watchReview(render);
  watchLibrary(() => { $("#review-open").hidden = !library.can.write || !library.pictures; });
  if (state.view === "review") follow(new Set(["view"]));
}
