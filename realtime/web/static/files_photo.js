// A photo with its faces: the annotated picture, and a list that goes with it.
import { make } from "./dom.js";
import { bars, count, downloads, many, verdict } from "./files_parts.js";

/** Show a finished photo; gives { element, close(), keys } as the tab's other views. */
export function showPhoto(state, found) {
  const picture = state.outputs.find((output) => output.key === "picture");
  const [width, height] = found.size_wh;
  const items = found.faces.map((face, number) => listItem(state, found, face, number));
  const spots = found.faces.map((face) => hotSpot(face, width, height));
  const single = new AbortController();

  function point(number, on) {
    items[number].classList.toggle("pointed", on);
    spots[number].classList.toggle("pointed", on);
  }
  items.forEach((item, number) => {
    for (const [element, other] of [[item, null], [spots[number], item]]) {
      element.addEventListener("pointerenter", () => point(number, true));
      element.addEventListener("pointerleave", () => point(number, false));
      element.addEventListener("focus", () => point(number, true));
      element.addEventListener("blur", () => point(number, false));
      if (other) element.addEventListener("click", () => other.focus());
    }
    item.addEventListener("focus", () => {
      item.scrollIntoView({ block: "nearest" });
      if (stage.classList.contains("actual")) spots[number].scrollIntoView({ block: "center", inline: "center" });
    });
    item.addEventListener("keydown", (event) => {
      const next = items[number + ({ ArrowDown: 1, ArrowUp: -1 }[event.key] ?? NaN)];
      if (next) {
        event.preventDefault();
        next.focus();
      }
    });
  });

  const image = make("img", {
    src: `${picture.href}?view=1`,
    width,
    height,
    alt: `${state.name} with ${many(found.faces.length, "face")} marked`,
  });
  const frame = make("div", { class: "photo-frame" }, image, ...spots);
  // For the layout before the picture has come.
  frame.style.setProperty("--shape", `${width} / ${height}`);
  frame.style.setProperty("--width", `${width}px`);
  const stage = make("div", { class: "screen" }, frame);
  const zoom = make("button", { class: "button quiet", type: "button", "aria-pressed": "false", onclick: turnZoom }, "Actual size");

  function turnZoom() {
    const actual = stage.classList.toggle("actual");
    zoom.setAttribute("aria-pressed", String(actual));
    stage.toggleAttribute("tabindex", actual);
    if (actual) stage.tabIndex = 0;
  }

  const uncertain = found.faces.filter((face) => face.doubt).length;
  const told = found.faces.length
    ? [make("strong", {}, many(found.faces.length, "face")), uncertain ? `, ${count(uncertain)} uncertain` : ""]
    : [make("strong", {}, "No face was found.")];
  const hint = "Try another detector, leave out the eye check, or give a larger picture.";
  const list = make(
    "section",
    { class: "card found-faces", "aria-label": "Faces" },
    make("p", { class: "faces-head" }, make("span", {}, ...told)),
    found.faces.length ? make("ol", { class: "face-list" }, ...items) : make("p", { class: "quiet-text" }, hint),
  );
  const element = make(
    "div",
    { class: "result photo" },
    make(
      "div",
      { class: "result-main" },
      stage,
      make("div", { class: "under-stage" }, make("span", { class: "quiet-text figures" }, `${count(width)} × ${count(height)} px`), zoom),
    ),
    make("div", { class: "result-side" }, list, downloads(state.outputs)),
  );
  return {
    element,
    summary: `${many(found.faces.length, "face")} found`,
    close: () => single.abort(),
    keys: { z: turnZoom },
  };
}

function listItem(state, found, face, number) {
  const { thumb_px: side, thumbs_a_row: across } = found;
  const thumb = make("span", { class: "thumb", role: "img", "aria-label": `face ${face.track}` });
  const rows = Math.ceil(Math.max(1, found.faces.length) / across);
  thumb.style.backgroundImage = `url("/files/${state.id}/thumbs")`;
  thumb.style.backgroundSize = `${across * 100}% ${rows * 100}%`;
  const [column, row] = [number % across, Math.floor(number / across)];
  thumb.style.backgroundPosition = `${(100 * column) / (across - 1)}% ${rows > 1 ? (100 * row) / (rows - 1) : 0}%`;
  thumb.dataset.side = side;
  return make(
    "li",
    { class: "found-face", tabindex: "0" },
    thumb,
    make(
      "div",
      { class: "face-said" },
      make("p", { class: "face-line" }, verdict(found.labels, face), make("span", { class: "number" }, `#${face.track}`)),
      bars(found.labels, face.permille),
    ),
  );
}

function hotSpot(face, width, height) {
  const [left, top, right, bottom] = face.box;
  const spot = make("button", { class: "spot", type: "button", tabindex: "-1", "aria-label": `face ${face.track}` });
  spot.style.left = `${(100 * left) / width}%`;
  spot.style.top = `${(100 * top) / height}%`;
  spot.style.width = `${(100 * (right - left)) / width}%`;
  spot.style.height = `${(100 * (bottom - top)) / height}%`;
  return spot;
}
