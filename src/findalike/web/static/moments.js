// Stretches of films: what they are called, and what picture stands for them.
import { thumbnail } from "./api.js";

export const isFilm = ({ media } = {}) => Boolean(media?.startsWith("video/"));

/** Whether a picture moves: then its file is shown, and not a still one made of it. */
export const moves = ({ media, metadata } = {}) => media === "image/gif" || (/^image\/(webp|png)$/.test(media ?? "") && metadata?.duration > 0);

/** A time as 0:12, or 1:02:03 from an hour on. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A stretch as 0:12–0:15; `dash` is put between its ends. */
export function span(time, end, dash = "–") {
  const [since, until] = [clock(time), clock(end ?? time)];
  return since === until ? since : `${since}${dash}${until}`;
}

/** What a hit that is a part of a film is marked with: its stretch, or how long the film is. */
export function timeOf({ media, time, end, metadata }, ranked, dash) {
  if (ranked && time != null) return span(time, end, dash);
  return isFilm({ media }) && metadata?.duration > 0 ? clock(metadata.duration) : "";
}

/** The address of the small picture that stands for a hit. */
export const pictureOf = (hit, size) => hit.picture ?? thumbnail(hit, isFilm(hit) ? undefined : size);
