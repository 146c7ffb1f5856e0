// The browser's own camera: one JPEG picture for each time that the server asks.

const MOST_SIDE = 960;
const QUALITY = 0.82;
const FRAME_MS = 33; // between pictures, in browsers that do not tell when there is a new one

/** Why this browser gives no camera to this page, or null. */
export function whyNoCamera() {
  if (navigator.mediaDevices?.getUserMedia) return null;
  return window.isSecureContext
    ? "This browser has no cameras for pages."
    : "Browsers give their camera only to https pages and to this computer's own address: open the page at http://127.0.0.1.";
}

export class BrowserCamera {
  #stream = null;
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  #asked = false; // the server wants a picture
  #isNew = false; // there is one that it has not had
  #isEncoding = false;

  /** send(blob): a picture to the server. lost(): the camera was taken away. */
  constructor(send, lost) {
    this.send = send;
    this.lost = lost;
    this.#video.muted = true;
    this.#video.playsInline = true;
  }

  get isOn() {
    return this.#stream !== null;
  }

  /** Ask the user for the camera; throws an Error with a line for them. */
  async start() {
    const no = whyNoCamera();
    if (no) throw new Error(no);
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } },
      });
    } catch (error) {
      throw new Error({
        NotAllowedError: "The browser did not allow the camera: allow it beside the address, then try again.",
        NotFoundError: "This browser finds no camera.",
        NotReadableError: "Another program uses the camera.",
      }[error.name] ?? `The camera did not open: ${error.message}`);
    }
    this.#stream.getVideoTracks()[0].addEventListener("ended", () => { this.stop(); this.lost(); });
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#listen();
  }

  stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#video.srcObject = null;
    this.#asked = this.#isNew = false;
  }

  /** The server wants the next picture. */
  next() {
    this.#asked = true;
    this.#take();
  }

  #listen() {
    const stream = this.#stream;
    const came = () => {
      if (!stream || stream !== this.#stream) return;
      this.#isNew = true;
      this.#take();
      wait();
    };
    const wait = () => {
      if (this.#video.requestVideoFrameCallback) this.#video.requestVideoFrameCallback(came);
      else setTimeout(came, FRAME_MS);
    };
    wait();
  }

  #take() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!this.#stream || !this.#asked || !this.#isNew || this.#isEncoding || !width) return;
    this.#asked = this.#isNew = false;
    this.#isEncoding = true;
    const scale = Math.min(1, MOST_SIDE / Math.max(width, height));
    const canvas = this.#canvas;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d", { alpha: false });
    // As in a mirror, which is how people know themselves.
    context.setTransform(-1, 0, 0, 1, canvas.width, 0);
    context.drawImage(this.#video, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => {
      this.#isEncoding = false;
      if (blob && this.#stream) this.send(blob);
    }, "image/jpeg", QUALITY);
  }
}
