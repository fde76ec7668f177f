// The library: which folders it takes, and how indexing goes.
import { get, pause, send } from "./api.js";
import { $, button, count, fill, h, say, throttled } from "./dom.js";
import { copyText } from "./export.js";
import { showFailures } from "./failures.js";
import { icon } from "./icons.js";
import { library, loadLibrary, watchLibrary } from "./library.js";
import { clock } from "./moments.js";
import { refresh, results } from "./search.js";
import { change, leave, ranks, state, watch } from "./state.js";
import { failed, toast } from "./toast.js";
import { teachingPart } from "./teaching.js";
import { uploadPart } from "./upload.js";

const dialog = $("#index");
const content = h("div");
const jobs = new Map(); // the newest of each folder
const followed = new Map(); // ids of jobs that are being followed, to their EventSource
const RUNS = new Set(["queued", "running"]);

// Opening and closing

async function follow(changed) {
  if (!changed.has("view")) return;
  if (state.view !== "index") return dialog.close();
  render();
  dialog.showModal();
  try {
    await loadLibrary();
    if (library.can.index) await learnJobs();
    if (library.failures) await showFailures($(".failures", dialog));
  } catch (error) {
    failed(error);
  }
}

async function learnJobs() {
  const { jobs: told } = await get("/v1/jobs");
  const indexing = told.filter(({ kind }) => kind === "index");
  for (const job of indexing.toReversed()) jobs.set(job.folder, job);
  indexing.filter((job) => RUNS.has(job.state)).forEach(watchJob);
  renderFolders();
}

// What is shown

function render() {
  content.replaceChildren(
    h("header", { class: "sheet-head" }, h("h2", { id: "index-title" }, "Library"), button("close", "Close", () => leave({ view: "" }), { class: "quiet" })),
    h("p", { class: "library-facts" }), h("div", { class: "folders" }), h("div", { class: "upload" }, uploadPart()), h("div", { class: "teaching" }), h("div", { class: "failures" }));
  renderFacts();
  renderFolders();
}

function renderFacts() {
  fill($(".teaching", dialog) ?? h("div"), teachingPart());
  $(".library-facts", dialog)?.replaceChildren(h("strong", {}, count(library.pictures, "picture")), " in ", h("code", {}, library.path || library.name),
    ...(library.version ? [h("span", { class: "tip" }, ` findalike ${library.version}`)] : []));
}

function renderFolders() {
  const place = $(".folders", dialog);
  if (!place) return;
  const held = place.contains(document.activeElement) ? document.activeElement.closest("[data-folder]")?.dataset.folder : null;
  if (!library.can.index || !library.folders.length) place.replaceChildren(...howTo());
  else place.replaceChildren(h("h3", {}, "Folders"), h("ul", { class: "folder-list" }, library.folders.map(folderItem)));
  if (held) place.querySelector(`[data-folder="${CSS.escape(held)}"] button`)?.focus();
}

function howTo() {
  const command = (text) => h("div", { class: "command" }, h("code", {}, text), button("copy", `Copy ${text}`, () => copyText(text), { class: "quiet" }));
  return [h("h3", {}, "Add pictures"), h("p", {}, "No folder may be indexed from this page. Either index one on the command line:"),
    command("findalike index ~/Pictures"), h("p", {}, "or let this page do it, by starting the server with:"), command("findalike serve --allow ~/Pictures")];
}

function folderItem({ id, path }) {
  const job = jobs.get(id);
  const runs = job && RUNS.has(job.state);
  return h("li", { dataset: { folder: id } },
    h("div", { class: "row" }, icon("folder"), h("span", { class: "name path", title: path }, path),
      runs ? button(null, "Cancel", () => cancel(job), { seen: true })
        : button(null, job ? "Index again" : "Index", () => start(id), { seen: true, class: job ? "" : "main" })),
    job && progress(job));
}

function progress(job) {
  if (!RUNS.has(job.state)) return h("div", { class: "job" }, outcome(job));
  const named = { queued: "Waiting", listing: "Looking for pictures", encoding: "Looking at pictures", measuring: "Measuring pictures", sweeping: "Tidying up" };
  const text = named[job.state === "queued" ? "queued" : job.phase] ?? "Working";
  const known = job.total > 0;
  const bar = h("progress", { "aria-label": `Indexing ${job.path}`, ...(known && { max: job.total, value: job.done }) });
  const numbers = known ? `${job.done.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "";
  return h("div", { class: "job" }, bar, h("p", { class: "tip" }, [text, numbers, filmText(job.film), job.failed && `${count(job.failed, "file")} failed`].filter(Boolean).join(" · ")));
}

/** How far the film is that is being looked into. */
const filmText = (film) => film && `${film.path.split("/").at(-1)} ${clock(film.seconds)}${film.of ? ` of ${clock(film.of)}` : ""}`;

function outcome(job) {
  if (job.state === "failed") return h("p", { class: "wrong" }, job.error ?? "It failed.");
  const { report } = job;
  const said = report ? ["added", "updated", "moved", "removed", "unchanged", "skipped"].filter((name) => report[name])
    .map((name) => `${report[name].toLocaleString("en")} ${name}`) : [];
  const time = report ? ` in ${report.seconds < 10 ? report.seconds.toFixed(1) : Math.round(report.seconds)} s` : "";
  const wrong = job.failed ? `; ${job.failed.toLocaleString("en")} failed` : "";
  const begin = job.state === "cancelled" ? "Cancelled; what was done is kept. " : "Done: ";
  return h("p", {}, begin, said.length ? said.join(", ") + time : "nothing new", wrong);
}

// Running

async function start(folder) {
  try {
    watchJob(await send("POST", "/v1/jobs", { folder }, { again: false }));
  } catch (error) {
    failed(error);
  }
}

const cancel = (job) => send("DELETE", `/v1/jobs/${job.id}`).then(told, (error) => (error.status === 404 ? lost(job.id) : failed(error)));

/** Follows a job by events, or by asking where those do not come through. */
function watchJob(job) {
  told(job);
  if (followed.has(job.id) || !RUNS.has(job.state)) return;
  const events = new EventSource(`/v1/jobs/${job.id}/events`);
  followed.set(job.id, events);
  events.addEventListener("job", (event) => told(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    events.close();
    if (RUNS.has(jobs.get(job.folder)?.state)) poll(job.id);
  });
}

async function poll(id) {
  for (;;) {
    await pause(1000);
    const job = await get(`/v1/jobs/${id}`).catch((error) => (error.status === 404 ? lost(id) : failed(error)));
    if (!job) return;
    told(job);
    if (!RUNS.has(job.state)) return;
  }
}

/** A job that the server knows no more, because it was started anew. */
function lost(id) {
  for (const [folder, job] of jobs) if (job.id === id) jobs.delete(folder);
  followed.get(id)?.close();
  followed.delete(id);
  toast("The server was started anew, and indexing stopped. What was done is kept: index again to go on.");
  renderFolders();
  showRunning();
  loadLibrary().catch(() => {});
}

function told(job) {
  const before = jobs.get(job.folder);
  jobs.set(job.folder, job);
  if (dialog.open) renderFolders();
  showRunning();
  if (RUNS.has(job.state)) return job.done ? peek() : undefined;
  const source = followed.get(job.id);
  source?.close();
  followed.delete(job.id);
  if (before && before.id === job.id && RUNS.has(before.state)) ended(job);
}

/** Shows the first pictures of an empty library while it is still being indexed. */
const peek = throttled(3000, async () => {
  if (results.hits.length || ranks()) return;
  await loadLibrary().catch(() => {});
  if (library.pictures) refresh({ again: true });
});

/** Tells on the button that opens this dialog how far indexing is. */
function showRunning() {
  const job = [...jobs.values()].find(({ state: now }) => RUNS.has(now));
  const share = job?.total ? ` ${Math.floor((100 * job.done) / job.total)} %` : "…";
  $("#index-open .wide").textContent = job ? `Indexing${share}` : "Library";
}

async function ended(job) {
  say(job.state === "done" ? "Indexing is done" : `Indexing ${job.state}`);
  if (!dialog.open) toast(`Indexing ${job.path} is ${job.state}`, { label: "Show", run: () => change({ view: "index" }) });
  await loadLibrary().catch(() => {});
  if (scrollY < innerHeight) refresh({ again: true }); // else it would move what is being looked at
  if (dialog.open) showFailures($(".failures", dialog)).catch(() => {});
}

export function startJobs() {
  dialog.append(content);
  $("#index-open").addEventListener("click", () => change({ view: "index" }));
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave({ view: "" });
  });
  dialog.addEventListener("close", () => { if (state.view) leave({ view: "" }); });
  watch(follow);
  let learned = false;
  watchLibrary(() => {
    if (library.can.index && !learned) learnJobs().catch(() => {});
    learned = true;
  });
  watchLibrary(() => { if (dialog.open) { renderFacts(); renderFolders(); if (!$(".upload", dialog).childElementCount) fill($(".upload", dialog), uploadPart()); } });
  addEventListener("hashchange", () => { if (location.hash === "#index" && state.view !== "index") change({ view: "index" }, "replace"); });
  if (state.view) follow(new Set(["view"]));
}
