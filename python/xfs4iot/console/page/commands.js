// Every command of a service: its form, and sending it.

import { h, newId, put } from "./dom.js";
import { check, own } from "./schema.js";
import { choices, fromCapabilities, minimal } from "./suggestions.js";
import { keepable, lastUsed, load, save, use } from "./store.js";
import { t } from "./words.js";
import "./form.js";

// Asks a second time; gives whether to go on.
export function askAgain(command) {
  return new Promise((resolve) => {
    const end = (answer) => () => {
      resolve(answer);
      dialog.remove();
    };
    const id = newId();
    const dialog = h("dialog", { "aria-labelledby": id, oncancel: end(false) },
      h("h2", { id }, t("askAgainTitle")),
      h("p", {}, t("askAgain", { command })),
      h("div", { class: "buttons" }, h("button", { onclick: end(false) }, t("doNothing")), h("button", { class: "danger", onclick: end(true) }, t("sendAnyway"))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

export class CommandPanel extends HTMLElement {
  show(atm, service) {
    const changed = this.service !== service || this.specification !== atm.catalogue.specification;
    Object.assign(this, { atm, service, specification: atm.catalogue.specification });
    if (changed) this.#build();
    else this.#allow();
  }

  #build() {
    const names = Object.keys(this.service.commands).filter((one) => this.atm.catalogue.command(one)).sort();
    const groups = Map.groupBy ? Map.groupBy(names, (one) => one.split(".")[0]) : new Map(names.map((one) => [one.split(".")[0], names.filter((each) => each.startsWith(`${one.split(".")[0]}.`))]));
    this.list = h("ul", { class: "commands" }, [...groups].map(([part, inside]) =>
      h("li", {}, h("h2", { class: "minor" }, part), h("ul", {}, inside.map((one) =>
        h("li", {}, h("button", { class: "command", "data-command": one, onclick: () => this.choose(one) }, one.split(".")[1])))))));
    const filter = h("input", { type: "search", placeholder: t("findCommand"), "aria-label": t("findCommand"), oninput: () => {
      for (const one of this.list.querySelectorAll("button")) one.parentElement.hidden = !one.dataset.command.toLowerCase().includes(filter.value.toLowerCase());
      for (const one of this.list.children) one.hidden = !one.querySelector("li:not([hidden])");
    } });
    this.body = h("div", { class: "body" });
    put(this, h("nav", { class: "picker", "aria-label": t("commands") }, filter, this.list), this.body);
    this.#allow();
    const wanted = names.includes(this.command) ? this.command : names.find((one) => one === "CashDispenser.Dispense") ?? names.find((one) => !one.startsWith("Common.")) ?? names[0];
    if (wanted) this.choose(wanted);
    else put(this.body, h("p", { class: "faint" }, t("noCommands")));
  }

  #allow() {
    for (const one of this.list.querySelectorAll("button")) {
      const why = this.atm.hindrance(this.service, one.dataset.command);
      one.classList.toggle("barred", Boolean(why));
      one.title = why ? t(...why) : one.dataset.command;
    }
    if (this.send) this.#allowSend();
  }

  choose(command, payload) {
    const { atm, service } = this;
    this.command = command;
    for (const one of this.list.querySelectorAll("button")) one.setAttribute("aria-current", String(one.dataset.command === command));
    const entry = atm.catalogue.command(command);
    this.schema = entry.payload;
    this.definitions = atm.catalogue.definitionsFor(command);
    this.form = document.createElement("payload-form");
    const preset = (name, value) => h("button", { type: "button", class: "quiet", "data-preset": name, onclick: () => (this.form.value = value()) }, t(name));
    const timeout = newId();
    this.timeout = h("input", { id: timeout, type: "number", min: 0, step: 100, value: 0 });
    this.saved = h("select", { "aria-label": t("saved"), onchange: () => this.saved.value && (this.form.value = this.#kept()[this.saved.value]) });
    this.send = h("button", { class: "primary", type: "submit" }, t("send"), " ", h("kbd", {}, "Ctrl ↵"));
    this.cancel = h("button", { class: "danger", type: "button", hidden: true, onclick: () => service.connection.cancel(this.request) }, t("cancel"));
    this.why = h("p", { class: "problem", role: "status" });
    this.check = h("ul", { class: "deviations" });
    this.result = h("div", { class: "result", role: "status", "aria-live": "polite" });
    put(this.body,
      h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.go(); }, onkeydown: (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.go(); } } },
        h("header", {}, h("h2", {}, command), h("small", {}, entry.text ?? (entry.version ? t("versionOf", { version: entry.version, specification: this.specification }) : "")), atm.movesCash.has(command) ? h("span", { class: "badge warning" }, t("movesCash")) : null),
        h("div", { class: "buttons presets" },
          preset("minimal", () => minimal(this.schema, this.definitions)),
          preset("lastUsed", () => lastUsed(command) ?? {}),
          preset("fromCapabilities", () => fromCapabilities(service, command, this.schema, this.definitions, this.specification)),
          this.saved,
          h("button", { type: "button", class: "quiet", onclick: () => this.#keep() }, t("save"))),
        this.form, this.check,
        h("div", { class: "buttons sending" }, this.send, this.cancel, h("label", { for: timeout }, t("timeout")), this.timeout, this.why)),
      this.result);
    this.form.addEventListener("payload", () => this.#checked());
    const start = payload ?? lastUsed(command) ?? minimal(this.schema, this.definitions);
    this.form.show(this.schema, this.definitions, start, { masks: atm.masks, choices: (name) => choices(service, name) });
    this.#listSaved();
    this.#allowSend();
  }

  #allowSend() {
    const why = this.atm.hindrance(this.service, this.command);
    this.send.disabled = Boolean(why) || !this.form.good;
    this.why.textContent = why ? t(...why) : "";
  }

  #checked() {
    const found = this.schema && this.form.good ? check(this.schema, this.form.value, this.definitions) : [];
    put(this.check, found.map((one) => h("li", { class: "deviation" }, `⚠ ${one.path} ${one.text}`)));
    this.#allowSend();
  }

  #kept() {
    return own(load("saved", {}), this.command) ?? {};
  }

  #listSaved(chosen = "") {
    put(this.saved, h("option", { value: "" }, t("saved")), Object.keys(this.#kept()).map((one) => h("option", { value: one, selected: one === chosen }, one)));
  }

  #keep() {
    const name = new Date().toISOString().slice(0, 19).replace("T", " ");
    const all = load("saved", {});
    all[this.command] = { ...all[this.command], [name]: keepable(this.form.value, this.atm.masks) };
    save("saved", all);
    this.#listSaved(name);
  }

  async go() {
    if (this.send.disabled) return;
    const { atm, service, command } = this;
    const payload = structuredClone(this.form.value);
    if (atm.asksAgain(command) && !(await askAgain(command))) return;
    use(command, payload, atm.masks);
    this.follow(service.connection.send(command, payload, { timeout: Number(this.timeout.value) || 0 }));
  }

  // Shows what becomes of a request.
  async follow(request) {
    this.request = request;
    this.cancel.hidden = false;
    put(this.result, h("p", {}, h("span", { class: "mark running" }), " ", t("running")));
    await request.done;
    if (this.request !== request) return;
    this.cancel.hidden = true;
    const good = request.code === "success";
    const answer = this.atm.masks.masked({ payload: request.answer ?? {} }).payload;
    const pages = pagesIn(answer);
    put(this.result,
      h("p", {}, h("span", { class: `mark ${good ? "good" : "bad"}` }), " ", h("b", { class: "outcome-code" }, request.code), answer.errorCode ? ` · ${answer.errorCode}` : "", h("small", {}, ` ${Math.round(request.duration)} ms`)),
      request.description ? h("p", { class: "problem" }, request.description) : null,
      pages.map((one) => h("img", { src: `data:image/png;base64,${one}`, alt: t("printout") })),
      Object.keys(answer).length ? h("pre", { tabindex: "0" }, JSON.stringify(pages.length ? { ...answer, printouts: undefined } : answer, null, 2)) : null);
  }
}

// What a simulated printer has printed, as pictures.
function pagesIn(answer) {
  const found = [];
  const look = (value) => {
    if (typeof value === "string" && value.startsWith("iVBORw0KGgo")) found.push(value);
    else if (value && typeof value === "object") Object.values(value).forEach(look);
  };
  look(answer);
  return found.slice(0, 5);
}

customElements.define("command-panel", CommandPanel);
