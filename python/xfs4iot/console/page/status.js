// The status of a service as a tree; what has just changed is marked.

import { h, put } from "./dom.js";
import { t } from "./words.js";

const TONES = {
  bad: /^(hardwareError|userError|noDevice|offline|powerOff|fraudAttempt|potentialFraud|inoperative|inop|jammed|out|missing|fault|failed|full|manipulated|error|engaged|critical|notSupp.*Error)$/i,
  warn: /^(low|high|starting|deviceBusy|unknown|degraded|active|open|doorOpen|notEmpty|busy|warning|lost|connecting)$/i,
  good: /^(online|ok|good|closed|doorClosed|inPosition|healthy|ready|initialized|inService)$/i,
};

export const toneOf = (value) => Object.keys(TONES).find((one) => TONES[one].test(String(value))) ?? "";

export class StatusTree extends HTMLElement {
  show(service, what) {
    const shown = new Map([...this.querySelectorAll("details")].map((one) => [one.dataset.path, one.open]));
    const focused = this.contains(document.activeElement) ? document.activeElement.closest("details")?.dataset.path : undefined;
    // What a device can do is long, and mostly not what is looked for.
    const isOpen = (path) => shown.get(path) ?? what !== "capabilities";
    const content = service[what];
    const branch = (value, path) =>
      Object.entries(value).map(([name, below]) => {
        const here = `${path}.${name}`;
        const isNew = service.isNew(here);
        if (below && typeof below === "object" && Object.keys(below).length)
          return h("li", {}, h("details", { open: isOpen(here), "data-path": here },
            h("summary", { class: isNew ? "new" : null }, Array.isArray(value) ? `${Number(name) + 1}${below.position ? ` · ${below.position}` : ""}` : name), h("ul", {}, branch(below, here))));
        const text = below && typeof below === "object" ? (Array.isArray(below) ? "[ ]" : "{ }") : String(below);
        return h("li", { class: isNew ? "leaf new" : "leaf" }, h("span", { class: "key" }, name), h("span", { class: `value ${toneOf(below)}` }, text),
          isNew ? h("span", { class: "badge" }, t("changed")) : null);
      });
    const entries = Object.keys(content).length;
    put(this, entries ? h("ul", { class: "tree" }, branch(service.masks.masked(content), what)) : h("p", { class: "faint" }, t("nothingTold")));
    if (focused) [...this.querySelectorAll("details")].find((one) => one.dataset.path === focused)?.querySelector("summary").focus({ preventScroll: true });
  }
}

customElements.define("status-tree", StatusTree);
