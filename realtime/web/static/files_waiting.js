// How far a file is, while it is sent, waits and is worked on.
import { make } from "./dom.js";
import { bytes, count, many } from "./files_parts.js";

export class Waiting {
  constructor() {
    this.share = make("p", { class: "share figures", "aria-hidden": "true" });
    this.meter = make("progress", { class: "file-meter", max: "1", "aria-label": "How far it is" });
    this.told = make("p", { class: "told figures", id: "file-progress" });
    this.element = make("div", { class: "waiting" }, this.share, this.meter, this.told);
  }

  /** Show a state of the server's. */
  show(state) {
    const { share, told } = progress(state);
    this.told.textContent = told;
    if (share === null) this.meter.removeAttribute("value");
    else this.meter.value = share;
    this.share.replaceChildren(...(share === null ? ["…"] : [String(Math.floor(100 * share)), make("small", {}, " %")]));
  }
}

/** How far a file is: a share, null where that is not known, and words. */
function progress(state) {
  switch (state.state) {
    case "uploading":
      return { share: state.size ? state.received / state.size : 0, told: `sending: ${bytes(state.received)} of ${bytes(state.size)}` };
    case "waiting":
      return { share: null, told: state.ahead > 0 ? `waiting: ${many(state.ahead, "file")} before it` : "about to begin" };
    case "working":
      return working(state);
    default:
      return { share: 0, told: "" };
  }
}

function working(state) {
  const { frames, frames_done: done = 0, fps } = state;
  if (!done || state.kind !== "clip") return { share: null, told: state.kind === "photo" ? "looking for faces" : "opening it" };
  const rate = fps ? `, ${Math.round(fps)} fps` : "";
  if (!frames) return { share: null, told: `${count(done)} frames${rate}` };
  const left_s = fps ? Math.max(0, frames - done) / fps : null;
  const left = left_s === null || left_s < 2 ? "" : `, about ${left_s < 90 ? `${Math.round(left_s)} s` : `${Math.round(left_s / 60)} min`} left`;
  return { share: Math.min(1, done / frames), told: `${count(done)} of ${count(frames)} frames${rate}${left}` };
}
