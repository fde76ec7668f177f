// A film in the detail view: played from the moment that was found, with its moments to go to.
import { assetPath, get } from "./api.js";
import { calm, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { clock, pictureOf, span } from "./moments.js";

const FRAMES = 40; // of a film, when it is not its moments that are shown
const SLACK = 0.1; // seconds that a film may be beside what it was sent to
const AROUND = 0.4; // seconds around a frame in which a box found in it is still right

let shown = null; // the film that is open: {film, hit, video, still, place, moments, box}

/** The film on a screen of its own; `box` is the element that marks a part of the frame that was found. */
export function screenOf(film, hit, box) {
  const begin = hit?.time ?? 0;
  const still = h("img", { class: "large ready", alt: film.name, src: pictureOf(hit ?? film) });
  const video = h("video", { class: "film", controls: true, playsinline: true, preload: "metadata", "aria-label": `Film ${film.name}`, poster: still.src });
  shown = { film, hit, video, still, box, moments: [], place: null };
  const mine = shown;
  video.muted = true; // what starts by itself makes no sound
  video.addEventListener("loadedmetadata", () => (video.videoWidth ? seek(begin, !calm() && hit?.time != null) : unplayable(mine)), { once: true });
  video.addEventListener("error", () => unplayable(mine), { once: true });
  for (const event of ["timeupdate", "seeked"]) video.addEventListener(event, () => mark(video.currentTime));
  video.src = film.links?.content ?? assetPath(film.id, "/content");
  return [video, box];
}

/** Goes to a time of the film that is open. */
export const goToTime = (time) => seek(time, false);

/** Lets go of a film, so that nothing more of it is loaded. */
export function leaveFilm() {
  const { video } = shown ?? {};
  shown = null;
  video?.pause();
  video?.removeAttribute("src");
  video?.load();
}

function seek(time, play) {
  const { video } = shown ?? {};
  if (!video) return;
  video.currentTime = time;
  mark(time);
  if (play) video.play().catch(() => {}); // the browser may want a press first
}

/** Shows its frames in the place of a film that the browser cannot play. */
function unplayable(film) {
  if (film !== shown || !film.video.isConnected) return;
  const codec = film.film.metadata?.codec;
  const { href } = new URL(film.video.src, location.href);
  film.video.replaceWith(film.still, h("div", { class: "unplayable", role: "note" },
    h("p", {}, `This browser cannot play this film${codec ? ` (${codec})` : ""}. Its frames are below.`),
    h("a", { class: "button", href: `${href}?download=1`, download: "" }, icon("download"), "Download the film")));
  film.video = null;
  if (film.place) showMoments(film.place);
}

// Its moments

/** Shows in a place the moments that were found, or frames of all of the film. */
export async function showMoments(place, signal) {
  const film = shown;
  if (!film) return;
  film.place = place;
  const found = film.hit?.time == null ? [] : [film.hit, ...film.hit.moments];
  if (found.length && film.video) return draw("Moments", found);
  const { parts } = await get(assetPath(film.film.id, `/parts?part=frame&most=${FRAMES}`), signal);
  if (film === shown) draw("Frames", parts);
}

function draw(title, moments) {
  const inOrder = moments.toSorted((a, b) => a.time - b.time);
  shown.moments = inOrder.map((moment) => ({ ...moment, element: momentButton(moment) }));
  const bar = h("div", { class: "moment-list", role: "toolbar", "aria-label": title, onkeydown: walk }, shown.moments.map(({ element }) => element));
  fill(shown.place, moments.length > 0 && h("h3", {}, title), moments.length > 0 && bar);
  mark(shown.video?.currentTime || shown.hit?.time || 0);
}

function momentButton(moment) {
  const { time, end } = moment;
  const name = `Go to ${span(time, end, " to ")}`;
  return h("button", { type: "button", title: name, "aria-label": name, tabIndex: -1, onclick: () => goTo(moment) },
    h("img", { src: pictureOf({ ...shown.film, picture: moment.picture }), alt: "", loading: "lazy" }), h("span", { class: "time" }, clock(time)));
}

function goTo({ time, picture }) {
  if (shown.video) return seek(time, true);
  shown.still.src = picture;
  mark(time);
}

/** Arrow keys go from one to the next; the keys do not go to the next picture meanwhile. */
function walk(event) {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!way) return;
  event.preventDefault();
  event.stopPropagation();
  const all = shown.moments.map(({ element }) => element);
  const next = all[all.indexOf(event.target) + way];
  next?.focus();
  next?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Marks the moment that is being shown, and shows a box only where it belongs. */
function mark(time) {
  if (!shown) return;
  const { moments, box, hit } = shown;
  const near = moments.findLast((moment) => moment.time <= time + SLACK) ?? moments[0];
  for (const moment of moments) {
    const on = moment === near && time <= (moment.end ?? moment.time) + SLACK && time >= moment.time - SLACK;
    if (on) moment.element.setAttribute("aria-current", "true");
    else moment.element.removeAttribute("aria-current");
    moment.element.tabIndex = moment === near ? 0 : -1; // only one of them is reached by the tab key
  }
  if (box) box.hidden = time < hit.time - AROUND || time > hit.time + AROUND;
}
