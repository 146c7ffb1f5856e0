"use strict";
// Zoom, figures under the pointer, curves, and a table that can be sorted. All figures stand in the page already:
// spans are read from the paths that draw them, curves from the JSON beside them.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const timeline = document.getElementById("timeline");
  if (!timeline) return; // nobody was seen
  const first = Number(timeline.dataset.first), length = Number(timeline.dataset.length);
  const UNSEEN = 255, UNITS = 250, CHART_PX = 150, PAPER_PX = 450;
  const tip = document.getElementById("tip");
  const rows = new Map();
  const svgNS = "http://www.w3.org/2000/svg";
  let view = [0, length]; // milliseconds since the first frame
  let mark = null; // {row, at}: where the keyboard or a click put it
  let drawing = 0;
  let paper = false; // whether it is drawn to be printed, which is narrower

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const svg = (tag, attributes, text) => {
    const element = document.createElementNS(svgNS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const clock = (ms) => {
    const hundredths = Math.max(0, Math.round((ms + first) / 10));
    const hours = Math.floor(hundredths / 360000), minutes = Math.floor(hundredths / 6000) % 60;
    const seconds = (Math.floor((hundredths % 6000) / 100) + "").padStart(2, "0") + "." + (hundredths % 100 + "").padStart(2, "0");
    return hours ? `${hours}:${(minutes + "").padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
  };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  // ---- what stands in the page

  function spansOf(row) {
    if (row.spans) return row.spans;
    row.spans = [];
    for (const path of row.lane.querySelectorAll("path[data-state]")) {
      const state = Number(path.dataset.state);
      let x = 0;
      for (const [, letter, to, long] of path.getAttribute("d").matchAll(/([Mm])(-?\d+) \d+h(\d+)/g)) {
        const from = letter === "M" ? Number(to) : x + Number(to);
        x = from + Number(long);
        row.spans.push({ from, to: x, state });
      }
    }
    row.spans.sort((a, b) => a.from - b.from);
    return row.spans;
  }

  function spanAt(row, ms) {
    const spans = spansOf(row);
    let low = 0, high = spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (spans[middle].from <= ms) low = middle + 1; else high = middle;
    }
    const span = spans[low - 1];
    return span && ms < span.to ? span : null;
  }

  function bytesOf(row) {
    if (!row.bytes) {
      const face = data.faces[row.track];
      row.bytes = Uint8Array.from(atob(face.coded), (letter) => letter.charCodeAt(0));
      row.firstBin = face.first;
    }
    return row.bytes;
  }

  function probabilitiesAt(row, ms) {
    const bytes = bytesOf(row), count = data.labels.length;
    const start = (Math.floor(ms / data.bin_ms + 0.01) - row.firstBin) * count;
    if (start < 0 || start >= bytes.length || bytes[start] === UNSEEN) return null;
    return Array.from(bytes.subarray(start, start + count), (byte) => byte / UNITS);
  }

  const said = (row, ms) => {
    const span = spanAt(row, ms);
    if (!span) return `${clock(ms)}: not seen`;
    return `${clock(ms)}: ${data.states[span.state]}, from ${clock(span.from)} to ${clock(span.to)}, ${((span.to - span.from) / 1000).toFixed(2)} s`;
  };

  // ---- drawing what is in view

  function redraw() {
    drawing = 0;
    const [from, to] = view, wide = paper ? PAPER_PX : timeline.querySelector(".axis").clientWidth || 900;
    for (const pattern of document.querySelectorAll("pattern[id^=lane-]"))
      pattern.setAttribute("patternTransform", `scale(${(to - from) / wide} 1)`);
    drawAxis(wide);
    for (const row of rows.values()) {
      row.lane.setAttribute("viewBox", `${from} 0 ${to - from} 40`);
      drawWords(row, wide);
      if (row.chart) drawCurves(row);
      placeCursor(row);
    }
    for (const button of timeline.querySelectorAll("[data-do]")) {
      const whole = to - from >= length;
      button.disabled = { in: to - from <= 200, out: whole, all: whole, back: from <= 0, on: to >= length }[button.dataset.do];
    }
  }
  const redrawSoon = () => { drawing = drawing || requestAnimationFrame(redraw); };

  function drawAxis(wide) {
    const axis = timeline.querySelector(".axis"), [from, to] = view;
    const least = (to - from) / Math.max(2, wide / 95) / 1000;
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400];
    const step = 1000 * (steps.find((each) => each >= least) || 86400 * Math.ceil(least / 86400));
    const ticks = [];
    for (let at = Math.ceil(from / step) * step; at <= from + (to - from) * 0.97; at += step) {
      const x = `${100 * (at - from) / (to - from)}%`;
      const text = svg("text", { x, y: 11 }, clock(at));
      if (at - from < 30 * (to - from) / wide) text.style.textAnchor = "start"; else text.style.textAnchor = "middle";
      ticks.push(svg("line", { x1: x, x2: x, y1: 14, y2: 20 }), text);
    }
    axis.replaceChildren(...ticks);
  }

  function drawWords(row, wide) {
    const [from, to] = view, words = [];
    for (const { from: start, to: end, state } of spansOf(row)) {
      if (end <= from || start >= to) continue;
      const left = Math.max(start, from), right = Math.min(end, to);
      const isWhy = state >= data.labels.length;
      const text = isWhy ? data.states[state].replace("uncertain: ", "") : data.states[state];
      if ((right - left) / (to - from) * wide < 7.2 * text.length + 12) continue;
      words.push(svg("text", { x: `${100 * ((left + right) / 2 - from) / (to - from)}%`, y: 29, class: isWhy ? "why" : "" }, text));
      if (words.length > 400) break;
    }
    row.words.replaceChildren(...words);
  }

  function drawCurves(row) {
    const bytes = bytesOf(row), count = data.labels.length, total = bytes.length / count;
    const [from, to] = view, firstBin = clamp(Math.floor(from / data.bin_ms) - 1 - row.firstBin, 0, total);
    const lastBin = clamp(Math.ceil(to / data.bin_ms) + 1 - row.firstBin, 0, total);
    row.chart.svg.setAttribute("viewBox", `${from} 0 ${to - from} ${CHART_PX}`);
    data.labels.forEach((_, label) => {
      let path = "", drawn = false;
      for (let bin = firstBin; bin < lastBin; bin++) {
        const byte = bytes[bin * count + label];
        if (byte === UNSEEN) { drawn = false; continue; }
        const y = (CHART_PX - 4 - byte / UNITS * (CHART_PX - 8)).toFixed(1), x = Math.round((row.firstBin + bin + 0.5) * data.bin_ms);
        path += `${drawn ? "L" : "M"}${x} ${y}${drawn ? "" : "h0"}`;
        drawn = true;
      }
      for (const line of row.chart.lines[label]) line.setAttribute("d", path);
    });
  }

  function openCurves(row) {
    const chart = make("div", "chart"), box = row.article.querySelector(".curves"), keys = make("ul", "keys");
    const drawing_ = svg("svg", { preserveAspectRatio: "none", role: "img", "aria-label": `Probabilities of face ${row.track} over time` });
    for (const share of [0, 0.5, 1]) {
      const y = CHART_PX - 4 - share * (CHART_PX - 8);
      drawing_.append(svg("path", { class: "grid", d: `M0 ${y}H${length}` }));
      const level = make("span", "level", `${100 * share} %`);
      level.style.top = `${clamp(y - 15, 0, CHART_PX)}px`;
      chart.append(level);
    }
    const lines = data.labels.map((_, label) => {
      const pair = [svg("path", { class: "case" }), svg("path", { class: "curve", stroke: data.colours[label] })];
      drawing_.append(...pair);
      return pair;
    });
    chart.prepend(drawing_);
    data.labels.forEach((name, label) => {
      const button = make("button"), colour = make("i"), item = make("li");
      button.setAttribute("aria-pressed", "false");
      colour.style.background = data.colours[label];
      button.append(colour, name);
      button.addEventListener("click", () => {
        const on = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", on);
        for (const line of lines[label]) line.classList.toggle("on", on);
        chart.classList.toggle("one", keys.querySelector("[aria-pressed=true]") !== null);
      });
      item.append(button);
      keys.append(item);
    });
    box.append(chart, keys);
    row.chart = { svg: drawing_, lines };
    row.chartCursor = cursorIn(chart);
    follow(row, chart);
    drawCurves(row);
    placeCursor(row);
  }

  // ---- the mark and the figures beside it

  function cursorIn(box) {
    const cursor = make("div", "cursor");
    cursor.hidden = true;
    box.append(cursor);
    return cursor;
  }

  let pointed = null; // milliseconds, while a pointer is over a row
  function placeCursor(row) {
    const at = pointed !== null ? pointed : mark && mark.at;
    for (const cursor of [row.cursor, row.chartCursor]) {
      if (!cursor) continue;
      cursor.hidden = at === null || at < view[0] || at > view[1];
      if (!cursor.hidden) cursor.style.left = `${100 * (at - view[0]) / (view[1] - view[0])}%`;
    }
  }

  function showTip(row, ms, x, y) {
    const span = spanAt(row, ms), probabilities = probabilitiesAt(row, ms);
    tip.replaceChildren(make("b", "", `Face ${row.track} at ${clock(ms)}`));
    tip.append(make("div", "", span ? data.states[span.state] : "not seen"));
    if (span) tip.append(make("div", "soft", `${clock(span.from)} – ${clock(span.to)}, ${((span.to - span.from) / 1000).toFixed(2)} s`));
    if (span && probabilities) {
      const bars = make("div", "bars-of");
      const order = data.labels.map((_, label) => label).sort((a, b) => probabilities[b] - probabilities[a]);
      for (const label of order) {
        const bar = make("i");
        bar.style.background = data.colours[label];
        bar.style.width = `${100 * probabilities[label]}%`;
        bars.append(make("span", "", data.labels[label]), bar, make("span", "", `${Math.round(100 * probabilities[label])} %`));
      }
      tip.append(bars);
      if (data.binned) tip.append(make("div", "soft", `mean over ${(data.bin_ms / 1000).toPrecision(3)} s`));
    }
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${clamp(x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16, 4, innerWidth - box.width - 4)}px`;
    tip.style.top = `${clamp(y + 18, 4, innerHeight - box.height - 4)}px`;
  }

  const placeCursors = () => { for (const row of rows.values()) placeCursor(row); };
  const timeOf = (box, event) => {
    const edges = box.getBoundingClientRect();
    return view[0] + clamp((event.clientX - edges.left) / edges.width, 0, 0.99999) * (view[1] - view[0]);
  };

  function setMark(row, at) {
    mark = { row, at };
    row.plot.setAttribute("aria-valuenow", Math.round(at));
    row.plot.setAttribute("aria-valuetext", said(row, at));
    placeCursors();
  }

  function tipAtMark() {
    const edges = mark.row.plot.getBoundingClientRect();
    showTip(mark.row, mark.at, edges.left + edges.width * (mark.at - view[0]) / (view[1] - view[0]), edges.bottom - 14);
  }

  function follow(row, box) {
    box.addEventListener("pointermove", (event) => {
      pointed = timeOf(box, event);
      showTip(row, pointed, event.clientX, event.clientY);
      placeCursors();
    });
    box.addEventListener("pointerleave", () => {
      pointed = null;
      if (mark && document.activeElement === mark.row.plot) tipAtMark(); else tip.hidden = true;
      placeCursors();
    });
    box.addEventListener("click", (event) => { setMark(row, timeOf(box, event)); row.plot.focus({ preventScroll: true }); });
    box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return; // the page scrolls as ever
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.3 : 1 / 1.3, timeOf(box, event));
    }, { passive: false });
  }

  function show(from, to) {
    const long = clamp(to - from, Math.min(200, length), length);
    const start = clamp(from, 0, length - long);
    view = [start, start + long];
    redrawSoon();
  }
  const zoom = (by, around) => {
    const [from, to] = view, long = (to - from) / by;
    show(around - (around - from) / (to - from) * long, around + (to - around) / (to - from) * long);
  };
  const zoomMiddle = (by) => {
    const seen = mark && mark.at >= view[0] && mark.at <= view[1];
    zoom(by, seen ? mark.at : (view[0] + view[1]) / 2);
  };
  const move = (share) => show(view[0] + share * (view[1] - view[0]), view[1] + share * (view[1] - view[0]));

  function nextChange(row, at, way) {
    const edges = spansOf(row).flatMap((span) => [span.from, span.to]);
    const next = way > 0 ? edges.filter((edge) => edge > at + 0.5) : edges.filter((edge) => edge < at - 0.5);
    return next.length ? next[way > 0 ? 0 : next.length - 1] : at;
  }

  function onKey(row, event) {
    const at = mark && mark.row === row ? mark.at : view[0], step = Math.max(10, (view[1] - view[0]) / 100);
    const to = {
      ArrowLeft: () => at - step, ArrowDown: () => at - step, ArrowRight: () => at + step, ArrowUp: () => at + step,
      PageUp: () => nextChange(row, at, -1), PageDown: () => nextChange(row, at, 1), Home: () => 0, End: () => length - 1,
    }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (to) {
      setMark(row, clamp(to(), 0, length - 1));
      if (mark.at < view[0]) show(mark.at, mark.at + view[1] - view[0]);
      if (mark.at > view[1]) show(mark.at - view[1] + view[0], mark.at);
      redraw();
      tipAtMark();
    } else if (event.key === "+" || event.key === "=") zoomMiddle(2);
    else if (event.key === "-") zoomMiddle(0.5);
    else if (event.key === "Escape") { mark = null; tip.hidden = true; placeCursors(); }
    else return;
    event.preventDefault();
  }

  // ---- the table of events

  function sortable(table) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", "", head.textContent);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.by;
        const lines = [...body.rows].sort((a, b) => {
          const [x, y] = [key(a), key(b)], numeric = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
          return (down ? -1 : 1) * (numeric ? x - y : x < y ? -1 : x > y ? 1 : 0);
        });
        body.append(...lines);
      });
    });
  }

  function filters(table) {
    const box = document.getElementById("filters"), chosen = [];
    const told = make("output", "soft");
    const sieve = () => {
      let count = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = chosen.some((select, column) => select.value !== "" && row.cells[column].dataset.by !== select.value);
        count += !row.hidden;
      }
      told.textContent = `${count} shown`;
    };
    ["Face", "Expression"].forEach((name, column) => {
      const label = make("label", "", `${name} `), select = make("select");
      const values = [...new Set([...table.tBodies[0].rows].map((row) => row.cells[column].dataset.by))];
      values.sort((a, b) => (isNaN(a) ? (a < b ? -1 : 1) : a - b));
      select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
      select.addEventListener("change", sieve);
      chosen.push(select);
      label.append(select);
      box.append(label);
    });
    box.append(told);
  }

  // ---- begin

  for (const article of document.querySelectorAll(".face")) {
    const plot = article.querySelector(".plot");
    const row = { article, plot, track: article.dataset.track, lane: plot.querySelector(".lane"), words: plot.querySelector(".words") };
    rows.set(row.track, row);
    row.cursor = cursorIn(plot);
    for (const [name, value] of Object.entries({ role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": Math.round(length), "aria-valuenow": 0, "aria-valuetext": said(row, 0) }))
      plot.setAttribute(name, value);
    follow(row, plot);
    plot.addEventListener("keydown", (event) => onKey(row, event));
    plot.addEventListener("blur", () => { tip.hidden = true; });
    article.querySelector("details").addEventListener("toggle", () => { if (!row.chart) openCurves(row); });
  }
  const act = {
    in: () => zoomMiddle(2), out: () => zoomMiddle(0.5), back: () => move(-0.5), on: () => move(0.5), all: () => show(0, length),
  };
  for (const button of timeline.querySelectorAll("[data-do]")) button.addEventListener("click", act[button.dataset.do]);
  timeline.querySelector(".tools").hidden = rows.size === 0;
  const table = document.getElementById("events-table");
  if (table) {
    sortable(table);
    filters(table);
    table.addEventListener("click", (event) => {
      const button = event.target.closest(".go"), row = button && rows.get(button.dataset.track);
      if (!row) return;
      const from = 1000 * button.dataset.from - first, to = 1000 * button.dataset.to - first, around = Math.max(1000, to - from);
      show(from - around, to + around);
      row.article.scrollIntoView({ block: "center" });
      row.plot.focus({ preventScroll: true });
      setMark(row, from);
    });
  }
  addEventListener("resize", redrawSoon);
  for (const [name, is] of [["beforeprint", true], ["afterprint", false]]) addEventListener(name, () => { paper = is; redraw(); });
  redraw();
})();
