// The library: which folders it takes, how indexing goes, and what could not be read.
import { call, get, pause, send } from "./api.js";
import { $, button, count, debounced, h, say } from "./dom.js";
import { copyText } from "./export.js";
import { icon } from "./icons.js";
import { library, loadLibrary, watchLibrary } from "./library.js";
import { picturesAmong } from "./pictures.js";
import { refresh } from "./search.js";
import { leave, change, state, watch } from "./state.js";
import { failed, toast } from "./toast.js";

const dialog = $("#index");
const content = h("div");
const jobs = new Map(); // the newest of each folder
const followed = new Map(); // ids of jobs that are being followed, to their EventSource or true
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
    if (library.failures) await showFailures();
  } catch (error) {
    failed(error);
  }
}

async function learnJobs() {
  const { jobs: told } = await get("/v1/jobs");
  for (const job of told.toReversed()) jobs.set(job.folder, job);
  told.filter((job) => RUNS.has(job.state)).forEach(watchJob);
  renderFolders();
}

// What is shown

function render() {
  content.replaceChildren(
    h("header", { class: "sheet-head" }, h("h2", { id: "index-title" }, "Library"), button("close", "Close", () => leave({ view: "" }), { class: "quiet" })),
    h("p", { class: "library-facts" }), h("div", { class: "folders" }), h("div", { class: "upload" }), h("div", { class: "failures" }));
  renderFacts();
  renderFolders();
  renderUpload();
}

function renderFacts() {
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
  const named = { queued: "Waiting", listing: "Looking for pictures", encoding: "Looking at pictures", sweeping: "Tidying up" };
  const text = named[job.state === "queued" ? "queued" : job.phase] ?? "Working";
  const known = job.total > 0;
  const bar = h("progress", { "aria-label": `Indexing ${job.path}`, ...(known && { max: job.total, value: job.done }) });
  const numbers = known ? `${job.done.toLocaleString("en")} of ${job.total.toLocaleString("en")}` : "";
  return h("div", { class: "job" }, bar, h("p", { class: "tip" }, [text, numbers, job.failed && `${count(job.failed, "file")} failed`].filter(Boolean).join(" · ")));
}

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

const cancel = (job) => send("DELETE", `/v1/jobs/${job.id}`).then(told, failed);

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
    const job = await get(`/v1/jobs/${id}`).catch(() => null);
    if (!job) return;
    told(job);
    if (!RUNS.has(job.state)) return;
  }
}

function told(job) {
  const before = jobs.get(job.folder);
  jobs.set(job.folder, job);
  if (dialog.open) renderFolders();
  if (RUNS.has(job.state)) return;
  const source = followed.get(job.id);
  source?.close?.();
  followed.delete(job.id);
  if (before && before.id === job.id && RUNS.has(before.state)) ended(job);
}

async function ended(job) {
  say(job.state === "done" ? "Indexing is done" : `Indexing ${job.state}`);
  if (!dialog.open) toast(`Indexing ${job.path} is ${job.state}`, { label: "Show", run: () => change({ view: "index" }) });
  await loadLibrary().catch(() => {});
  refresh({ again: true });
  if (dialog.open) showFailures().catch(() => {});
}

// What could not be read

let failures = { list: [], cursor: null };

async function showFailures(cursor = null) {
  const query = new URLSearchParams({ limit: 200, ...(cursor && { cursor }) });
  const answer = await get(`/v1/failures?${query}`);
  failures = { list: cursor ? failures.list.concat(answer.failures) : answer.failures, cursor: answer.cursor };
  renderFailures();
}

function renderFailures() {
  const place = $(".failures", dialog);
  if (!place) return;
  if (!failures.list.length) return place.replaceChildren();
  const list = h("ul", { class: "failure-list" });
  const fill = (text) => list.replaceChildren(...failures.list
    .filter(({ path, error }) => `${path} ${error}`.toLowerCase().includes(text))
    .map(({ path, stage, error }) => h("li", {}, h("span", { class: "path" }, path), h("span", { class: "tip" }, `${stage}: ${error}`))));
  const field = failures.list.length > 8 && h("input", { type: "search", placeholder: "Find a file or a reason", "aria-label": "Find among the failures",
    oninput: debounced(120, (event) => fill(event.target.value.toLowerCase())) });
  fill("");
  const many = Math.max(library.failures, failures.list.length);
  place.replaceChildren(h("details", { open: failures.list.length <= 8 }, h("summary", {}, `${count(many, "file")} could not be read`), field || "", list,
    failures.cursor ? button(null, "More", () => showFailures(failures.cursor).catch(failed), { seen: true }) : ""));
}

// Uploads

function renderUpload() {
  const place = $(".upload", dialog);
  if (!place) return;
  if (!library.can.upload) return place.replaceChildren();
  const field = h("input", { type: "file", multiple: true, hidden: true, accept: "image/*,.heic,.heif,.avif,.tif,.tiff", "aria-label": "Pictures to add", tabIndex: -1 });
  field.addEventListener("change", () => {
    upload(picturesAmong(field.files));
    field.value = "";
  });
  place.replaceChildren(h("h3", {}, "Upload pictures"), field, h("div", { class: "row" },
    button("picture", "Choose pictures", () => field.click(), { seen: true }), h("span", { class: "upload-state tip", role: "status" })));
}

async function upload(files) {
  const failedOnes = [];
  let done = 0;
  const tell = (text) => { const place = $(".upload-state", dialog); if (place) place.textContent = text; };
  try {
    for (const batch of batches(files, library.limits.body * 0.9)) {
      tell(`${done.toLocaleString("en")} of ${files.length.toLocaleString("en")}`);
      const body = new FormData();
      batch.forEach((file) => body.append("files", file, file.name));
      const answer = await (await call("/v1/assets", { method: "POST", body, again: false })).json();
      failedOnes.push(...answer.failures);
      done += batch.length;
    }
    tell(`${count(done - failedOnes.length, "picture")} added${failedOnes.length ? `. ${failedOnes.map(({ name, error }) => `${name}: ${error}`).join("; ")}` : ""}`);
    await loadLibrary();
    refresh({ again: true });
  } catch (error) {
    tell("");
    failed(error);
  }
}

/** Files in groups that one request can carry. */
function* batches(files, room) {
  let batch = [];
  let size = 0;
  for (const file of files) {
    if (batch.length && (size + file.size > room || batch.length >= 20)) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(file);
    size += file.size;
  }
  if (batch.length) yield batch;
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
  watchLibrary(() => { if (dialog.open) { renderFacts(); renderFolders(); if (!$(".upload", dialog)?.childElementCount) renderUpload(); } });
  addEventListener("hashchange", () => { if (location.hash === "#index" && state.view !== "index") change({ view: "index" }, "replace"); });
  if (state.view) follow(new Set(["view"]));
}
