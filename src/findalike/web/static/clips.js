// Films in the browser: which files are some, and a picture that stands for one.

const NAMES = /\.(mp4|m4v|mov|qt|mkv|webm|avi|mpe?g|wmv|asf|flv|3gp|3g2|ogv)$/i;
const PATIENCE = 4000; // ms for what a browser reads at all
const SIDE = 640;

export const mayBeFilm = ({ type, name }) => type.startsWith("video/") || NAMES.test(name);

/** A picture out of a film as {blob, width, height}; null where the browser cannot play it. */
export async function posterOf(file) {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  try {
    video.muted = true;
    video.preload = "auto";
    video.src = url;
    await heard(video, "loadeddata");
    video.currentTime = Math.min(1, (Number.isFinite(video.duration) ? video.duration : 0) / 2);
    await heard(video, "seeked");
    return video.videoWidth ? await drawn(video) : null;
  } catch {
    return null;
  } finally {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  }
}

function heard(video, event) {
  return new Promise((resolve, reject) => {
    video.addEventListener(event, resolve, { once: true });
    video.addEventListener("error", reject, { once: true });
    setTimeout(reject, PATIENCE);
  });
}

async function drawn(video) {
  const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(video.videoWidth * scale));
  canvas.height = Math.max(1, Math.round(video.videoHeight * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.85); });
  return blob && { blob, width: canvas.width, height: canvas.height };
}
