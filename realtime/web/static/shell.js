// The frame around both tabs: which one is shown, the keys, and what a screen reader is told.
//
// A tab's module exports `mount(section, page)`, called once; it gives { shown(), hidden() }, called as the tab is
// opened and left. `page` has
//   announce(text)               told to screen readers
//   key(keys, text, action)      a shortcut of this tab; "?" lists it. keys: " ", "m", …; not while something is typed
import { make } from "./dom.js";
import { mount as mountFiles } from "./files.js";
import { mount as mountLive } from "./live.js";

const announcer = document.getElementById("announcer");
const help = document.getElementById("help");
const tabs = [];
let open = null;

function add(id, mount) {
  const tab = { id, keys: new Map(), section: document.getElementById(id), button: document.getElementById(`tab-${id}`) };
  tab.button.addEventListener("click", () => show(tab));
  tabs.push(tab);
  tab.part = mount(tab.section, {
    announce: (text) => { announcer.textContent = text; },
    key: (key, text, action) => tab.keys.set(key, { text, action }),
  });
}

function show(tab) {
  if (tab === open) return;
  const before = open;
  open = tab;
  for (const each of tabs) {
    const isOpen = each === tab;
    each.section.hidden = !isOpen;
    each.button.setAttribute("aria-selected", isOpen);
    each.button.tabIndex = isOpen ? 0 : -1;
  }
  history.replaceState(null, "", `#${tab.id}`);
  before?.part.hidden();
  tab.part.shown();
}

function showNamed() {
  show(tabs.find((tab) => `#${tab.id}` === location.hash) ?? tabs[0]);
}

function nameOf(key) {
  return { " ": "Space", ArrowLeft: "←", ArrowRight: "→" }[key] ?? key;
}

function openHelp() {
  const rows = [
    ...[...open.keys].map(([key, { text }]) => [key, text]),
    ["1 2", "Live; photo or clip"],
    ["?", "This list"],
  ];
  document.getElementById("keys").replaceChildren(
    ...rows.flatMap(([key, text]) => [make("dt", {}, make("kbd", {}, nameOf(key))), make("dd", {}, text)]),
  );
  help.showModal();
}

document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(open) + step + tabs.length) % tabs.length];
  show(next);
  next.button.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target.closest("input, select, textarea")) return;
  // Space and Enter press what is focused; they are nobody's shortcut there.
  if ([" ", "Enter"].includes(event.key) && event.target.closest("button, a, summary, [tabindex='0']")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = { "?": openHelp, 1: () => show(tabs[0]), 2: () => show(tabs[1]) }[key] ?? open.keys.get(key)?.action;
  if (!action) return;
  event.preventDefault();
  action();
});

document.getElementById("help-button").addEventListener("click", openHelp);
help.addEventListener("click", (event) => { if (event.target === help) help.close(); });
window.addEventListener("hashchange", showNamed);

add("live", mountLive);
add("files", mountFiles);
showNamed();
