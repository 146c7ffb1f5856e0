// What photos and clips are both shown with.
import { make } from "./dom.js";

/** The colour of a label, as CSS. */
export function tone(label) {
  return /^[a-z]+$/.test(label) ? `var(--${label}, var(--accent))` : "var(--accent)";
}

/** An element in the colour of a label: its CSS has `var(--tone)`. */
export function toned(element, label) {
  element.style.setProperty("--tone", tone(label));
  return element;
}

/** "1,234". */
export function count(number) {
  return number.toLocaleString("en");
}

/** "1 face", "29 faces". */
export function many(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** "820 kB". */
export function bytes(number) {
  if (number < 1e6) return `${Math.max(1, Math.round(number / 1e3))} kB`;
  return `${(number / 1e6).toFixed(number < 1e7 ? 1 : 0)} MB`;
}

/** "0:07.4", "1:02:03.0". */
export function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const tail = `${rest < 10 ? "0" : ""}${rest.toFixed(1)}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** What a face shows: its label with a percentage, or that it is uncertain and why. */
export function verdict(labels, face) {
  const label = labels[face.shown];
  if (face.doubt) {
    const why = make("span", { class: "why" }, face.doubt);
    return make("span", { class: "verdict doubted" }, make("i", { class: "swatch" }), "uncertain", why);
  }
  const dot = make("i", { class: "swatch" });
  const percent = make("span", { class: "figures percent" }, `${Math.round(face.permille[face.shown] / 10)} %`);
  return toned(make("span", { class: "verdict" }, dot, label, percent), label);
}

/** A bar for each label. */
export function bars(labels, permille) {
  const rows = labels.map((label, number) => {
    const bar = toned(make("i", { class: "bar" }), label);
    bar.style.width = `${permille[number] / 10}%`;
    const value = make("span", { class: "figures" }, `${Math.round(permille[number] / 10)}`);
    return make("li", {}, make("span", {}, label), make("span", { class: "bar-rail" }, bar), value);
  });
  return make("ul", { class: "bars", "aria-label": "Probabilities in percent" }, ...rows);
}

/** The files to save: the first as a button of its own, the others by what they are. */
export function downloads(outputs) {
  const [first, ...rest] = outputs;
  const link = (output, attributes, ...children) =>
    make("a", { href: output.href, download: output.name, title: `${output.name}, ${bytes(output.bytes)}`, ...attributes }, ...children);
  const groups = new Map();
  for (const output of rest) {
    const [group, name] = output.title.includes(": ") ? output.title.split(": ") : ["", output.title];
    groups.set(group, [...(groups.get(group) ?? []), link(output, { class: "chip" }, name)]);
  }
  // What belongs to no group comes last.
  const ordered = [...groups].sort(([one], [other]) => Number(one === "") - Number(other === ""));
  return make(
    "section",
    { class: "card save", "aria-label": "Save" },
    link(first, { class: "button primary", id: "save-annotated" }, `Save ${first.title.toLowerCase()}`, make("small", {}, bytes(first.bytes))),
    ...ordered.map(([group, links]) => make("p", { class: "save-row" }, make("span", { class: "quiet-text" }, group || "Also"), make("span", {}, ...links))),
  );
}
