// Relevance feedback after Rocchio (1971): pictures that the search is pulled to and pushed from.
import { named, seen, thumbnail } from "./api.js";
import { $, button, count, h, say } from "./dom.js";
import { change, hasPositive, state } from "./state.js";
import { toast } from "./toast.js";

const SHARE = 0.5; // what all pictures of one kind weigh together

/** Terms of the feedback, at most `room` of them, the latest first. */
export function feedbackTerms(room, positive) {
  const more = state.more.slice(-Math.max(0, room));
  const not = positive ? state.not.slice(-Math.max(0, room - more.length)) : [];
  return [
    ...(room > 0 ? more : []).map((id) => ({ id, weight: weigh(SHARE, more.length) })),
    ...(room > more.length ? not : []).map((id) => ({ id, weight: weigh(-SHARE, not.length) })),
  ];
}

const weigh = (all, many) => Math.round((all / many) * 1e6) / 1e6;

/** Adds pictures to `more` or `not`, and tells how to take that back. */
export function feedback(kind, ids) {
  if (!ids.length) return;
  if (kind === "not" && !hasPositive()) {
    toast("Search for something first: then you can say what does not match.");
    return;
  }
  const before = { more: state.more, not: state.not };
  const other = kind === "not" ? "more" : "not";
  const added = new Set(ids);
  change({
    [kind]: [...state[kind].filter((id) => !added.has(id)), ...ids],
    [other]: state[other].filter((id) => !added.has(id)),
  });
  const text = kind === "not" ? `Less like ${count(ids.length, "picture")}` : `More like ${count(ids.length, "picture")}`;
  toast(text, { label: "Undo", run: () => change(before) });
}

/** Chips that stand for all feedback of a kind; they open a list to take single pictures out. */
export function feedbackChips(openList) {
  return ["more", "not"].filter((kind) => state[kind].length).map((kind) => {
    const text = `${kind}: ${count(state[kind].length, "picture")}`;
    const open = h("button", { type: "button", class: "chip-body", dataset: { key: kind },
      "aria-haspopup": "dialog", onclick: (event) => openList(event.currentTarget, kind) }, text);
    const clear = button("close", `Forget ${text}`, () => change({ [kind]: [] }), { class: "quiet chip-x" });
    return h("li", { class: `term ${kind}` }, open, clear);
  });
}

/** What the list of a feedback chip holds. */
export function feedbackList(kind, close) {
  return h("ul", { class: "small-list" }, state[kind].map((id) => {
    const name = h("span", { class: "name" }, id);
    const out = button("close", `Take out ${id}`, () => {
      change({ [kind]: state[kind].filter((other) => other !== id) });
      const item = out.closest("li");
      const next = item.nextElementSibling ?? item.previousElementSibling;
      item.remove();
      say("Taken out");
      if (next) $("button", next).focus();
      else close();
    }, { class: "quiet" });
    named(id, (told) => {
      name.textContent = told;
      for (const attribute of ["aria-label", "title"]) out.setAttribute(attribute, `Take out ${told}`);
    });
    return h("li", {}, h("img", { src: thumbnail(seen.get(id) ?? { id }), alt: "" }), name, out);
  }));
}
