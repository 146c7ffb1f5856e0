// A clip with its faces: the annotated video, what each face shows over time, and its events.
import { make } from "./dom.js";
import { bars, clock, count, downloads, many, toned, verdict } from "./files_parts.js";
import { drawCurves, drawLane, indexAt } from "./files_timeline.js";

const FEW = 8; // lanes that are shown at first

/** Show a finished clip; gives { element, close(), keys } as the tab's other views. */
export function showClip(state, found) {
  const output = state.outputs.find((each) => each.key === "video");
  const video = make("video", { src: `${output.href}?view=1`, controls: true, playsinline: true, preload: "auto" });
  video.setAttribute("aria-label", `${state.name}, annotated`);
  const end_s = Math.max(found.end_s, 0.001);
  const listeners = new AbortController();
  const { signal } = listeners;
  let chosen = found.faces.reduce((best, face) => (face.frames > (best?.frames ?? 0) ? face : best), null);

  const curves = make("canvas", { class: "face-curves", role: "img" });
  const now = make("div", { class: "now" });
  const head = make("i", { class: "playhead" });
  const lanes = found.faces.map((face) => lane(found, face, () => choose(face)));
  const more = showFew(lanes, () => draw());
  const scale = make("div", { class: "scale", "aria-hidden": "true" }, ...["100 %", "50", "0"].map((text) => make("span", {}, text)));
  const tracks = make(
    "div",
    { class: "tracks", role: "group", "aria-label": "Timeline; press to go there" },
    make("div", { class: "lane-row tall" }, scale, curves),
    ...lanes.map(({ row }) => row),
    make("div", { class: "lane-row" }, more ?? make("span"), axis(end_s)),
    head,
  );
  const events = eventList(found, (event) => {
    choose(found.faces.find((face) => face.track === event.track) ?? chosen);
    seek(event.apex_s);
  });

  function choose(face) {
    chosen = face;
    for (const { button, face: each } of lanes) button.setAttribute("aria-pressed", String(each === face));
    draw();
    tick();
  }

  function seek(time_s) {
    video.currentTime = Math.min(end_s, Math.max(0, time_s));
    tick();
  }

  function draw() {
    if (!chosen) return;
    drawCurves(curves, found, chosen, end_s);
    curves.setAttribute("aria-label", `Curves of face ${chosen.track}: ${found.labels.join(", ")}`);
    for (const { canvas, face, row } of lanes) if (!row.hidden) drawLane(canvas, found, face, end_s);
  }

  function tick() {
    const time_s = video.currentTime;
    tracks.style.setProperty("--at", String(Math.min(1, time_s / end_s)));
    if (!chosen) return;
    const number = indexAt(chosen.time_s, time_s, found.step_s);
    const told = make("p", { class: "face-line" }, make("strong", {}, `face ${chosen.track}`));
    if (number === null) {
      told.append(make("span", { class: "verdict doubted" }, "not in sight"));
      now.replaceChildren(told, bars(found.labels, found.labels.map(() => 0)));
      return;
    }
    const face = { shown: chosen.shown[number], doubt: chosen.doubt[number], permille: chosen.permille[number] };
    told.append(verdict(found.labels, face));
    now.replaceChildren(told, bars(found.labels, face.permille));
  }

  function follow() {
    tick();
    if (!video.paused && !signal.aborted) requestAnimationFrame(follow);
  }
  for (const name of ["play", "seeked", "timeupdate"]) video.addEventListener(name, follow, { signal });

  // Where the tracks are pressed or dragged over, go there.
  const timeOf = (event) => {
    const { left, width } = curves.getBoundingClientRect();
    return (end_s * (event.clientX - left)) / width;
  };
  tracks.addEventListener("pointerdown", (event) => {
    if (event.target.tagName !== "CANVAS") return;
    tracks.setPointerCapture(event.pointerId);
    seek(timeOf(event));
  });
  tracks.addEventListener("pointermove", (event) => {
    if (tracks.hasPointerCapture(event.pointerId)) seek(timeOf(event));
  });
  const resized = new ResizeObserver(draw);
  resized.observe(curves);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw, { signal });

  const missing = found.faces_in_all - found.faces.length;
  const timeline = make(
    "section",
    { class: "card timeline", "aria-label": "Over time" },
    found.faces.length ? tracks : make("p", {}, make("strong", {}, "No face was found.")),
    missing > 0 ? make("p", { class: "quiet-text" }, `${count(missing)} more that were seen for less time are in the data.`) : null,
    legend(found.labels),
  );
  const element = make(
    "div",
    { class: "result clip" },
    make("div", { class: "result-main" }, make("div", { class: "screen" }, video), timeline),
    make(
      "div",
      { class: "result-side" },
      chosen ? make("section", { class: "card", "aria-label": "At this moment" }, now) : null,
      make("section", { class: "card events", "aria-label": "Events" }, make("h3", {}, found.events.length ? many(found.events.length, "event") : "No events"), events),
      downloads(state.outputs),
    ),
  );
  if (chosen) choose(chosen);
  const play = () => (video.paused ? video.play() : video.pause());
  return {
    element,
    summary: `${many(found.faces_in_all, "face")}, ${many(found.events.length, "event")}`,
    close() {
      listeners.abort();
      resized.disconnect();
      video.pause();
      video.removeAttribute("src");
      video.load();
    },
    keys: {
      " ": play,
      ArrowLeft: () => seek(video.currentTime - 1),
      ArrowRight: () => seek(video.currentTime + 1),
      n() {
        const seen = lanes.filter(({ row }) => !row.hidden);
        if (chosen) choose(seen[(seen.findIndex(({ face }) => face === chosen) + 1) % seen.length].face);
      },
    },
  };
}

function lane(found, face, choose) {
  const canvas = make("canvas", { class: "lane", role: "img", "aria-label": spoken(found, face) });
  const name = make("span", {}, `face ${face.track}`);
  const button = make("button", { class: "lane-name", type: "button", "aria-pressed": "false", onclick: choose }, name);
  return { row: make("div", { class: "lane-row" }, button, canvas), button, canvas, face };
}

/** Hide the lanes of the faces that are seen least, where there are many; the button that shows them, or null. */
function showFew(lanes, redraw) {
  const longest = [...lanes].sort((one, other) => other.face.frames - one.face.frames);
  const hidden = longest.slice(FEW);
  if (hidden.length < 2) return null;
  const turn = (all) => hidden.forEach(({ row }) => { row.hidden = !all; });
  turn(false);
  const button = make("button", { class: "lane-name", type: "button", "aria-expanded": "false", onclick }, `${hidden.length} more`);
  function onclick() {
    const all = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(all));
    button.textContent = all ? "fewer" : `${hidden.length} more`;
    turn(all);
    redraw();
  }
  return button;
}

function axis(end_s) {
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => make("span", {}, clock(share * end_s)));
  return make("div", { class: "axis figures", "aria-hidden": "true" }, ...marks);
}

/** A lane in words. */
function spoken(found, face) {
  const events = found.events.filter((event) => event.track === face.track);
  if (!events.length) return `face ${face.track}: no events`;
  return `face ${face.track}: ${events.map((each) => `${each.label} from ${clock(each.onset_s)} to ${clock(each.offset_s)}`).join(", ")}`;
}

function eventList(found, go) {
  if (!found.events.length) {
    return make("p", { class: "quiet-text" }, "No expression other than neutral was shown clearly and long enough.");
  }
  const rows = found.events.map((event) =>
    make(
      "li",
      {},
      toned(
        make(
          "button",
          { class: "event", type: "button", onclick: () => go(event) },
          make("i", { class: "swatch" }),
          make("span", { class: "event-label" }, event.label),
          make("span", { class: "number" }, `#${event.track}`),
          make("span", { class: "figures event-time" }, `${clock(event.onset_s)} – ${clock(event.offset_s)}`),
          make("span", { class: "figures" }, `${Math.round(100 * event.strength)} %`),
        ),
        event.label,
      ),
    ),
  );
  return make("ol", { class: "event-list" }, ...rows);
}

function legend(labels) {
  const entries = labels.map((label) => toned(make("li", {}, make("i", { class: "swatch" }), label), label));
  return make("ul", { class: "legend" }, ...entries, make("li", { class: "doubted" }, make("i", { class: "swatch" }), "uncertain"));
}
