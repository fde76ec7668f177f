// What is known of a picture, in words that people use.
import { seen } from "./api.js";
import { h } from "./dom.js";
import { MEASURED, titleOf } from "./facets.js";
import { clock, span } from "./moments.js";
import { isClip } from "./pictures.js";
import { state } from "./state.js";

const RELATED = 0.3; // the score from which on pictures are related at all
const OWN = new Set(["width", "height", "duration"]); // told otherwise

export function bytes(size) {
  if (size < 1000) return `${size} B`;
  const power = Math.min(3, Math.floor(Math.log10(size) / 3));
  const value = size / 1000 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${["B", "kB", "MB", "GB"][power]}`;
}

const ISO = /^\d{4}-\d\d-\d\d(T\d\d:\d\d|$)/;

function value(given) {
  if (typeof given === "string" && ISO.test(given)) {
    const at = new Date(given);
    const day = { dateStyle: "long" };
    return Number.isNaN(+at) ? given : at.toLocaleString(undefined, given.length > 10 ? { ...day, timeStyle: "short" } : day);
  }
  if (Array.isArray(given)) return given.join(", ");
  return typeof given === "number" ? String(Math.round(given * 1e4) / 1e4) : String(given);
}

/** The facts of a picture as a list of names and values. */
export function factList(asset) {
  const facts = [];
  if (asset.width) facts.push(["Size", `${asset.width} × ${asset.height}`]);
  if (asset.metadata?.duration > 0) facts.push(["Length", clock(asset.metadata.duration)]);
  facts.push(["File", `${asset.media?.replace(/^(image|video)\/(x-)?/, "").toUpperCase() ?? ""} ${bytes(asset.size ?? 0)}`]);
  const late = ([name]) => MEASURED.indexOf(name);
  for (const [name, given] of Object.entries(asset.metadata ?? {}).sort((a, b) => late(a) - late(b))) {
    if (!OWN.has(name) && given !== null && given !== "") facts.push([MEASURED.includes(name) ? titleOf(name) : name, value(given)]);
  }
  if (asset.modified) facts.push(["Changed", value(asset.modified)]);
  return h("dl", { class: "facts" }, facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
}

/** What the picture shows, with bars that tell how surely. */
export function shownList(shown, onpick) {
  const best = new Map();
  for (const { name, confidence } of shown) best.set(name, Math.max(confidence, best.get(name) ?? 0));
  const sorted = [...best].sort((a, b) => b[1] - a[1]).slice(0, 12);
  return h("ul", { class: "shown" }, sorted.map(([name, confidence]) => h("li", {},
    h("button", { type: "button", title: `Search for ${name}`, onclick: () => onpick(name) }, h("span", { class: "name" }, name),
      h("span", { class: "bar", "aria-hidden": "true", style: { "--share": confidence } }),
      h("span", { class: "unseen" }, `, ${Math.round(confidence * 100)} percent sure`)))));
}

const texts = () => new Set([state.words.trim(), ...state.terms.filter((term) => term.kind === "text").map((term) => term.value)]);

/** One sentence for each reason why a hit was found. */
export function why(hit) {
  const asked = texts();
  const lines = (hit.reasons ?? []).map((reason) => sentence(reason, asked, hit));
  return [...new Set([matched(hit), ...lines].filter(Boolean))];
}

/** Which stretch of the film that was searched with was found where. */
const matched = ({ query_span: own, time, end }) => own && `${span(...own)} of the clip is ${span(time, end)} here`;

/** What a reason calls its term: words as they are, a picture by its name. */
function named(term) {
  const id = /^id:(.+)$/.exec(term)?.[1];
  return (id && seen.get(id)?.name) || (id ? "the picture" : yours());
}

const yours = () => (state.terms.some(({ kind, value }) => kind === "picture" && isClip(value)) ? "your clip" : "your picture");

function sentence({ term, space, similarity, weight }, asked, { score, query_span: aligned }) {
  const words = asked.has(term);
  const away = weight < 0;
  if (space === "texts") return `${away ? "Although its" : "Its"} name or texts hold “${term}”`;
  if (space === "track") return aligned ? `Its pictures follow one another as those of ${named(term)}` : `A moment of it shows ${named(term)}`;
  if (space === "attributes") return shared(term, similarity);
  if (space === "concepts") return `${away ? "Although it " : ""}${surely(similarity, away)} “${term}”`;
  if (words) return away ? `Pushed away from “${term}”, which it fits less` : `As a whole it fits “${term}”`;
  return away ? `Pushed away from ${named(term)}, which it is less like` : `It looks ${score < RELATED ? "only a little " : ""}like ${named(term)}`;
}

/** `color = red, predicted` with how sure, as a sentence. */
function shared(term, sure) {
  const [, name, given, predicted] = /^(.*?) = (.*?)(, predicted)?$/s.exec(term) ?? [null, term, "", ""];
  const same = `Same ${titleOf(name).toLowerCase()} as the picture: ${given}`;
  return predicted ? `${same}, predicted with ${Math.round(sure * 100)} percent` : same;
}

function surely(similarity, away) {
  const told = similarity > 0.5 ? "surely shows" : similarity > 0.2 ? "probably shows" : "may show";
  return away ? told : `It ${told}`;
}
