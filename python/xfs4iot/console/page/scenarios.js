// Scenarios: lists of requests that run one after the other; kept in the browser, or in a file.

import { download, h, newId, put } from "./dom.js";
import { askAgain } from "./commands.js";
import { keepable, load, save } from "./store.js";
import { t } from "./words.js";

const PATIENCE = 120000;

export const EXAMPLES = {
  "Withdrawal": [
    { service: "Simulator", command: "Simulator.InsertCard", payload: { service: "CardReader", card: "debit" } },
    { service: "CardReader", command: "CardReader.ReadRawData", payload: { track2: true } },
    { service: "CashDispenser", command: "CashDispenser.Dispense", payload: { denomination: { denomination: { service: { currencies: { EUR: 120 }, mix: "mix1" } } } } },
    { service: "CardReader", command: "CardReader.Move", payload: { from: "transport", to: "exit" } },
    { service: "Simulator", command: "Simulator.TakeCard", payload: { service: "CardReader" } },
    { service: "CashDispenser", command: "CashDispenser.Present", payload: { position: "outDefault" } },
    { service: "Simulator", command: "Simulator.TakeItems", payload: {} },
  ],
  "Jam and reset": [
    { service: "Simulator", command: "Simulator.Inject", payload: { service: "CashDispenser", fault: "jam" } },
    { service: "CashDispenser", command: "CashDispenser.Dispense", payload: { denomination: { denomination: { service: { currencies: { EUR: 50 }, mix: "mix1" } } } }, expect: "hardwareError" },
    { service: "Simulator", command: "Simulator.ClearFaults", payload: {} },
    { service: "CashDispenser", command: "CashManagement.Reset", payload: {} },
  ],
};

export class ScenarioView extends HTMLElement {
  show(atm) {
    this.atm = atm;
    this.steps = load("scenario", []);
    const id = newId();
    this.names = h("select", { "aria-label": t("scenario"), onchange: () => this.#open(this.names.value) });
    this.name = h("input", { type: "text", "aria-label": t("name"), placeholder: t("name") });
    this.text = h("textarea", { id, rows: 18, spellcheck: "false", oninput: () => this.#edited() });
    this.problem = h("p", { class: "problem", role: "status" });
    this.run = h("button", { class: "primary", onclick: () => this.go() }, t("run"));
    this.halt = h("button", { class: "danger", hidden: true, onclick: () => (this.stopped = true) }, t("stop"));
    this.progress = h("ol", { class: "steps", "aria-live": "polite" });
    const file = h("input", { type: "file", accept: "application/json", hidden: true, onchange: async () => { this.text.value = await file.files[0].text(); this.#edited(); } });
    put(this,
      h("div", { class: "buttons" }, this.names, this.name,
        h("button", { class: "quiet", onclick: () => this.#save() }, t("save")),
        h("button", { class: "quiet", onclick: () => file.click() }, t("fromFile")), file,
        h("button", { class: "quiet", onclick: () => download("scenario.json", this.text.value) }, t("toFile")),
        this.run, this.halt),
      h("p", { class: "faint" }, t("scenarioHelp")),
      h("div", { class: "halves" }, h("div", {}, h("label", { for: id }, "JSON"), this.text, this.problem), this.progress));
    this.#list();
    this.#write();
  }

  get kept() {
    return { ...EXAMPLES, ...load("scenarios", {}) };
  }

  #list() {
    put(this.names, h("option", { value: "" }, t("scenario")), Object.keys(this.kept).map((one) => h("option", { value: one }, one)));
  }

  #open(name) {
    if (!name) return;
    this.steps = this.kept[name];
    this.name.value = name;
    this.#write();
  }

  #save() {
    if (!this.name.value) return this.name.focus();
    save("scenarios", { ...load("scenarios", {}), [this.name.value]: this.#keepable() });
    return this.#list();
  }

  #keepable() {
    return this.steps.map((one) => ({ ...one, payload: keepable(one.payload ?? {}, this.atm.masks) }));
  }

  #write() {
    this.text.value = `[\n${this.steps.map((one) => `  ${JSON.stringify(one)}`).join(",\n")}\n]`;
    save("scenario", this.#keepable());
  }

  #edited() {
    try {
      const steps = JSON.parse(this.text.value);
      if (!Array.isArray(steps) || steps.some((one) => !this.atm.services.has(one.service) || typeof one.command !== "string"))
        throw new SyntaxError(t("notAScenario"));
      this.steps = steps;
      this.problem.textContent = "";
      save("scenario", this.#keepable());
    } catch (wrong) {
      this.problem.textContent = wrong.message;
    }
    this.run.disabled = Boolean(this.problem.textContent);
  }

  add(request) {
    this.steps = [...this.steps, { service: request.service, command: request.command, payload: keepable(request.payload, this.atm.masks), ...(request.code && request.code !== "success" ? { expect: request.code } : {}) }];
    this.#write();
  }

  async go() {
    const cash = this.steps.find((one) => this.atm.asksAgain(one.command));
    if (cash && !(await askAgain(cash.command))) return;
    this.stopped = false;
    this.halt.hidden = false;
    this.run.disabled = true;
    const rows = this.steps.map((one) => h("li", { class: "waiting" }, h("span", { class: "mark" }), " ", h("b", {}, one.command), h("small", {}, ` ${one.service}`), h("span", { class: "code" })));
    put(this.progress, rows);
    for (const [index, step] of this.steps.entries()) {
      if (this.stopped) break;
      const row = rows[index];
      const mark = (state, text) => {
        row.className = state;
        row.querySelector(".mark").className = `mark ${state}`;
        row.querySelector(".code").textContent = text;
      };
      mark("running", "");
      const request = this.atm.send(step.service, step.command, step.payload ?? {}, { timeout: step.timeout ?? 0 });
      let timer;
      await Promise.race([request.done, new Promise((resolve) => (timer = setTimeout(resolve, PATIENCE)))]);
      clearTimeout(timer);
      const good = request.code === (step.expect ?? "success");
      mark(good ? "good" : "bad", request.code === undefined ? t("running") : `${request.answer?.errorCode ?? request.code} · ${Math.round(request.duration)} ms`);
      if (!good) {
        row.append(h("p", { class: "problem" }, request.description ?? ""));
        break;
      }
    }
    this.halt.hidden = true;
    this.run.disabled = false;
  }
}

customElements.define("scenario-view", ScenarioView);
