// The tab "Photo or clip": choose a file, see how far it is, look at what was found, save it.
import { choice, make, problem, setChoices } from "./dom.js";
import { showClip } from "./files_clip.js";
import { FileJob } from "./files_job.js";
import { bytes, many } from "./files_parts.js";
import { showPhoto } from "./files_photo.js";
import { stepOf } from "./files_timeline.js";
import { Waiting } from "./files_waiting.js";

const KEPT = "fer-live-file"; // the id of this browser tab's file, so that loading the page anew does not lose it
const DETECTORS = { yunet: "YuNet", haar: "Haar", mediapipe: "MediaPipe" };
const EYES = { auto: null, yes: true, no: false };

export function mount(section, page) {
  const wanted = {}; // options as the server names them
  let limits = null;
  let job = null;
  let view = null;
  let file = null;
  let shownState = null;

  const input = make("input", { type: "file", accept: "image/*,video/*", class: "unseen", tabindex: "-1", "aria-label": "Photo or clip", onchange: () => take(input.files[0]) });
  const chooseButton = make("button", { class: "button primary", type: "button", id: "choose-file", onclick: () => input.click() }, "Choose a photo or clip");
  const limitLine = make("p", { class: "quiet-text" });
  const drop = make(
    "div",
    { class: "drop", id: "drop" },
    icon(),
    make("p", { class: "drop-title" }, "Drop a photo or a clip here"),
    chooseButton,
    limitLine,
    input,
  );
  const [modelField, model] = choice("Model", [], (value) => set("model", value), { id: "file-model" });
  const [detectorField, detector] = choice("Detector", [], (value) => set("detector", value), { id: "file-detector" });
  const eyeChoices = [["auto", "With Haar only"], ["yes", "Only faces with eyes"], ["no", "Off"]];
  const [eyesField, eyes] = choice("Eye check", eyeChoices, (value) => set("verify_eyes", EYES[value]), { id: "file-eyes" });
  const smoothChoices = [["yes", "Steady"], ["no", "Off"]];
  const [smoothField, smooth] = choice("Smoothing (clips)", smoothChoices, (value) => set("smooth", value === "yes"), { id: "file-smooth" });
  const again = make("button", { class: "button", type: "button", id: "run-again", hidden: true, onclick: () => take(file) }, "Run again");
  const options = make("div", { class: "row file-options" }, modelField, detectorField, eyesField, smoothField, again);
  const banner = make("p", { class: "banner bad", role: "alert", id: "file-problem", hidden: true });
  const bar = make("div", { class: "file-bar card", hidden: true });
  const place = make("div", { class: "file-place" });
  const waiting = new Waiting();
  section.append(make("h1", { class: "unseen" }, "Photo or clip"), bar, banner, place, make("div", { class: "card intake" }, drop, options));

  function set(name, value) {
    wanted[name] = value;
    again.hidden = !(file && shownState && ["done", "failed"].includes(shownState.state));
  }

  async function fetchChoices() {
    const response = await fetch("/files").catch(() => null);
    if (!response?.ok) return complain(response ? await problem(response) : "the server is gone: start fer-live again");
    const offered = await response.json();
    const first = limits === null;
    limits = offered;
    const now = (name, select) => (first ? offered.chosen[name] : select.value);
    setChoices(model, offered.models, now("model", model));
    setChoices(detector, offered.detectors.map((name) => [name, DETECTORS[name] ?? name]), now("detector", detector));
    if (first) {
      eyes.value = Object.keys(EYES).find((key) => EYES[key] === offered.chosen.verify_eyes);
      smooth.value = offered.chosen.smooth ? "yes" : "no";
      Object.assign(wanted, offered.chosen);
    }
    limitLine.textContent = `JPEG, PNG, WebP, HEIC, TIFF; MP4, MOV, MKV, WebM, AVI, GIF. At most ${bytes(offered.upload_bytes)} and ${many(offered.clip_minutes, "minute")}. Deleted when you close it.`;
  }

  function complain(reason) {
    banner.textContent = reason;
    banner.hidden = false;
  }

  function clear() {
    job?.close();
    view?.close();
    job = view = shownState = null;
    sessionStorage.removeItem(KEPT);
    banner.hidden = bar.hidden = again.hidden = true;
    bar.replaceChildren();
    delete bar.dataset.of;
    place.replaceChildren();
    section.classList.remove("busy", "under-way");
  }

  /** A file was chosen. */
  function take(chosen) {
    if (!chosen) return;
    clear();
    file = chosen;
    input.value = ""; // so that the same one can be chosen again
    if (limits && chosen.size > limits.upload_bytes) {
      return complain(`${chosen.name}: is too large, ${bytes(chosen.size)}; at most ${bytes(limits.upload_bytes)} are taken (--max-upload)`);
    }
    begin().start(chosen, wanted);
    page.announce(`Sending ${chosen.name}`);
  }

  function begin() {
    section.classList.add("busy");
    const own = new FileJob({
      onchange: (state) => own === job && show(state),
      onsent: (sent) => own === job && shownState?.state === "uploading" && showBar({ ...shownState, received: sent }),
      onend: (reason) => {
        if (own !== job) return;
        clear();
        complain(reason);
      },
    });
    return (job = own);
  }

  async function show(state) {
    const before = shownState?.state;
    shownState = state;
    sessionStorage.setItem(KEPT, state.id);
    showBar(state);
    if (state.state === before) return;
    if (state.state === "failed") {
      complain(state.reason);
      section.classList.remove("busy");
    } else if (state.state === "done") {
      await showResult(state);
    }
    again.hidden = true;
  }

  async function showResult(state) {
    const shownJob = job;
    const response = await fetch(`/files/${state.id}/faces`).catch(() => null);
    if (job !== shownJob) return;
    if (!response?.ok) return complain(response ? await problem(response) : "the server is gone");
    const found = await response.json();
    if (state.kind === "clip") found.step_s = stepOf(found);
    view = state.kind === "clip" ? showClip(state, found) : showPhoto(state, found);
    place.replaceChildren(view.element);
    showBar(state);
    for (const note of state.notes ?? []) {
      if (note.startsWith("warning: ")) place.prepend(make("p", { class: "banner" }, note.slice(9)));
    }
    page.announce(`${state.name}: ${view.summary}`);
  }

  function showBar(state) {
    const over = state.state === "done" || state.state === "failed";
    section.classList.toggle("under-way", !over);
    if (!over) waiting.show(state);
    if (!over && !place.contains(waiting.element)) place.replaceChildren(waiting.element);
    if (over && place.contains(waiting.element)) place.replaceChildren();
    if (bar.dataset.of !== `${state.id} ${over}`) {
      bar.dataset.of = `${state.id} ${over}`;
      const close = make("button", { class: "button", type: "button", id: "close-file", onclick: clear }, over ? "Close" : "Cancel");
      const other = make("button", { class: "button", type: "button", hidden: !over, onclick: () => input.click() }, "Another file");
      const told = make("span", { class: "quiet-text figures", id: "file-told" });
      const words = make("div", { class: "file-words" }, make("strong", { class: "file-name" }, state.name), told);
      bar.replaceChildren(words, make("div", { class: "file-buttons" }, other, close));
      bar.hidden = false;
    }
    bar.querySelector("#file-told").textContent = view?.summary ?? (over ? "" : bytes(state.size));
  }

  // Anywhere on the page, so that nobody has to aim; elsewhere the browser would leave the page for the file.
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (!brings(event)) return;
      event.preventDefault();
      section.classList.add("dragging");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) section.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    section.classList.remove("dragging");
    if (!brings(event)) return;
    event.preventDefault();
    location.hash = section.id; // the frame opens this tab
    take(event.dataTransfer.files[0]);
  });

  page.key("o", "Choose a photo or clip", () => input.click());
  page.key("x", "Cancel; close the file", clear);
  page.key("s", "Save the annotated photo or clip", () => document.getElementById("save-annotated")?.click());
  page.key("z", "Photo: whole or actual size", () => view?.keys.z?.());
  page.key(" ", "Clip: play or pause", () => view?.keys[" "]?.());
  page.key("ArrowLeft", "Clip: a second back", () => view?.keys.ArrowLeft?.());
  page.key("ArrowRight", "Clip: a second on", () => view?.keys.ArrowRight?.());
  page.key("n", "Clip: the next face", () => view?.keys.n?.());

  let isFirst = true;
  return {
    async shown() {
      await fetchChoices();
      if (!isFirst) return;
      isFirst = false;
      const kept = sessionStorage.getItem(KEPT);
      if (kept && !job && !(await begin().resume(kept))) clear();
    },
    hidden() {
      section.querySelector("video")?.pause();
    },
  };
}

function icon() {
  const space = "http://www.w3.org/2000/svg";
  const drawn = document.createElementNS(space, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 48 48", width: 48, height: 48, class: "drop-icon", "aria-hidden": "true" })) drawn.setAttribute(name, value);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", "M24 31V11m0 0-8 8m8-8 8 8M8 31v5a4 4 0 0 0 4 4h24a4 4 0 0 0 4-4v-5");
  drawn.append(path);
  return drawn;
}
