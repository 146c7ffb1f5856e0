// The tab "Live": the annotated picture, a card for each face, the figures, and what can be chosen.
import { BrowserCamera, whyNoCamera } from "./camera.js";
import { Faces } from "./curves.js";
import { choice, make, setChoices } from "./dom.js";
import { Figures } from "./figures.js";
import { Link } from "./link.js";

const BROWSER = "browser";

export function mount(section, page) {
  return new Live(section, page);
}

class Live {
  #page;
  #link;
  #camera;
  #state = { phase: "connecting", chosen: {} };
  #offer = { models: [], detectors: [], sources: [] };
  #lost = null;
  #labels = "";
  #described = 0;
  #waitsForSight = false;
  #announced = "";

  constructor(section, page) {
    this.#page = page;
    this.#link = new Link({
      open: () => this.#link.ask("next"),
      lost: (why) => this.#show({ ...this.#state, phase: "away", reason: why }),
      message: (kind, document) => this[`_${kind}`]?.(document),
      picture: (document, jpeg) => this.#picture(document, jpeg),
    });
    this.#camera = new BrowserCamera(
      (blob) => this.#link.sendPicture(blob),
      () => this.#toast("The camera was switched off."),
    );
    this.#build(section);
    this.#keys(page);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.#waitsForSight) {
        this.#waitsForSight = false;
        this.#link.ask("next");
      }
    });
  }

  shown() {
    this.#show({ ...this.#state, phase: "connecting" });
    this.#link.open();
  }

  hidden() {
    this.#camera.stop();
    this.#link.close();
  }

  // What stands where.

  #build(section) {
    this.canvas = make("canvas", { class: "stage-picture", width: 16, height: 9, role: "img", "aria-label": "Annotated picture" });
    this.cover = make("div", { class: "stage-cover" });
    this.notice = make("span", { class: "stage-notice", hidden: true }, make("span", { class: "stage-dot", "aria-hidden": "true" }), "Expression analysis on");
    this.banner = make("p", { class: "banner stage-banner", role: "alert", hidden: true });
    this.said = make("span", { class: "stage-said", role: "status", hidden: true });
    this.stage = make("div", { class: "stage" }, this.canvas, this.notice, this.said, this.banner, this.cover);
    this.pauseButton = make("button", { class: "button primary", type: "button", onclick: () => this.#pause() }, "Pause");
    this.againButton = make("button", { class: "button", type: "button", hidden: true, onclick: () => this.#link.ask("again") }, "From the start");
    this.fullButton = make("button", { class: "button", type: "button", onclick: () => this.#fullScreen() }, "Full screen");
    this.saveButton = make("button", { class: "button", type: "button", disabled: true, onclick: () => this.#save() }, "Save picture");
    const asking = { onfocus: () => this.#link.ask("offer") };
    const [sourceField, source] = choice("Source", [], (key) => this.#choose(key), asking);
    const [modelField, model] = choice("Model", [], (key) => this.#link.ask("setup", { model: key }), asking);
    const [detectorField, detector] = choice("Faces found by", [], (key) => this.#link.ask("setup", { detector: key }));
    const [smoothField, smooth] = choice("Expressions", [["true", "Smoothed"], ["false", "Raw"]],
      (value) => this.#link.ask("setup", { smooth: value === "true" }));
    Object.assign(this, { source, model, detector, smooth });
    this.toastLine = make("p", { class: "banner bad", role: "alert", hidden: true });
    this.notes = make("ul", { class: "live-notes quiet-text" });
    const span = make("span", { class: "quiet-text figures" });
    const facesBox = make("aside", { class: "card live-faces", "aria-label": "Faces" },
      make("div", { class: "live-head" }, make("h2", {}, "Faces"), span));
    this.faces = new Faces(facesBox, span);
    this.details = make("details", { class: "card live-figures", hidden: true, open: matchMedia("(min-width: 1000px)").matches },
      make("summary", {}, make("h2", {}, "Figures")));
    this.figures = new Figures(this.details);
    this.details.append(this.notes);
    section.classList.add("live");
    section.append(
      make("h1", { class: "unseen" }, "Live view"),
      make("div", { class: "live-main" },
        this.stage,
        this.toastLine,
        make("div", { class: "row live-buttons" }, this.pauseButton, this.againButton, this.saveButton, this.fullButton),
      ),
      facesBox,
      make("div", { class: "card live-choices" },
        make("div", { class: "row" }, sourceField, modelField, detectorField, smoothField),
        make("p", { class: "quiet-text" }, "Files: give one on the command line, or use the tab “Photo or clip”; this page opens no paths."),
      ),
      this.details,
    );
  }

  #keys(page) {
    page.key(" ", "Pause, resume", () => this.#pause());
    page.key("m", "Next model", () => this.#next(this.model));
    page.key("d", "Next detector", () => this.#next(this.detector));
    page.key("r", "Raw or smoothed", () => this.#next(this.smooth));
    page.key("h", "Show or hide the figures", () => { this.details.open = !this.details.open; });
    page.key("s", "Save this picture", () => this.#save());
    page.key("f", "Full screen", () => this.#fullScreen());
    page.key("Home", "From the start", () => { if (!this.againButton.hidden) this.#link.ask("again"); });
  }

  #next(select) {
    if (select.options.length < 2) return;
    select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    this.#page.announce(select.selectedOptions[0].text);
    select.dispatchEvent(new Event("change"));
  }

  #pause() {
    if (this.#state.phase === "running") this.#link.ask("pause", { on: !this.#state.paused });
    else if (["ended", "failed"].includes(this.#state.phase)) this.#link.ask("again");
  }

  #fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.requestFullscreen?.();
  }

  #save() {
    if (this.saveButton.disabled) return;
    this.canvas.toBlob((blob) => {
      const href = URL.createObjectURL(blob);
      make("a", { href, download: `fer-live-${this.canvas.dataset.index}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10_000);
    });
  }

  async #choose(key) {
    this.toastLine.hidden = true;
    if (key === BROWSER) {
      try {
        await this.#camera.start();
      } catch (error) {
        this.#toast(error.message);
        this.#show(this.#state);
        return;
      }
    } else {
      this.#camera.stop();
    }
    this.#link.ask("source", { key });
  }

  // What the server says.

  _offer(offer) {
    this.#offer = offer;
    this.#show(this.#state);
  }

  _state(state) {
    if (state.chosen.source !== BROWSER) this.#camera.stop();
    this.#show(state);
  }

  _figures(figures) {
    this.#lost = figures.lost;
    this.#banner();
    this.said.hidden = figures.said === null;
    this.said.textContent = figures.said ?? "";
    this.figures.show(figures);
    this.details.hidden = false;
  }

  _send() {
    this.#camera.next();
  }

  _error({ error }) {
    this.#toast(error);
    this.#show(this.#state);
  }

  async #picture(found, jpeg) {
    let picture;
    try {
      picture = await createImageBitmap(jpeg);
    } finally {
      if (document.hidden) this.#waitsForSight = true;
      else this.#link.ask("next");
    }
    const { canvas } = this;
    if (canvas.width !== picture.width || canvas.height !== picture.height) {
      canvas.width = picture.width;
      canvas.height = picture.height;
    }
    canvas.getContext("2d", { alpha: false }).drawImage(picture, 0, 0);
    picture.close();
    this.faces.add(found);
    canvas.dataset.index = found.index;
    this.saveButton.disabled = false;
    if (performance.now() - this.#described > 2000) {
      this.#described = performance.now();
      canvas.setAttribute("aria-label", `Annotated picture, ${this.faces.words}`);
    }
  }

  // What is shown of it.

  #show(state) {
    this.#state = state;
    const { phase, paused, chosen } = state;
    const running = phase === "running";
    const labels = JSON.stringify(state.labels ?? []);
    if (state.labels && labels !== this.#labels) {
      this.#labels = labels;
      this.faces.reset(state.labels);
    }
    if (!running) {
      this.#lost = null;
      this.said.hidden = true;
    }
    this.notice.hidden = !running || paused;
    this.#banner();
    this.pauseButton.textContent = running && paused ? "Go on" : "Pause";
    this.pauseButton.setAttribute("aria-pressed", running && paused);
    this.pauseButton.disabled = !running;
    this.pauseButton.hidden = phase === "idle";
    this.saveButton.hidden = phase === "idle";
    this.fullButton.hidden = phase === "idle";
    this.againButton.hidden = !(running || phase === "ended") || state.is_live !== false;
    this.stage.dataset.phase = phase;
    this.stage.classList.toggle("paused", running && paused);
    this.#choices(chosen);
    this.notes.replaceChildren(...(state.notes ?? []).map((note) => make("li", {}, note)));
    this.#cover(state);
    this.#say(state);
  }

  #choices(chosen) {
    const { models, detectors, sources } = this.#offer;
    const own = [[BROWSER, "This browser’s camera"]];
    const none = chosen.source ? [] : [["", "Choose …"]];
    setChoices(this.source, [...none, ...sources, ...own], chosen.source ?? "");
    setChoices(this.model, models, chosen.model);
    setChoices(this.detector, detectors.map((name) => [name, { yunet: "YuNet", haar: "Haar", mediapipe: "MediaPipe" }[name] ?? name]), chosen.detector);
    this.smooth.value = String(chosen.smooth ?? true);
  }

  #banner() {
    this.banner.hidden = !this.#lost;
    this.stage.classList.toggle("lost", this.#lost !== null);
    if (this.#lost && this.banner.textContent !== this.#lost) this.banner.textContent = this.#lost;
  }

  #cover(state) {
    const { phase, reason, paused } = state;
    const again = (text) => make("button", { class: "button primary", type: "button", onclick: () => this.#link.ask("again") }, text);
    const waiting = (text) => [make("span", { class: "stage-spinner", "aria-hidden": "true" }), make("p", {}, text)];
    const contents = {
      connecting: () => waiting("Connecting …"),
      away: () => waiting(reason),
      opening: () => waiting("Opening …"),
      idle: () => this.#welcome(),
      ended: () => [make("p", {}, "This was all of it."), again("Play again")],
      failed: () => [make("p", { class: "banner bad" }, reason), again("Try again")],
      running: () => (paused ? [make("p", { class: "stage-word" }, "Paused")] : null),
    }[phase]?.() ?? null;
    const key = JSON.stringify([phase, reason, paused, phase === "idle" ? this.#offer.sources : 0]);
    if (this.cover.dataset.key === key) return;
    this.cover.dataset.key = key;
    this.cover.hidden = contents === null;
    this.cover.className = `stage-cover ${phase}`;
    this.cover.replaceChildren(...(contents ?? []).filter((element) => element !== null));
  }

  #welcome() {
    const button = (key, text, kind = "") => make("button", { class: `button ${kind}`, type: "button", onclick: () => this.#choose(key) }, text);
    const no = whyNoCamera();
    return [
      make("h2", {}, "What shall be looked at?"),
      make("div", { class: "row stage-choices" },
        no ? null : button(BROWSER, "This browser’s camera", "primary"),
        ...this.#offer.sources.map(([key, name]) => button(key, name))),
      no ? make("p", { class: "stage-note" }, no) : null,
      make("p", { class: "stage-note" }, "Pictures are looked at and forgotten: nothing is stored, nothing leaves this program."),
    ];
  }

  #say(state) {
    const words = {
      away: state.reason,
      opening: "Opening the source",
      idle: "Choose a source",
      ended: "The end",
      failed: `Failed: ${state.reason}`,
      running: state.paused ? "Paused" : `Running: ${state.source}. Expression analysis is on`,
    }[state.phase];
    if (words && words !== this.#announced) {
      this.#announced = words;
      this.#page.announce(words);
    }
  }

  #toast(text) {
    this.toastLine.textContent = text;
    this.toastLine.hidden = false;
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => { this.toastLine.hidden = true; }, 8000);
  }
}
