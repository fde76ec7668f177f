// Pictures and films that are sent to the library.
import { call } from "./api.js";
import { button, count, h } from "./dom.js";
import { library, loadLibrary } from "./library.js";
import { picturesAmong } from "./pictures.js";
import { refresh } from "./search.js";
import { failed } from "./toast.js";

const AT_ONCE = 20; // files of one request

/** What pictures are chosen with, or nothing where the library takes none. */
export function uploadPart() {
  if (!library.can.upload) return [];
  const state = h("span", { class: "upload-state tip", role: "status" });
  const tell = (text) => { state.textContent = text; };
  const field = h("input", { type: "file", multiple: true, hidden: true, accept: "image/*,video/*,.heic,.heif,.avif,.tif,.tiff", "aria-label": "Pictures to add", tabIndex: -1 });
  field.addEventListener("change", () => {
    const chosen = [...field.files];
    const files = picturesAmong(chosen);
    const left = chosen.filter((file) => !files.includes(file)).map(({ name }) => `${name}: is no picture or film`);
    const most = library.limits.body * 0.9;
    const large = files.filter(({ size }) => size > most).map(({ name }) => `${name}: is larger than ${Math.floor(most / 1e6) || 1} MB`);
    field.value = "";
    upload(files.filter(({ size }) => size <= most), [...left, ...large], tell);
  });
  return [h("h3", {}, "Upload pictures"), field,
    h("div", { class: "row" }, button("picture", "Choose pictures", () => field.click(), { seen: true }), state)];
}

/** Uploads files; `wrong` says of others why they are not. */
async function upload(files, wrong, tell) {
  let [done, failures] = [0, 0];
  try {
    for (const batch of batches(files, library.limits.body * 0.9)) {
      tell(`${done.toLocaleString("en")} of ${files.length.toLocaleString("en")}`);
      const refused = await sent(batch);
      wrong.push(...refused.map(({ name, error }) => `${name}: ${error}`));
      failures += refused.length;
      done += batch.length;
    }
    tell([`${count(done - failures, "picture")} added`, ...wrong].join(". "));
    await loadLibrary();
    refresh({ again: true });
  } catch (error) {
    tell("");
    failed(error);
  }
}

/** Sends files, and gives those that failed. */
async function sent(files) {
  const body = new FormData();
  files.forEach((file) => body.append("files", file, file.name));
  const response = await call("/v1/assets", { method: "POST", body, again: false });
  return (await response.json()).failures;
}

/** Files in groups that one request can carry. */
function* batches(files, room) {
  let batch = [];
  let size = 0;
  for (const file of files) {
    if (batch.length && (size + file.size > room || batch.length >= AT_ONCE)) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(file);
    size += file.size;
  }
  if (batch.length) yield batch;
}
