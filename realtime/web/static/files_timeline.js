// Curves and lanes on canvases, in the colours of the page.
import { tone } from "./files_parts.js";

/** The index of the point that holds at a time; null where the face was not in sight. */
export function indexAt(times, time_s, step_s) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time_s + 1e-3) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time_s - times[low - 1] <= 1.5 * step_s ? low - 1 : null;
}

/** The usual distance between two points, seconds. */
export function stepOf(found) {
  const steps = found.faces.flatMap((face) => face.time_s.slice(1, 60).map((time_s, number) => time_s - face.time_s[number]));
  steps.sort((one, other) => one - other);
  return steps.length ? steps[steps.length >> 1] : Math.max(found.end_s, 0.04);
}

/** Every label's curve for one face, uncertain stretches shaded. */
export function drawCurves(canvas, found, face, end_s) {
  const { context, width, height, colour } = ready(canvas);
  const [top, bottom] = [4, height - 4];
  const x = (time_s) => (width * time_s) / end_s;
  const y = (permille) => bottom - ((bottom - top) * permille) / 1000;
  context.strokeStyle = colour("var(--line)");
  context.lineWidth = 1;
  for (const permille of [0, 500, 1000]) {
    context.beginPath();
    context.moveTo(0, Math.round(y(permille)) + 0.5);
    context.lineTo(width, Math.round(y(permille)) + 0.5);
    context.stroke();
  }
  context.fillStyle = colour("var(--rail)");
  for (const [first, last] of runs(face, found.step_s, (number) => Boolean(face.doubt[number]))) {
    if (face.doubt[first]) context.fillRect(x(face.time_s[first]), top, x(face.time_s[last] + found.step_s) - x(face.time_s[first]), bottom - top);
  }
  context.lineJoin = "round";
  found.labels.forEach((label, column) => {
    const most = Math.max(...face.permille.map((row) => row[column]));
    context.strokeStyle = colour(tone(label));
    context.lineWidth = most > 300 ? 2.25 : 1.25;
    context.globalAlpha = most > 300 ? 1 : 0.55;
    for (const [first, last] of runs(face, found.step_s)) {
      context.beginPath();
      context.moveTo(x(face.time_s[first]), y(face.permille[first][column]));
      for (let number = first; number <= last; number++) context.lineTo(x(face.time_s[number]), y(face.permille[number][column]));
      context.lineTo(x(face.time_s[last] + found.step_s), y(face.permille[last][column]));
      context.stroke();
    }
  });
  context.globalAlpha = 1;
}

/** Which label a face shows when, as a band; hatched where it is uncertain, nothing where it is out of sight. */
export function drawLane(canvas, found, face, end_s) {
  const { context, width, height, colour } = ready(canvas);
  const x = (time_s) => (width * time_s) / end_s;
  const same = (number) => (face.doubt[number] ? "doubt" : face.shown[number]);
  for (const [first, last] of runs(face, found.step_s, same)) {
    const [left, right] = [x(face.time_s[first]), Math.max(x(face.time_s[first]) + 1, x(face.time_s[last] + found.step_s))];
    if (face.doubt[first]) hatch(context, left, right, height, colour("var(--rail)"), colour("var(--muted)"));
    else {
      context.fillStyle = colour(tone(found.labels[face.shown[first]]));
      context.fillRect(left, 0, right - left, height);
    }
  }
}

function hatch(context, left, right, height, ground, ink) {
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, height);
  context.clip();
  context.fillStyle = ground;
  context.fillRect(left, 0, right - left, height);
  context.strokeStyle = ink;
  context.globalAlpha = 0.45;
  context.lineWidth = 1;
  for (let from = Math.floor((left - height) / 6) * 6; from < right; from += 6) {
    context.beginPath();
    context.moveTo(from, height);
    context.lineTo(from + height, 0);
    context.stroke();
  }
  context.restore();
}

/** [first, last] of the stretches of points without a gap in which `same` gives one value. */
function runs(face, step_s, same = () => 0) {
  const found = [];
  face.time_s.forEach((time_s, number) => {
    const goes_on = number > 0 && time_s - face.time_s[number - 1] <= 2.5 * step_s && same(number) === same(number - 1);
    if (goes_on) found.at(-1)[1] = number;
    else found.push([number, number]);
  });
  return found;
}

/** A cleared canvas of the size that it has on the screen, in CSS pixels. */
function ready(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const colour = (css) => {
    const [, name, other] = css.match(/^var\((--[a-z]+)(?:, var\((--[a-z]+)\))?\)$/);
    return style.getPropertyValue(name).trim() || style.getPropertyValue(other).trim();
  };
  return { context, width, height, colour };
}
