// The WebSocket of the tab "Live": comes back by itself, and knows how a picture message is made.

const FIRST_MS = 400;
const MOST_MS = 5000;
const TRY_LATER = 1013; // the server's close code where too many look

export class Link {
  #socket = null;
  #wanted = false;
  #wait = FIRST_MS;
  #timer = 0;
  #on;

  /** on: { open(), lost(why), message(kind, document), picture(document, jpegBlob) } */
  constructor(on) {
    this.#on = on;
  }

  open() {
    this.#wanted = true;
    if (!this.#socket) this.#connect();
  }

  close() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
  }

  /** Ask for something; quietly nothing where there is no connection. */
  ask(what, more = {}) {
    this.#send(JSON.stringify({ do: what, ...more }));
  }

  sendPicture(blob) {
    this.#send(blob);
  }

  #send(data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(data);
  }

  #connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live/watch`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      this.#wait = FIRST_MS;
      this.#on.open();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      if (typeof data === "string") {
        const { kind, ...document } = JSON.parse(data);
        this.#on.message(kind, document);
      } else {
        const length = new DataView(data).getUint32(0);
        const document = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
        this.#on.picture(document, new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
      }
    };
    socket.onclose = async ({ code, reason }) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (!this.#wanted) return;
      this.#on.lost(code === TRY_LATER ? reason : await whyAway());
      if (!this.#wanted || this.#socket) return;
      this.#timer = setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(MOST_MS, 2 * this.#wait);
    };
  }
}

/** Why the server takes no WebSocket, as far as a page can find out. */
async function whyAway() {
  try {
    const { status } = await fetch("/", { method: "HEAD" });
    if (status === 401) return "The program was started anew: open the address that it printed.";
  } catch {
    // nobody there
  }
  return "The program does not answer; trying again …";
}
