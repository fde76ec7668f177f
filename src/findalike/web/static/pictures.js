// Pictures and clips that are searched with: kept in the browser by a hash of their content, pictures made small.
import { mayBeFilm, posterOf } from "./clips.js";
import { toast } from "./toast.js";

const SIDE = 1024;
const KEPT = { pictures: 60, films: 3 };
const here = new Map(); // what IndexedDB holds, or would hold if it were allowed

/** Takes a file in, and gives the hash that stands for it in the address. */
export async function takeIn(file) {
  const film = mayBeFilm(file);
  const small = await (film ? posterOf(file) : shrunk(file));
  const blob = film ? file : small?.blob ?? file;
  const picture = { hash: await fingerprint(blob), blob, name: file.name || "picture", width: small?.width ?? null,
    height: small?.height ?? null, at: Date.now(), film, poster: film ? small?.blob ?? null : null };
  here.set(picture.hash, picture);
  await put(picture).catch(() => {});
  return picture.hash;
}

/** The picture of a hash, or undefined where this browser does not have it. */
export async function stored(hash) {
  if (!here.has(hash)) {
    const found = await fetchOne(hash).catch(() => undefined);
    if (found) here.set(hash, found);
  }
  return here.get(hash);
}

/** Whether what a hash stands for is known to be a clip. */
export const isClip = (hash) => Boolean(here.get(hash)?.film);

/** An address of a picture for an img, or null where the browser cannot show it; of a clip that of a picture in it. */
export async function pictureUrl(hash) {
  const picture = await stored(hash);
  if (!picture || !picture.width) return null;
  picture.url ??= URL.createObjectURL(picture.poster ?? picture.blob);
  return picture.url;
}

/** An address of a clip for a video. */
export async function clipUrl(hash) {
  const clip = await stored(hash);
  if (!clip) return null;
  clip.filmUrl ??= URL.createObjectURL(clip.blob);
  return clip.filmUrl;
}

/** The file as a JPEG of at most SIDE pixels, upright; null where the browser cannot read it (HEIC, TIFF). */
async function shrunk(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const draw = canvas.getContext("2d");
  draw.fillStyle = "white"; // what is transparent would turn black
  draw.fillRect(0, 0, canvas.width, canvas.height);
  draw.imageSmoothingQuality = "high";
  draw.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.92); });
  return blob && { blob, width: canvas.width, height: canvas.height };
}

/** 53 bits of the content (cyrb53). Not for secrecy: crypto.subtle is missing where the page comes without TLS. */
async function fingerprint(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 2654435761);
    b = Math.imul(b ^ byte, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return ((b & 0x1fffff) * 0x100000000 + (a >>> 0)).toString(36);
}

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("findalike", 2);
    request.onupgradeneeded = () => {
      const missing = Object.keys(KEPT).filter((name) => !request.result.objectStoreNames.contains(name));
      for (const name of missing) request.result.createObjectStore(name, { keyPath: "hash" }).createIndex("at", "at");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const held = async (name, mode) => (await database()).transaction(name, mode).objectStore(name);

async function fetchOne(hash) {
  const found = await done((await held("pictures")).get(hash)) ?? await done((await held("films")).get(hash));
  if (!found) return undefined;
  const { bytes, type, poster, ...rest } = found;
  return { ...rest, blob: new Blob([bytes], { type }), poster: poster && new Blob([poster], { type: "image/jpeg" }) };
}

async function put({ blob, url, poster, ...rest }) {
  const kept = { ...rest, bytes: await blob.arrayBuffer(), type: blob.type, poster: await poster?.arrayBuffer() }; // not every browser keeps blobs
  const name = rest.film ? "films" : "pictures";
  const several = await held(name, "readwrite");
  await done(several.put(kept));
  const keys = await done(several.index("at").getAllKeys());
  keys.slice(0, Math.max(0, keys.length - KEPT[name])).forEach((key) => several.delete(key));
}

const READABLE = /\.(heic|heif|avif|tiff?|jpe?g|png|webp|gif|bmp)$/i;

/** The files that may be pictures or films; tells where none is one. */
export function picturesAmong(files) {
  const right = [...files].filter((file) => file.type.startsWith("image/") || READABLE.test(file.name) || mayBeFilm(file));
  if (files.length && !right.length) toast(`“${files[0].name}” is not a picture or a film.`);
  return right;
}
