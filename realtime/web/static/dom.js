// Elements without HTML strings, which the page's policy forbids.

/** An element: `make("button", {class: "button", type: "button", onclick: f}, "Save")`; null children are left out. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(key, value);
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A labelled select: [wrapper, select]. `choices`: [[value, text], …]. */
export function choice(label, choices, onchange, attributes = {}) {
  const select = make("select", { ...attributes, onchange: () => onchange(select.value) });
  setChoices(select, choices);
  return [make("label", { class: "field" }, make("span", {}, label), select), select];
}

/** Replace what a select offers, keeping its value where it still can be had. */
export function setChoices(select, choices, value = select.value) {
  const offered = JSON.stringify(choices);
  if (select.dataset.offered !== offered) {
    select.dataset.offered = offered;
    select.replaceChildren(...choices.map(([each, text]) => make("option", { value: each }, text)));
  }
  if (choices.some(([each]) => each === value)) select.value = value;
}

/** The message of an answer that is not ok. */
export async function problem(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `the server answered ${response.status}`;
  }
}
