// Questions that must be answered first: a token where the server wants one, and "are you sure".
import { Problem, onUnauthorized } from "./api.js";
import { $, h } from "./dom.js";

/** Asks whether to go on. Resolves to true or false. */
export function ask(title, text, yes) {
  const dialog = $("#ask");
  dialog.replaceChildren(h("form", { method: "dialog" }, h("h2", { id: "ask-title" }, title), h("p", {}, text),
    h("div", { class: "actions right" }, h("button", { value: "no", autofocus: true }, "Cancel"), h("button", { value: "yes", class: "main" }, yes))));
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

let asking = null;

/** Asks for the token until the server takes one. All calls that wait share one question. */
function signIn() {
  asking ??= new Promise((resolve) => {
    const dialog = $("#session");
    const wrong = h("p", { class: "wrong", role: "alert" });
    const field = h("input", { type: "password", "aria-label": "Token", autocomplete: "current-password", required: true, autofocus: true });
    const again = () => dialog.showModal(); // browsers close a dialog on a second Escape, whatever the page says
    const enter = async (event) => {
      event.preventDefault();
      try {
        await start(field.value.trim());
        dialog.removeEventListener("close", again);
        dialog.close();
        asking = null;
        resolve();
      } catch (error) {
        wrong.textContent = error.message;
        field.select();
      }
    };
    dialog.replaceChildren(h("form", { onsubmit: enter }, h("h2", { id: "session-title" }, "A token, please"),
      h("p", {}, "This library is not open to all. The token is what its operator started the server with."),
      field, wrong, h("div", { class: "actions right" }, h("button", { type: "submit", class: "main" }, "Open"))));
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", again);
    dialog.showModal();
  });
  return asking;
}

async function start(token) {
  const response = await fetch("/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) })
    .catch(() => { throw new Problem(0, { detail: "The server does not answer." }); });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
}

export const startSession = () => onUnauthorized(signIn);
