// Elements in one expression: h("button", { class: "quiet", onclick: send }, "Send").

// Characters that are not seen, or that turn the order of what is: as JSON writes them, so that a device's
// text can neither hide anything nor pass for another.
const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;
export const visible = (text) =>
  text.replace(UNSEEN, (found) => [...Array(found.length).keys()].map((one) => `\\u${found.charCodeAt(one).toString(16).padStart(4, "0")}`).join(""));

// Attributes that a person reads or hears.
const SPOKEN = new Set(["title", "alt", "placeholder", "aria-label"]);

function attributes(element, given) {
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") element[name] = value;
    else if (SPOKEN.has(name)) element.setAttribute(name, visible(String(value)));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

function fill(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : visible(String(child)));
  }
}

export function h(tag, given, ...children) {
  const element = document.createElement(tag);
  // Before the attributes: the value of a select needs its options.
  fill(element, children);
  attributes(element, given);
  return element;
}

export function svg(tag, given, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  attributes(element, given);
  fill(element, children);
  return element;
}

export const put = (element, ...children) => {
  element.replaceChildren();
  fill(element, children);
  return element;
};

// Ids that join labels and what they name.
let last = 0;
export const newId = () => `e${++last}`;

export const download = (name, text) => {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
};
