// One file on its way: announced, sent, watched until something has come of it, deleted.
import { problem } from "./dom.js";

const RETRY_MS = 1000;

/** What the server says of a file, kept up to date. `onchange(state)` gets the server's document of it, `onsent(bytes)`
 *  how much has been sent, `onend(reason)` one line when it is no more. */
export class FileJob {
  #socket = null;
  #request = null;
  #over = false;

  constructor({ onchange, onsent = () => {}, onend }) {
    Object.assign(this, { id: null, onchange, onsent, onend });
  }

  /** Announce and send a file; `options` as the server's choices name them. */
  async start(file, options) {
    const body = JSON.stringify({ name: file.name, size: file.size, options });
    const response = await fetch("/files", { method: "POST", body }).catch(() => null);
    if (!response?.ok) return this.#end(response ? await problem(response) : "the server is gone: start fer-live again");
    const state = await response.json();
    if (this.#over) return void fetch(`/files/${state.id}`, { method: "DELETE" });
    this.id = state.id;
    this.onchange(state);
    this.#watch();
    this.#send(file);
  }

  /** Take up again a file that was sent before the page was loaded anew; whether it is still there. */
  async resume(id) {
    const response = await fetch(`/files/${id}`).catch(() => null);
    if (!response?.ok) return false;
    this.id = id;
    this.onchange(await response.json());
    this.#watch();
    return true;
  }

  /** End it and have all of it deleted. */
  close() {
    if (this.#over) return;
    this.#over = true;
    this.#request?.abort();
    this.#socket?.close();
    if (this.id) fetch(`/files/${this.id}`, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  #send(file) {
    // fetch tells nothing of how much was sent.
    const request = (this.#request = new XMLHttpRequest());
    request.open("PUT", `/files/${this.id}`);
    request.upload.addEventListener("progress", (event) => this.onsent(event.loaded));
    request.addEventListener("load", () => {
      if (request.status >= 400) this.#end(reasonIn(request));
    });
    request.addEventListener("error", () => this.#end("sending it was interrupted; choose it again"));
    request.send(file);
  }

  #watch() {
    const address = new URL(`/files/${this.id}/watch`, location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(address));
    socket.addEventListener("message", (event) => {
      if (!this.#over) this.onchange(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => {
      if (!this.#over) setTimeout(() => this.#watchAgain(), RETRY_MS);
    });
  }

  async #watchAgain() {
    if (this.#over) return;
    const response = await fetch(`/files/${this.id}`).catch(() => null);
    if (this.#over) return;
    if (response?.ok) this.#watch();
    else this.#end(response ? await problem(response) : "the server is gone, and all of the file with it");
  }

  #end(reason) {
    if (this.#over) return;
    this.close();
    this.onend(reason);
  }
}

function reasonIn(request) {
  try {
    return JSON.parse(request.responseText).error;
  } catch {
    return `the server answered ${request.status}`;
  }
}
