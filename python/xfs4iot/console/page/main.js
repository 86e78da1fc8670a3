// The page: which services there are, one of them in the middle, and beside it everything that is said.

import { Atm } from "./atm.js";
import { h, put } from "./dom.js";
import { Masks } from "./masks.js";
import { logOut } from "./login.js";
import { askAgain } from "./commands.js";
import { load, save, use } from "./store.js";
import { toneOf } from "./status.js";
import { LANGUAGES, language, speak, t } from "./words.js";
import "./ledger.js";
import "./machine.js";
import "./scenarios.js";
import "./timeline.js";

const TABS = ["machine", "commands", "status", "ledger", "scenarios"];

class XfsConsole extends HTMLElement {
  async connectedCallback() {
    await speak(load("language", ""));
    await this.#begin();
  }

  async #begin(ended = false) {
    const [facts, rules] = await Promise.all([fetch("atm"), fetch("masks.json")]);
    const told = await facts.json();
    if (facts.status === 401 || facts.status === 403) {
      const login = document.createElement("login-view");
      // Nothing of what a person saw stays behind him.
      this.atm = undefined;
      put(this, login);
      login.show({ possible: told.login, ended, done: () => this.#begin() });
      return;
    }
    const base = location.origin.replace(/^http/, "ws");
    this.atm = new Atm(told, new Masks(await rules.json()), base);
    const { specifications } = told;
    const wanted = load("specification", specifications.at(-1));
    await this.atm.speak(specifications.includes(wanted) ? wanted : specifications.at(-1));
    this.selected = this.atm.devices.find((one) => one.name === load("service", ""))?.name ?? this.atm.devices[0].name;
    this.#build();
    this.atm.addEventListener("service", () => this.#soon());
    this.atm.addEventListener("lost", () => this.#stillKnown());
    this.#draw();
  }

  get service() {
    return this.atm.services.get(this.selected);
  }

  #build() {
    const { atm } = this;
    const { facts } = atm;
    const choose = (name, options, chosen, change) =>
      h("label", { class: "pick" }, h("span", {}, t(name)), h("select", { onchange: (event) => change(event.target.value) }, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text))));
    this.summary = h("p", { class: "summary", role: "status" });
    this.nav = h("nav", { class: "services", "aria-label": t("services") });
    this.views = Object.fromEntries(TABS.map((one) => [one, null]));
    this.views.machine = document.createElement("machine-view");
    this.views.commands = document.createElement("command-panel");
    this.views.status = h("div", { class: "trees" });
    this.views.ledger = document.createElement("ledger-view");
    this.views.scenarios = document.createElement("scenario-view");
    const tabs = TABS.filter((one) => one !== "ledger" || facts.ledger);
    this.tabs = h("div", { class: "tabs", role: "tablist", "aria-label": t("views"), onkeydown: (event) => this.#arrows(event) }, tabs.map((one) =>
      h("button", { role: "tab", id: `tab-${one}`, "aria-controls": `view-${one}`, onclick: () => this.#open(one) }, t(one))));
    const panels = tabs.map((one) => h("div", { role: "tabpanel", id: `view-${one}`, "aria-labelledby": `tab-${one}`, class: `view ${one}` }, this.views[one]));
    this.timeline = document.createElement("timeline-view");
    const status = (what) => {
      const tree = document.createElement("status-tree");
      return { tree, box: h("section", {}, h("h2", { class: "minor" }, t(what)), tree) };
    };
    this.trees = Object.fromEntries(["status", "units", "capabilities"].map((one) => [one, status(one)]));
    put(this.views.status, Object.values(this.trees).map((one) => one.box));
    const { user } = facts;
    put(this,
      h("header", { class: "top" },
        h("h1", {}, h("span", { class: "logo", "aria-hidden": "true" }), "XFS4IoT ", h("span", {}, t("console"))),
        h("span", { class: "host" }, location.host, facts.simulated ? h("span", { class: "badge" }, t("simulated")) : h("span", { class: "badge warning" }, t("hardware"))),
        this.summary,
        choose("version", facts.specifications.map((one) => [one, one]), atm.catalogue.specification, async (one) => { save("specification", one); await atm.speak(one); this.#draw(); }),
        choose("language", Object.entries(LANGUAGES), language, async (one) => { save("language", one); atm.close(); await speak(one); await this.#begin(); }),
        h("span", { class: "user" }, user.name ?? t("anonymous"), user.loggedIn ? h("button", { class: "quiet", onclick: async () => { atm.close(); await logOut(); await this.#begin(); } }, t("logOut")) : null)),
      h("div", { class: "work" }, this.nav, h("main", {}, this.tabs, panels), h("aside", { "aria-label": t("timeline") }, this.timeline)));
    this.views.ledger.show(atm);
    this.views.scenarios.show(atm);
    this.timeline.show(atm, { repeat: (request) => this.#repeat(request), keep: (request) => this.views.scenarios.add(request) });
    put(this.nav, h("ul", {}, [...atm.devices, atm.services.get("")].map((one) => h("li", {}, h("button", { "data-service": one.name, onclick: () => this.#select(one.name) },
      h("span", { class: "lamp-dot", "aria-hidden": "true" }), h("span", { class: "name" }, one.label), h("span", { class: "state" }))))));
    this.#open(tabs.includes(load("tab", "")) ? load("tab", "") : "machine");
  }

  #arrows(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...this.tabs.children];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  }

  #open(tab) {
    this.tab = tab;
    save("tab", tab);
    for (const one of this.tabs.children) {
      const on = one.id === `tab-${tab}`;
      one.setAttribute("aria-selected", String(on));
      one.tabIndex = on ? 0 : -1;
      this.querySelector(`#view-${one.id.slice(4)}`).hidden = !on;
    }
    if (tab === "ledger") this.views.ledger.load();
    this.#draw();
  }

  #select(name) {
    this.selected = name;
    save("service", name);
    this.#draw();
  }

  // Whether a connection was lost because the login has ended.
  async #stillKnown() {
    const { atm } = this;
    if (this.asking || !atm?.facts.user.loggedIn) return;
    this.asking = true;
    const answer = await fetch("atm").catch(() => undefined);
    this.asking = false;
    if (answer?.status !== 401 || this.atm !== atm) return;
    atm.close();
    await this.#begin(true);
  }

  // Once for all changes of a moment.
  #soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.atm) this.#draw();
    });
  }

  #draw() {
    const { atm, service } = this;
    const good = atm.devices.filter((one) => toneOf(one.device) === "good").length;
    put(this.summary, h("span", { class: `mark ${good === atm.devices.length ? "good" : "bad"}` }), " ", t("online_n", { count: good, all: atm.devices.length }));
    for (const button of this.nav.querySelectorAll("button")) {
      const one = atm.services.get(button.dataset.service);
      const running = [...one.connection.pending.values()].filter((each) => !each.background).length;
      button.className = toneOf(one.device);
      button.classList.toggle("new", one.isNew("status"));
      button.setAttribute("aria-current", String(one === service));
      button.querySelector(".state").textContent = running ? t("running_n", { count: running }) : one.device === "online" ? "" : one.device;
    }
    if (this.tab === "machine") this.views.machine.show(atm, service, { select: (name) => this.#select(name), open: (...all) => this.#form(...all), send: (...all) => atm.send(...all) });
    if (this.tab === "commands") this.views.commands.show(atm, service);
    if (this.tab === "status") {
      service.masks = atm.masks;
      for (const [what, { tree, box }] of Object.entries(this.trees)) {
        box.hidden = what === "units" && !Object.keys(service.units).length;
        tree.show(service, what);
      }
    }
  }

  #form(name, command, payload) {
    this.selected = name;
    this.#open("commands");
    this.views.commands.choose(command, payload);
  }

  async #repeat(request) {
    const { atm } = this;
    if (atm.asksAgain(request.command) && !(await askAgain(request.command))) return;
    use(request.command, request.payload, atm.masks);
    atm.send(request.service, request.command, request.payload, { timeout: request.timeout });
  }
}

customElements.define("xfs-console", XfsConsole);
