// What the browser keeps between visits: requests without their secrets, and how the page is set.

import { MASK } from "./masks.js";
import { own } from "./schema.js";

const PREFIX = "xfs4iot.";

export function load(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function save(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing is one that forgets, no more.
  }
}

// A payload as it may be kept: what is secret is left out.
export function keepable(payload, masks) {
  const strip = (value) => {
    if (Array.isArray(value)) return value.map(strip).filter((one) => one !== MASK);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== MASK).map(([name, one]) => [name, strip(one)]));
    return value;
  };
  return strip(masks.masked(payload));
}

export const lastUsed = (command) => own(load("last", {}), command);

export function use(command, payload, masks) {
  save("last", { ...load("last", {}), [command]: keepable(payload, masks) });
}
