// One picture of the grid.
import { write } from "./address.js";
import { $, button, h } from "./dom.js";
import { covered, isPart, layOn } from "./found.js";
import { icon } from "./icons.js";
import { shape } from "./layout.js";
import { CALLED, MARKED, markable, verdictOf } from "./marks.js";
import { timeOf } from "./moments.js";
import { results } from "./search.js";
import { isSelected } from "./selection.js";
import { best } from "./sharpen.js";
import { state } from "./state.js";

/** A picture without its facts; `dress` puts them in. */
export function cellOf(hit) {
  const img = h("img", { decoding: "async", draggable: "false", onerror: () => cell.classList.add("broken") });
  const cell = h("div", { class: "cell", role: "gridcell", dataset: { id: hit.id } },
    h("a", { class: "pic", draggable: "true", dataset: { act: "open" } }, img, h("span", { class: "part", "aria-hidden": "true", hidden: true }),
      h("span", { class: "time", "aria-hidden": "true", hidden: true }), h("span", { class: "caption", "aria-hidden": "true" })),
    h("span", { class: "said", "aria-hidden": "true", hidden: true }),
    h("span", { class: "meter", "aria-hidden": "true" }),
    h("span", { class: "band", "aria-hidden": "true" }),
    h("button", { type: "button", class: "tick", role: "checkbox", dataset: { act: "pick" } }),
    h("div", { class: "acts" },
      button("similar", "More like this", null, { dataset: { act: "similar" } }),
      button("minus", "Less like this", null, { dataset: { act: "not" }, class: "act-not" }),
      button("yes", "Match", null, { dataset: { act: "match" }, class: "act-mark", hidden: true }),
      button("no", "Not a match", null, { dataset: { act: "no match" }, class: "act-mark", hidden: true })));
  return cell;
}

/** Shows in a cell what is known of its picture, where that is not what it shows already. */
export function dress(cell, hit) {
  const { ranked } = results;
  const said = verdictOf(hit.id);
  const marks = markable(hit.id);
  if (cell.hit === hit && cell.ranked === ranked && cell.said === said && cell.marks === marks) return;
  if (!cell.hit || best(cell.hit) !== best(hit)) {
    cell.classList.remove("broken");
    $("img", cell).src = best(hit);
  }
  Object.assign(cell, { hit, ranked, said, marks });
  const time = timeOf(hit, ranked, " to ");
  const told = [hit.name, ranked && hit.band, time && `film, ${time}`, MARKED[said], hit.tags.length && `shows ${hit.tags.slice(0, 4).join(", ")}`];
  const name = told.filter(Boolean).join(", ");
  $("img", cell).alt = name;
  $(".pic", cell).setAttribute("aria-label", name); // also where the picture cannot be loaded
  $(".pic", cell).href = write({ ...state, open: hit.id });
  $(".caption", cell).textContent = hit.name;
  dressPart(cell, hit, ranked);
  $(".band", cell).replaceChildren(...(ranked ? [hit.band, h("span", { class: "number" }, hit.score?.toFixed(2) ?? "")] : []));
  $(".meter", cell).style.setProperty("--score", ranked ? hit.score ?? 0 : 0);
  $(".tick", cell).setAttribute("aria-label", `Select ${hit.name}`);
  $("[data-act=similar]", cell).setAttribute("aria-label", `More like ${hit.name}`);
  $(".act-not", cell).setAttribute("aria-label", `Less like ${hit.name}`);
  $(".act-not", cell).hidden = !ranked || marks;
  dressMark(cell, hit);
  mark(cell);
}

/** Shows what people said of it as a hit, and what they can say. */
function dressMark(cell, hit) {
  cell.classList.toggle("marking", cell.marks);
  for (const one of cell.querySelectorAll(".act-mark")) {
    one.hidden = !cell.marks;
    one.setAttribute("aria-pressed", one.dataset.act === cell.said);
    one.setAttribute("aria-label", `${CALLED[one.dataset.act]}: ${hit.name}`);
  }
  const badge = $(".said", cell);
  badge.hidden = !MARKED[cell.said];
  badge.dataset.said = cell.said ?? "";
  badge.replaceChildren(...(badge.hidden ? [] : [icon(cell.said === "match" ? "yes" : "no")]));
}

/** Marks what of a film or of a picture was found. */
function dressPart(cell, hit, ranked) {
  const time = timeOf(hit, ranked);
  $(".time", cell).hidden = !time;
  $(".time", cell).replaceChildren(...(time ? [icon("film"), time] : []));
  cell.classList.toggle("timed", Boolean(time));
  const part = ranked && isPart(hit.box);
  $(".part", cell).hidden = !part;
  if (part) layOn($(".part", cell), covered(hit.box, hit.width > 0 && hit.height > 0 ? hit.width / hit.height : shape(hit), shape(hit)));
}

/** Shows whether the picture is selected. */
export function mark(cell) {
  const on = isSelected(cell.hit.id);
  cell.setAttribute("aria-selected", on);
  $(".tick", cell).setAttribute("aria-checked", on);
}

/** Only one picture at a time is reached by the tab key. */
export function reach(cell, on) {
  for (const part of cell.querySelectorAll("a, button")) part.tabIndex = on ? 0 : -1;
}
