// Everything that was exchanged: a request with all that came of it is one row; events stand alone.

import { h, put, visible } from "./dom.js";
import { number, t } from "./words.js";

const SHOWN = 300;

const clock = (time) => `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
const took = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${number(Math.round(ms / 100) / 10)} s`);

// As the shell reads it whatever is in it.
const quoted = (text) => (/^[\w.:/@%-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

// JSON in which nothing is hidden, and nothing turns the order of what follows.
const written = (value, indent) => visible(JSON.stringify(value, null, indent));

export function asCall(uri, request, payload) {
  const timeout = request.timeout ? ` --timeout ${request.timeout}` : "";
  return `xfs4iot call ${quoted(uri)} ${quoted(request.command)} ${quoted(written(payload))}${timeout}`;
}

const python = (value) =>
  written(value, 4).replace(/"(?:[^"\\]|\\.)*"|\b(true|false|null)\b/g, (whole, word) =>
    word ? { true: "True", false: "False", null: "None" }[word] : whole.replace(/\\udb40\\udc([0-7][0-9a-f])/g, "\\U000e00$1"),
  );

export function asPython(uri, request, payload) {
  const seconds = request.timeout ? `, timeout=${request.timeout / 1000}` : "";
  return `async with xfs4iot.connect(${python(uri)}) as service:\n    answer = await service.call(${python(request.command)}, ${python(payload).replaceAll("\n", "\n    ")}${seconds})\n`;
}

export class TimelineView extends HTMLElement {
  show(atm, { repeat, keep }) {
    Object.assign(this, { atm, repeat, keep });
    this.rows = new Map();
    this.opened = new Set();
    this.filter = { text: "", service: "", kind: "", background: false };
    const services = h("select", { "aria-label": t("service"), onchange: (event) => this.#filtered("service", event.target.value) },
      h("option", { value: "" }, t("allServices")), atm.devices.map((one) => h("option", { value: one.name }, one.name)));
    const kinds = h("select", { "aria-label": t("kind"), onchange: (event) => this.#filtered("kind", event.target.value) },
      ["", "requests", "events", "failures", "deviations"].map((one) => h("option", { value: one }, t(one || "allKinds"))));
    this.search = h("input", { type: "search", placeholder: t("search"), "aria-label": t("search"), oninput: (event) => this.#filtered("text", event.target.value.toLowerCase()) });
    const background = h("label", { class: "check" }, h("input", { type: "checkbox", onchange: (event) => this.#filtered("background", event.target.checked) }), " ", t("background"));
    this.list = h("ol", { class: "log" });
    this.none = h("p", { class: "faint" }, t("nothingYet"));
    put(this,
      h("header", {}, h("h2", {}, t("timeline")), h("button", { class: "quiet", onclick: () => this.clear() }, t("clear"))),
      h("div", { class: "filters" }, this.search, services, kinds, background),
      this.none, this.list);
    atm.addEventListener("log", ({ detail }) => this.#update(detail));
    this.#all();
  }

  clear() {
    this.atm.log.length = 0;
    this.#all();
  }

  #filtered(name, value) {
    this.filter[name] = value;
    this.#all();
  }

  #all() {
    this.rows.clear();
    this.list.replaceChildren();
    for (const entry of this.atm.log.slice(-SHOWN)) this.#update(entry);
    this.none.hidden = this.list.childElementCount > 0;
  }

  #fits(entry) {
    const { text, service, kind, background } = this.filter;
    const isRequest = "command" in entry;
    if (entry.background && !background && !entry.deviations.length) return false;
    if (service && entry.service !== service) return false;
    if (kind === "requests" && !isRequest) return false;
    if (kind === "events" && isRequest) return false;
    if (kind === "failures" && !(isRequest && entry.code && entry.code !== "success")) return false;
    if (kind === "deviations" && !entry.deviations.length) return false;
    if (!text) return true;
    const messages = isRequest ? entry.messages.map((one) => one.message) : [entry.message];
    const said = JSON.stringify(messages.map((one) => this.atm.masks.masked(one)));
    return `${entry.command ?? entry.name} ${entry.service} ${entry.code ?? ""} ${said}`.toLowerCase().includes(text);
  }

  #update(entry) {
    const known = this.rows.get(entry.id);
    if (!this.#fits(entry)) {
      known?.remove();
      this.rows.delete(entry.id);
      return;
    }
    this.none.hidden = true;
    const focused = known?.contains(document.activeElement);
    const row = this.#row(entry);
    this.rows.set(entry.id, row);
    if (known) {
      known.replaceWith(row);
      if (focused) row.querySelector("summary").focus();
    } else {
      this.list.prepend(row);
      if (this.list.childElementCount > SHOWN) this.list.lastElementChild.remove();
    }
  }

  #row(entry) {
    const isRequest = "command" in entry;
    const state = !isRequest ? "event" : entry.open ? "running" : entry.code === "success" ? "good" : "bad";
    const said = !isRequest ? "" : entry.open ? t("running") : entry.answer?.errorCode ?? entry.code;
    const events = isRequest ? entry.messages.filter((one) => one.message.header?.type === "event").length : 0;
    const deviations = entry.deviations.length;
    const summary = h("summary", {},
      h("span", { class: `mark ${state}`, "aria-hidden": "true" }),
      h("span", { class: "what" }, h("b", {}, entry.command ?? entry.name)),
      deviations || events ? h("span", { class: "badges" },
        deviations ? h("span", { class: "badge warning", title: t("deviations") }, `⚠ ${deviations}`) : null,
        events ? h("span", { class: "badge" }, t("events_n", { count: events })) : null) : null,
      h("span", { class: `code ${state}` }, h("span", { class: "where" }, entry.service || "ServicePublisher"), said),
      h("span", { class: "time" }, isRequest && !entry.open ? took(entry.duration) : "", h("time", {}, clock(entry.time))));
    const open = this.opened.has(entry.id);
    const details = h("details", { ontoggle: () => {
      if (details.open) {
        this.opened.add(entry.id);
        if (details.childElementCount === 1) details.append(this.#details(entry));
      } else this.opened.delete(entry.id);
    } }, summary);
    if (open) {
      details.open = true;
      details.append(this.#details(entry));
    }
    return h("li", { class: state, "data-command": entry.command ?? entry.name, "data-service": entry.service }, details);
  }

  #details(entry) {
    const { masks, services } = this.atm;
    const isRequest = "command" in entry;
    const messages = isRequest ? entry.messages : [{ way: "received", message: entry.message, deviations: entry.deviations }];
    const shown = messages.map((one) => {
      const { header = {}, payload } = one.message;
      const text = JSON.stringify({ ...masks.masked({ payload: payload ?? {} }) }.payload, null, 2);
      return h("div", { class: `message ${one.way}` },
        h("p", {}, one.way === "sent" ? "→ " : "← ", h("b", {}, header.type), ` ${header.name ?? ""}${header.requestId ? ` #${header.requestId}` : ""}${header.version ? ` v${header.version}` : ""}`,
          header.completionCode ? ` ${header.completionCode}` : "", one.at === undefined ? "" : h("small", {}, ` +${took(one.at)}`)),
        header.errorDescription ? h("p", { class: "problem" }, masks.text(String(header.errorDescription))) : null,
        one.deviations.map((each) => h("p", { class: "deviation" }, `⚠ ${each.path} ${each.text}`)),
        text === "{}" ? null : h("pre", { tabindex: "0" }, text));
    });
    const copy = (label, text) => h("button", { class: "quiet", onclick: async (event) => {
      await navigator.clipboard.writeText(text());
      event.target.textContent = t("copied");
      setTimeout(() => (event.target.textContent = label), 1200);
    } }, label);
    const all = () => written(messages.map((one) => masks.masked(one.message)), 2);
    const buttons = [copy(t("copyJson"), all)];
    if (isRequest) {
      const uri = services.get(entry.service).uri;
      const payload = masks.masked(entry.payload);
      buttons.push(copy(t("copyCall"), () => asCall(uri, entry, payload)), copy(t("copyPython"), () => asPython(uri, entry, payload)));
      if (entry.open) buttons.push(h("button", { class: "danger", onclick: () => services.get(entry.service).connection.cancel(entry) }, t("cancel")));
      buttons.push(h("button", { class: "quiet", onclick: () => this.repeat(entry) }, t("repeat")),
        h("button", { class: "quiet", onclick: () => this.keep(entry) }, t("toScenario")));
    }
    return h("div", { class: "details" }, h("div", { class: "buttons" }, buttons), shown);
  }
}

customElements.define("timeline-view", TimelineView);
