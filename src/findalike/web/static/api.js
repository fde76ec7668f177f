// Calls of the server: problems as errors with a sentence, waiting where it is busy, coming back where it was gone.
import { channel } from "./dom.js";

/** A text of one line as a sentence. */
export const sentence = (text) => {
  if (text.includes("\n")) return text;
  const plain = text.replace(/^terms\[\d+\]: /, ""); // the place in the request
  const begun = plain.charAt(0).toUpperCase() + plain.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
};

/** What the server says is wrong, with a sentence to show as its message. */
export class Problem extends Error {
  constructor(status, { code = "", title = "", detail = "", ...more } = {}) {
    super(sentence(detail || title || `The server answered with status ${status}`));
    this.status = status;
    this.code = code;
    this.more = more; // what else the problem tells
  }
}

/** Tells `true` when the server is there again, `false` when it is gone. */
export const presence = channel();

let signIn = () => Promise.reject(new Problem(401, { detail: "This server wants a token." }));

/** Sets what asks for a token; it resolves when there is a session. */
export const onUnauthorized = (ask) => { signIn = ask; };

const PATIENCE = 6; // how often a busy server is asked again
const NEVER = new AbortController().signal;

/** The response to a request. `again: false` is for what must not be sent twice. */
export async function call(path, { method = "GET", json, body, signal = NEVER, again = true } = {}) {
  const request = { method, body, signal, headers: { Accept: "application/json" } };
  if (json !== undefined) {
    request.body = JSON.stringify(json);
    request.headers["Content-Type"] = "application/json";
  }
  for (let tries = 1; ; tries++) {
    const response = await reach(path, request, again);
    if (response.ok) return response;
    if (response.status === 401) await signIn();
    else if ([429, 503].includes(response.status) && tries < PATIENCE) await rest(response, tries, signal);
    else throw await problem(response);
  }
}

export const get = async (path, signal) => (await call(path, { signal })).json();

export const send = async (method, path, json, more = {}) => {
  const response = await call(path, { method, json, ...more });
  return response.status === 204 ? null : response.json();
};

async function reach(path, request, again) {
  for (;;) {
    try {
      return await fetch(path, request);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      const wait = returned();
      if (!again) throw new Problem(0, { detail: "The server does not answer." });
      await until(wait, request.signal);
    }
  }
}

function rest(response, tries, signal) {
  const asked = Number(response.headers.get("Retry-After")) || tries * 0.5;
  return until(pause(Math.min(asked, 10) * 1000), signal);
}

async function problem(response) {
  const told = await response.json().catch(() => ({}));
  return new Problem(response.status, told);
}

let waiting = null;

/** Resolves when the server answers again; all that wait ask together. */
function returned() {
  waiting ??= (async () => {
    presence.tell(false);
    for (let wait = 500; ; wait = Math.min(wait * 1.5, 5000)) {
      await pause(wait);
      if (await fetch("/healthz").then((answer) => answer.ok, () => false)) break;
    }
    waiting = null;
    presence.tell(true);
  })();
  return waiting;
}

export const pause = (wait) => new Promise((resolve) => { setTimeout(resolve, wait); });

function until(promise, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(new DOMException("stopped", "AbortError"));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject);
  });
}

/** The answer to a query; `files` are the pictures that its terms name by `upload`. */
export async function search(query, files, signal) {
  if (!files.size) return (await call("/v1/search", { method: "POST", json: query, signal })).json();
  const body = new FormData();
  body.append("query", JSON.stringify(query));
  for (const [name, file] of files) body.append(name, file, file.name || `${name}.jpg`);
  return (await call("/v1/search", { method: "POST", body, signal })).json();
}

/** The address of a thumbnail whose longer side is `size`; the plain one where no size is given. */
export function thumbnail(asset, size) {
  const plain = asset.links?.thumbnail ?? `/v1/assets/${encodeURIComponent(asset.id)}/thumbnail`;
  return size ? `${plain}${plain.includes("?") ? "&" : "?"}size=${size}` : plain;
}

export const assetPath = (id, rest = "") => `/v1/assets/${encodeURIComponent(id)}${rest}`;

/** Assets seen so far, by id, so that a name is known without asking. */
export const seen = new Map();

export async function asset(id, signal) {
  const found = await get(assetPath(id), signal);
  seen.set(id, { ...seen.get(id), ...found });
  return found;
}

/** Calls back with the name of a picture: at once where it is known, and not at all where there is no such picture. */
export function named(id, then) {
  const name = seen.get(id)?.name;
  if (name) then(name);
  else asset(id).then((found) => then(found.name), () => {});
}
