// What pictures can be filtered by, and the filters that are on.
import { library } from "./library.js";
import { change, state } from "./state.js";

export const COLOURS = ["red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "brown", "beige", "black", "white", "grey"];
/** Whether a tag tells of a look or a shape, not of a thing. */
export const isLook = (tag) => COLOURS.includes(tag)
  || /format$|^(colou?rful|bright|dark|high contrast|black and white|sepia|panorama|screenshot|drawing)$/.test(tag);

const TITLES = {
  media: "Kind of file", folder: "Folder", label: "Labels", camera: "Camera",
  dominant_color: "Main colour", orientation: "Orientation", monochrome: "Black and white",
  sharpness: "Sharpness", brightness: "Brightness",
};
const UNFIT = new Set(["path", "name", "tag", "size", "modified", "width", "height"]);
const FIRST = ["camera", "media", "folder"];
/** What is measured on the pixels of every picture: told after all else. */
export const MEASURED = ["dominant_color", "orientation", "monochrome", "sharpness", "brightness"];
const MOST = 8; // columns that are offered

export const titleOf = (column) => TITLES[column] ?? column;

/** A value as it is shown: of a folder its last two names. */
export const shortened = (name, value) => (name === "folder" ? value.replace(/\/$/, "").split("/").slice(-2).join("/") : value);

/** The columns that may have few values. */
export function columns() {
  const fit = Object.entries(library.columns).filter(([name, kind]) =>
    ["text", "boolean", "tags"].includes(kind) && !UNFIT.has(name) && name !== library.range?.column);
  const place = ([name]) => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1) + MEASURED.indexOf(name) + 1;
  return fit.sort((a, b) => place(a) - place(b)).map(([name]) => name).slice(0, MOST);
}

const toggled = (values, value) => (values.includes(value) ? values.filter((other) => other !== value) : [...values, value]);
export const toggleTag = (tag) => change({ tags: toggled(state.tags, tag) });

export function togglePicked(column, value) {
  const values = toggled((state.picked[column] ?? []), String(value));
  const { [column]: _, ...others } = state.picked;
  change({ picked: values.length ? { ...others, [column]: values } : others });
}
