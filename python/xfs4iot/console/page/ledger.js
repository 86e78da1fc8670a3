// The ledger's last movements.

import { h, put } from "./dom.js";
import { t } from "./words.js";

const BUSY = 250;

export class LedgerView extends HTMLElement {
  show(atm) {
    this.atm = atm;
    atm.addEventListener("movement", () => {
      clearTimeout(this.timer);
      if (this.isConnected && !this.closest("[hidden]")) this.timer = setTimeout(() => this.load(), BUSY);
    });
  }

  async load() {
    const answer = await fetch("ledger").catch(() => null);
    const content = answer ? await answer.json().catch(() => ({})) : {};
    if (!answer?.ok) return put(this, h("p", { class: "problem" }, content.error ?? t("notConnected")));
    const { movements } = content;
    if (!movements.length) return put(this, h("p", { class: "faint" }, t("noMovements")));
    const known = this.newest;
    this.newest = movements[0].number;
    const columns = ["number", "time", "service", "movement", "outcome", "changes"];
    return put(this, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("ledger") }, h("table", {},
      h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col" }, t(one))))),
      h("tbody", {}, movements.map((one) => h("tr", { class: known && one.number > known ? "new" : null },
        h("td", { class: "number" }, one.number),
        h("td", { title: one.time }, one.time.slice(11, 19)),
        h("td", {}, one.service),
        h("td", {}, h("b", {}, one.kind), one.command ? h("small", {}, ` ${one.command} #${one.requestId} · ${one.identity}`) : null),
        h("td", {}, h("span", { class: `outcome ${one.outcome}` }, one.outcome)),
        h("td", { class: "changes" }, changes(one)))))))); 
  }
}

// "unit1 EUR10: count −3, out.presented +3"
function changes(movement) {
  const by = new Map();
  for (const { unit, item, level, bucket, delta } of movement.changes) {
    const what = [unit, item.replace(/^type/, ""), level === "fit" ? "" : level].filter(Boolean).join(" ");
    by.set(what, [...(by.get(what) ?? []), `${bucket} ${delta < 0 ? "−" : "+"}${Math.abs(delta)}`]);
  }
  return [...by].map(([what, parts]) => h("div", {}, h("b", {}, what), ` ${parts.join(", ")}`));
}

customElements.define("ledger-view", LedgerView);
