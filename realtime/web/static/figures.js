// How the engine does: a few numbers, and how long each stage takes.
import { make } from "./dom.js";

const STAGE_WORDS = {
  read: "read", detect: "find faces", track: "follow faces", classify: "read faces", smooth: "steady", draw: "draw",
  write: "write", show: "show",
};

export class Figures {
  #numbers = {};
  #stages = make("tbody");
  #where = make("p", { class: "quiet-text" });

  constructor(container) {
    const tile = (key, name, title) => {
      this.#numbers[key] = make("dd", { class: "figures" }, "–");
      return make("div", { class: "live-tile", title }, make("dt", {}, name), this.#numbers[key]);
    };
    container.append(
      make("dl", { class: "live-tiles" },
        tile("fps", "frames a second", "Of the last three seconds"),
        tile("age", "age", "From the camera to here, milliseconds"),
        tile("dropped", "dropped", "Frames of a live source that nobody had time for, since the start"),
        tile("faces", "faces", "On this frame"),
      ),
      make("table", { class: "live-stages" },
        make("caption", { class: "unseen" }, "Milliseconds a frame, by stage"),
        make("thead", {}, make("tr", {},
          make("th", { scope: "col" }, "stage"), make("td", {}),
          make("th", { scope: "col" }, "p50"), make("th", { scope: "col" }, "p95 ms"))),
        this.#stages,
      ),
      this.#where,
    );
  }

  show({ fps, age_ms: age, dropped, faces, provider, detector, model, stages }) {
    const numbers = { fps: fps.toFixed(1), age: age === null ? "–" : `${age} ms`, dropped, faces };
    for (const [key, value] of Object.entries(numbers)) this.#numbers[key].textContent = value;
    const most = Math.max(10, ...stages.map((stage) => stage[2]));
    this.#stages.replaceChildren(...stages.map(([name, p50, p95]) => {
      const bar = make("div", { class: "live-bar", "aria-hidden": "true" }, make("i"), make("b"));
      bar.children[0].style.width = `${(100 * p95) / most}%`;
      bar.children[1].style.width = `${(100 * p50) / most}%`;
      return make("tr", {},
        make("th", { scope: "row" }, STAGE_WORDS[name] ?? name), make("td", {}, bar),
        make("td", { class: "figures" }, p50.toFixed(1)), make("td", { class: "figures" }, p95.toFixed(1)));
    }));
    this.#where.textContent = `${model} on ${provider}; faces found by ${detector}`;
  }
}
