// The persons of the library: who they are, in how many pictures, and what one may say of them.
import { call, get, send } from "./api.js";
import { channel } from "./dom.js";

const changes = channel();

/** All persons, as the server told last; those with names first. */
export let people = [];

export const watchPeople = (listener) => changes.on(listener);

export async function loadPeople(signal) {
  const told = await get("/v1/people", signal);
  people = told.people;
  changes.tell();
  return told;
}

export const callOf = ({ name, number }) => name ?? (number ? `Person ${number}` : "Who?");

export const knownNames = () => people.map(({ name }) => name).filter(Boolean);

/** Says something of the persons, and learns how they are then. */
async function say(method, path, json) {
  const answer = await send(method, path, json, { again: false });
  await loadPeople().catch(() => {});
  return answer;
}

const facePath = (id, key) => `/v1/assets/${encodeURIComponent(id)}/faces/${key}`;

export const facesOf = async (id, signal) => (await get(`/v1/assets/${encodeURIComponent(id)}/faces`, signal)).faces;
/** The faces of a picture that is not of the library; the server keeps nothing of it. */
export async function facesFound(blob) {
  const body = new FormData();
  body.append("file", blob, "picture");
  return (await (await call("/v1/faces", { method: "POST", body })).json()).faces;
}

export const nameFace = (id, key, name) => say("POST", facePath(id, key), { name });
export const notPerson = (id, key, number) => say("POST", facePath(id, key), { not_person: number });
export const rename = (number, name) => say("PATCH", `/v1/people/${number}`, { name });
export const merge = (number, others) => say("POST", `/v1/people/${number}/merge`, { others });
export const undo = () => say("POST", "/v1/people/undo", {});
export const forget = (number, confirm) => say("DELETE", `/v1/people/${number}?confirm=${encodeURIComponent(confirm)}`);
