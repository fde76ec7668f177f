// The review of an attribute as the server tells it: pictures to check, answers, and how far it is.
import { get, pause, send } from "./api.js";
import { channel } from "./dom.js";

const changes = channel();
export const watchReview = (listener) => changes.on(listener);

const NOTHING = { column: null, cases: [], standing: null, values: [], notice: "", busy: false, learning: null };
export let review = { ...NOTHING, attributes: [] };

const AHEAD = 2; // pictures, of which the second is loaded while the first is looked at
const TRIES = 5; // of what is refused because others are writing
const steps = []; // what was done here, to go back by

function become(patch) {
  review = { ...review, ...patch };
  changes.tell();
}

const session = (() => {
  const made = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  try {
    const kept = sessionStorage.getItem("review") ?? made;
    sessionStorage.setItem("review", kept);
    return kept;
  } catch {
    return made;
  }
})();

/** Tells the server; where others are writing to the library, which refuses it whole, a few times more. */
async function say(path, more = {}) {
  const told = { column: review.column, session, count: AHEAD, ...more };
  for (let tries = 1; ; tries++) {
    try {
      return await send("POST", `/v1/review/${path}`, told, { again: false });
    } catch (error) {
      const locked = error.code === "library-locked" && tries < TRIES;
      become({ notice: locked ? "Someone else is writing to the library just now: trying again…" : "" });
      if (!locked) throw error;
      await pause(1000);
    }
  }
}

/** Learns which attributes there are, and goes on with the one that was reviewed last. */
export async function begin(signal) {
  const { attributes } = await get("/v1/attributes", signal);
  become({ attributes });
  const known = attributes.map(({ column }) => column);
  await choose(known.includes(review.column) ? review.column : known[0] ?? null);
}

export async function choose(column) {
  if (column !== review.column) steps.length = 0;
  become({ ...NOTHING, column });
  if (!column) return;
  const facets = get(`/v1/facets?${new URLSearchParams({ column, most: 200 })}`).then(({ values }) => values.map(({ value }) => value), () => []);
  await busy(async () => become({ ...await next(), values: await facets }));
}

const next = async (more) => dealt(await say("next", more));
const dealt = ({ cases, standing }) => ({ cases, standing, notice: "" });

/** Does one thing at a time: what is pressed meanwhile is not meant for what comes after it. */
async function busy(work) {
  if (review.busy) return;
  become({ busy: true });
  try {
    await work();
  } catch (error) {
    if (error.code !== "conflict" || !error.more.now) throw error;
    await changed(error);
  } finally {
    become({ busy: false });
  }
}

/** Someone else was faster: what they made of it is said, and the next picture comes. */
async function changed({ message, more: { now } }) {
  const text = `${now.asset.name}: ${message} Your answer was not taken.`;
  become({ ...await next(), notice: text });
}

export const answer = (value) => busy(async () => {
  const [first] = review.cases;
  if (!first) return;
  const told = await say("answers", { asset: first.asset.id, revision: first.revision, value });
  steps.push({ answer: told.answer });
  become({ ...dealt(told), values: [...new Set([...review.values, told.answer.value])] });
});

export const skip = () => busy(async () => {
  const [first] = review.cases;
  if (!first) return;
  const told = await next({ skip: first.asset.id });
  steps.push({ skipped: first });
  become(told);
});

/** Takes back the last step: of an answer the value that was there before, of a skipped picture that it is gone. */
export const undo = () => busy(async () => {
  const last = steps.pop();
  if (last?.skipped) return become({ cases: [last.skipped, ...review.cases], notice: "" });
  const told = await say("undo");
  become({ ...dealt(told), notice: `Taken back: ${told.answer.value}` });
});

export const showSkipped = () => busy(async () => become(await next({ again: true })));

/** Learns anew from all that people said, predicts the others by it, and goes on. */
export async function learnAnew() {
  const { column } = review;
  let job = await send("POST", "/v1/review/learn", { column }, { again: false });
  while (["queued", "running"].includes(job.state)) {
    become({ learning: job });
    await pause(400);
    job = await get(`/v1/jobs/${job.id}`);
  }
  become({ learning: null });
  if (column === review.column) await busy(async () => become(await next()));
  return job;
}
