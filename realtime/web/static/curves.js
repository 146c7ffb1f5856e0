// A card for each face: what it shows now, and a curve for each expression over the last seconds.
import { make } from "./dom.js";

const LEAST_WINDOW_S = 10; // at the start; it grows with the time that has passed, up to
const WINDOW_S = 30;
const STEP_S = 0.1; // between two points of a curve
const MOST_CARDS = 8;
const ROW_PX = 22;
const REDRAW_MS = 90;

const DOUBT_WORDS = (doubt) => `uncertain: ${doubt}`;

/** Colours of the theme that is on, by label. */
function colours(labels) {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  return {
    labels: labels.map((label) => named(`--${label}`) || named("--muted")),
    rail: named("--rail"),
    line: named("--line"),
    muted: named("--muted"),
  };
}

export class Faces {
  #list = make("ul", { class: "live-cards" });
  #more = make("p", { class: "quiet-text", hidden: true });
  #empty = make("p", { class: "quiet-text live-none" }, "No face yet. Cards appear here as faces do.");
  #cards = new Map();
  #labels = [];
  #colours = null;
  #now = 0;
  #began = null;
  #drawn = 0;
  #span;

  /** span: an element that says how much time the curves show. */
  constructor(container, span) {
    this.#span = span;
    container.append(this.#empty, this.#list, this.#more);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#colours = null;
      this.#draw(true);
    });
    new ResizeObserver(() => this.#draw(true)).observe(this.#list);
  }

  /** Begin anew, with these labels. */
  reset(labels) {
    this.#labels = labels;
    this.#colours = null;
    this.#cards.forEach((card) => card.element.remove());
    this.#cards.clear();
    this.#now = 0;
    this.#began = null;
    this.#arrange();
  }

  /** Take the faces of a picture. */
  add({ time_s: now, faces }) {
    if (!this.#labels.length) return;
    if (now < this.#now) this.reset(this.#labels);
    this.#now = now;
    this.#began ??= now;
    for (const face of faces) {
      let card = this.#cards.get(face.track);
      if (!card) {
        card = new Card(face.track, this.#labels);
        this.#cards.set(face.track, card);
      }
      card.add(now, face);
    }
    for (const [track, card] of this.#cards) {
      if (card.seen < now - WINDOW_S) {
        card.element.remove();
        this.#cards.delete(track);
      }
    }
    this.#arrange();
    this.#draw(false);
  }

  /** What is shown, in a line for those who cannot see it. */
  get words() {
    const there = [...this.#cards.values()].filter((card) => card.seen === this.#now);
    if (!there.length) return "no face";
    const many = there.length === 1 ? "1 face" : `${there.length} faces`;
    return `${many}: ${there.slice(0, MOST_CARDS).map((card) => card.words).join(", ")}`;
  }

  #arrange() {
    const all = [...this.#cards.values()];
    // Those who are there first; among equals the one that has been there longest.
    all.sort((a, b) => (b.seen === this.#now) - (a.seen === this.#now) || a.track - b.track);
    const shown = all.slice(0, MOST_CARDS);
    const before = [...this.#list.children];
    if (before.length !== shown.length || shown.some((card, place) => before[place] !== card.element)) {
      this.#list.replaceChildren(...shown.map((card) => card.element));
    }
    for (const card of shown) card.element.classList.toggle("gone", card.seen !== this.#now);
    this.#empty.hidden = all.length > 0;
    this.#more.hidden = all.length <= MOST_CARDS;
    this.#more.textContent = `and ${all.length - MOST_CARDS} more`;
  }

  #draw(now) {
    const time = performance.now();
    if (!now && time - this.#drawn < REDRAW_MS) return;
    this.#drawn = time;
    this.#colours ??= colours(this.#labels);
    const span = Math.min(WINDOW_S, Math.max(LEAST_WINDOW_S, this.#now - this.#began));
    setText(this.#span, this.#cards.size ? `the last ${Math.round(span)} seconds` : "");
    for (const card of this.#cards.values()) {
      if (card.element.isConnected) card.draw(this.#now, span, this.#colours);
    }
  }
}

class Card {
  constructor(track, labels) {
    this.track = track;
    this.seen = 0;
    this.words = "";
    this.labels = labels;
    this.points = []; // [time, probabilities, doubted]
    this.title = make("h3", {}, "");
    this.doubt = make("p", { class: "quiet-text live-card-doubt" }, "");
    this.canvas = make("canvas", { class: "live-curves", "aria-hidden": "true" });
    this.percents = labels.map(() => make("span", { class: "figures" }, ""));
    this.names = labels.map((label) => make("span", { class: "name" }, label));
    this.swatch = make("span", { class: "live-swatch", "aria-hidden": "true" });
    const names = make("div", { class: "live-names" }, ...this.names);
    const percents = make("div", { class: "live-percents" }, ...this.percents);
    this.element = make("li", { class: "live-card" },
      make("div", { class: "live-card-head" }, this.swatch, this.title, make("span", { class: "pill figures" }, `#${track}`)),
      this.doubt,
      make("div", { class: "live-rows" }, names, this.canvas, percents),
    );
  }

  add(now, { label, probabilities, doubt }) {
    this.seen = now;
    const last = this.points.at(-1);
    const point = [now, probabilities, doubt !== null];
    if (last && this.points.length > 1 && now - this.points.at(-2)[0] < STEP_S) this.points[this.points.length - 1] = point;
    else this.points.push(point);
    while (this.points.length > 2 && this.points[1][0] < now - WINDOW_S) this.points.shift();
    const name = this.labels[label];
    this.words = doubt === null ? name : DOUBT_WORDS(doubt);
    setText(this.title, doubt === null ? `${name} ${Math.round(100 * probabilities[label])} %` : "uncertain");
    setText(this.doubt, doubt === null ? "" : `${doubt}; looks most like ${name}`);
    this.swatch.className = `live-swatch of-${doubt === null ? name : "doubt"}`;
    probabilities.forEach((probability, place) => {
      setText(this.percents[place], `${Math.round(100 * probability)}`);
      this.names[place].classList.toggle("shown", place === label && doubt === null);
    });
  }

  draw(now, span, { labels, rail, muted }) {
    const { canvas, points } = this;
    const ratio = Math.min(3, devicePixelRatio || 1);
    const width = canvas.clientWidth;
    const height = ROW_PX * labels.length;
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.lineJoin = "round";
    const across = (time) => width * (1 - (now - time) / span);
    labels.forEach((colour, place) => {
      const floor = ROW_PX * (place + 1) - 3;
      const room = ROW_PX - 6;
      context.fillStyle = rail;
      context.fillRect(0, floor, width, 1);
      for (const [from, to] of runs(points)) this.#area(context, across, floor, room, place, from, to, colour, muted);
    });
  }

  // An area from one point to another; paler and without a line on top where the face was in doubt.
  #area(context, across, floor, room, place, from, to, colour, muted) {
    const { points } = this;
    const doubted = points[from][2];
    const top = (index) => floor - room * points[index][1][place];
    context.beginPath();
    context.moveTo(across(points[from][0]), floor);
    for (let index = from; index <= to; index++) context.lineTo(across(points[index][0]), top(index));
    context.lineTo(across(points[to][0]), floor);
    context.closePath();
    context.fillStyle = doubted ? muted : colour;
    context.globalAlpha = doubted ? 0.38 : 0.42;
    context.fill();
    if (!doubted) {
      context.beginPath();
      for (let index = from; index <= to; index++) context.lineTo(across(points[index][0]), top(index));
      context.strokeStyle = colour;
      context.lineWidth = 1.6;
      context.globalAlpha = 1;
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}

/** Stretches of points, [first, last], without a gap and alike in doubt; each begins where the one before ends. */
function runs(points) {
  const found = [];
  let from = 0;
  for (let index = 1; index <= points.length; index++) {
    const isEnd = index === points.length;
    const isGap = !isEnd && points[index][0] - points[index - 1][0] > 1.5;
    if (isEnd || isGap || points[index][2] !== points[from][2]) {
      const to = isEnd || isGap ? index - 1 : index;
      if (to > from) found.push([from, to]);
      from = index;
    }
  }
  return found;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
