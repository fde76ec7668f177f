// A box on a picture that says which part counts: by pointer, by touch and by keys.
import { h } from "./dom.js";

const LEAST = 0.05; // of a side
const STEP = 0.02;
const EDGES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const WHOLE = [0, 0, 1, 1];

const within = (value, low, high) => Math.min(high, Math.max(low, value));

/** The box moved by a share of the sides, inside of the picture. */
export function moved([left, top, right, bottom], dx, dy) {
  const x = within(dx, -left, 1 - right);
  const y = within(dy, -top, 1 - bottom);
  return [left + x, top + y, right + x, bottom + y];
}

/** The box with the edges that `which` names ("nw", "e", …) moved. */
export function resized([left, top, right, bottom], which, dx, dy) {
  return [
    which.includes("w") ? within(left + dx, 0, right - LEAST) : left,
    which.includes("n") ? within(top + dy, 0, bottom - LEAST) : top,
    which.includes("e") ? within(right + dx, left + LEAST, 1) : right,
    which.includes("s") ? within(bottom + dy, top + LEAST, 1) : bottom,
  ];
}

/** The box between two points. */
export function spanned([x1, y1], [x2, y2]) {
  const [left, top] = [within(Math.min(x1, x2), 0, 1 - LEAST), within(Math.min(y1, y2), 0, 1 - LEAST)];
  return [left, top, within(Math.max(x1, x2), left + LEAST, 1), within(Math.max(y1, y2), top + LEAST, 1)];
}

export const isWhole = (box) => !box || box.every((edge, at) => Math.abs(edge - WHOLE[at]) < 0.004);

/** The picture with its box. `onchange(box, done)` is told a box, or null for all of the picture. */
export function crop(img, start, onchange) {
  let box = start ?? WHOLE;
  const frame = h("div", { class: "crop-box", tabIndex: 0, role: "application", "aria-roledescription": "crop box" },
    EDGES.map((which) => h("span", { class: `crop-edge ${which}`, dataset: { edge: which } })));
  const area = h("div", { class: "crop" }, img, frame);

  function draw() {
    const [left, top, right, bottom] = box.map((edge) => edge * 100);
    const at = { left, top, width: right - left, height: bottom - top };
    for (const [name, share] of Object.entries(at)) frame.style.setProperty(name, `${share}%`);
    area.classList.toggle("whole", isWhole(box));
    const [l, t, r, b] = [left, top, right, bottom].map(Math.round);
    frame.setAttribute("aria-label", `Part that counts: ${l} to ${r} percent across, ${t} to ${b} percent down. `
      + "Arrow keys move it, with shift they resize it, Escape takes all of the picture.");
  }

  function put(next, done) {
    box = next ?? WHOLE;
    draw();
    onchange(isWhole(box) ? null : box, done);
  }

  const point = (event) => {
    const size = area.getBoundingClientRect();
    return [(event.clientX - size.left) / size.width, (event.clientY - size.top) / size.height];
  };

  area.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (event.target.closest("button")) return onceMoved(area, event, () => begin(event, frame)); // else it is pressed
    event.preventDefault();
    begin(event, event.target);
  });

  function begin(event, target) {
    frame.focus({ preventScroll: true });
    area.setPointerCapture(event.pointerId);
    const drag = dragOf(target, point(event), box, frame);
    const move = (next) => put(drag(point(next)), false);
    const end = () => {
      area.removeEventListener("pointermove", move);
      onchange(isWhole(box) ? null : box, true);
    };
    area.addEventListener("pointermove", move);
    area.addEventListener("lostpointercapture", end, { once: true });
  }

  frame.addEventListener("keydown", (event) => {
    const next = keyed(event, box);
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    put(next, true);
  });

  draw();
  return { area, put: (next) => { box = next ?? WHOLE; draw(); } };
}

/** Runs when the pointer that went down has moved far enough to mean a drag, unless it goes up before. */
function onceMoved(area, { clientX, clientY }, run) {
  const watch = new AbortController();
  const move = (event) => {
    if (Math.hypot(event.clientX - clientX, event.clientY - clientY) < 8) return;
    watch.abort();
    run();
  };
  area.addEventListener("pointermove", move, watch);
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => watch.abort(), watch);
}

/** What a drag does to the box, by where it began: at an edge, in the box, or beside it for a new one. */
function dragOf(target, from, box, frame) {
  const which = target.dataset?.edge;
  if (which) return ([x, y]) => resized(box, which, x - from[0], y - from[1]);
  if (target === frame && !isWhole(box)) return ([x, y]) => moved(box, x - from[0], y - from[1]);
  return (to) => (Math.hypot(to[0] - from[0], to[1] - from[1]) < 0.03 ? box : spanned(from, to));
}

/** The box after a key; undefined for keys that mean nothing here, null for all of the picture. */
function keyed({ key, shiftKey }, box) {
  if (key === "Escape") return isWhole(box) ? undefined : null;
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!way) return undefined;
  const [dx, dy] = way.map((step) => step * STEP);
  return shiftKey ? resized(box, "es", dx, dy) : moved(box, dx, dy);
}
