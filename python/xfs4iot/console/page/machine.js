// The ATM as a customer sees it, and what hands, customers and bad luck can do to a simulated one.

import { h, put, svg } from "./dom.js";
import { held, pictures } from "./pictures.js";
import { toneOf } from "./status.js";
import { t } from "./words.js";

// Where on the front the service with an interface has its place: x, y, width, height.
const PLACES = [
  ["Camera", 138, 14, 24, 14],
  ["TextTerminal", 196, 40, 74, 44],
  ["VendorApplication", 30, 40, 150, 96],
  ["BarcodeReader", 196, 92, 34, 44],
  ["Biometric", 236, 92, 34, 44],
  ["CardReader", 196, 146, 74, 26],
  ["Printer", 30, 146, 74, 26],
  ["Check", 112, 146, 68, 26],
  ["PinPad", 112, 182, 76, 60],
  ["Deposit", 30, 182, 74, 26],
  ["CashDispenser", 30, 252, 240, 34],
  ["CashAcceptor", 30, 252, 240, 34],
  ["Auxiliaries", 30, 306, 240, 84],
];

// Whose face leaves no room for a name.
const UNLABELLED = new Set(["VendorApplication", "PinPad"]);

const FULL = /^(present|notEmpty|entering|latched|jammed|customer|entryAvailable)/;

const presence = (service) => {
  const { status } = service;
  const where = [status.cardReader?.media, status.printer?.media, status.check?.media,
    ...Object.values(status.cashDispenser?.positions ?? {}).map((one) => one.positionStatus),
    ...Object.values(status.cashAcceptor?.positions ?? {}).map((one) => one.positionStatus)];
  return where.some((one) => FULL.test(one ?? ""));
};

const shutterOpen = (service) =>
  [...(service.status.cashDispenser?.positions ?? []), ...(service.status.cashAcceptor?.positions ?? [])].some((one) => one.shutter === "open");

// What each device's front looks like, inside its place.
function face(kind, service, atm, x, y, width, height) {
  const full = presence(service);
  const middle = y + height / 2;
  switch (kind) {
    case "Camera":
      return [svg("circle", { class: "lens", cx: x + width / 2, cy: middle, r: 5 })];
    case "TextTerminal":
      return [svg("rect", { class: "screen", x: x + 5, y: y + 5, width: width - 10, height: height - 16, rx: 2 }), svg("path", { class: "text", d: `M${x + 10} ${y + 13}h34M${x + 10} ${y + 20}h22` })];
    case "VendorApplication":
      return [svg("rect", { class: "screen", x: x + 4, y: y + 4, width: width - 8, height: height - 8, rx: 3 }), svg("path", { class: "text", d: `M${x + 20} ${y + 26}h80M${x + 20} ${y + 40}h56` }),
        ...[0, 1, 2, 3].map((one) => svg("rect", { class: "key", x: x + (one % 2 ? width - 50 : 14), y: y + 56 + (one > 1 ? 16 : 0), width: 36, height: 10, rx: 2 }))];
    case "PinPad":
      return Array.from({ length: 12 }, (_, one) => svg("rect", { class: "key", x: x + 10 + (one % 3) * 19, y: y + 6 + Math.floor(one / 3) * 12.5, width: 16, height: 9.5, rx: 1.5 }));
    case "BarcodeReader":
      return [svg("path", { class: "text", d: [6, 10, 12, 16, 20, 23, 27].map((one) => `M${x + one} ${y + 10}v22`).join("") })];
    case "Biometric":
      return [svg("path", { class: "text", d: `M${x + 10} ${y + 30}v-8a7 7 0 0 1 14 0v8M${x + 14} ${y + 32}v-9a3 3 0 0 1 6 0v9` })];
    case "CashDispenser":
    case "CashAcceptor": {
      const open = shutterOpen(service);
      return [svg("rect", { class: open ? "gap" : "shutter", x: x + 30, y: middle - 5, width: width - 60, height: 10, rx: 3 }),
        full ? svg("rect", { class: "note", x: x + 52, y: middle - 2, width: width - 104, height: 30, rx: 2 }) : null,
        full ? svg("circle", { class: "mark", cx: x + width / 2, cy: middle + 12, r: 6 }) : null];
    }
    case "Auxiliaries": {
      const open = service.status.auxiliaries?.safeDoor === "open";
      return [svg("rect", { class: open ? "door open" : "door", x: x + 6, y: y + 6, width: width - 12, height: height - 20, rx: 3 }), cassettes(atm, x + 12, y + 12, width - 24, height - 32)];
    }
    default:
      return [svg("rect", { class: "gap", x: x + 10, y: middle - 2.5, width: width - 20, height: 5, rx: 2.5 }),
        full ? svg("rect", { class: kind === "CardReader" ? "plastic" : "paper", x: x + 18, y: middle - 1, width: width - 36, height: 20, rx: 2 }) : null];
  }
}

// What is in the safe, seen through its door.
function cassettes(atm, x, y, width, height) {
  const units = atm.devices.flatMap((one) => Object.values(one.units)).filter((one) => one.cash).slice(0, 10);
  const each = width / Math.max(units.length, 6);
  return units.map((unit, index) => {
    const share = Math.max(0, Math.min(1, (held(unit) ?? 0) / (unit.capacity || 1)));
    const left = x + index * each;
    const low = unit.status !== "ok" || unit.cash.status?.replenishmentStatus === "low";
    return [svg("rect", { class: "cassette", x: left + 2, y, width: each - 4, height, rx: 2 }),
      svg("rect", { class: low ? "level low" : "level", x: left + 4, y: y + height - 3 - share * (height - 6), width: each - 8, height: share * (height - 6) })];
  }).flat();
}

function front(atm, selected, select) {
  const taken = new Set();
  const parts = [];
  for (const [kind, x, y, width, height] of PLACES) {
    const service = atm.devices.find((one) => one.interfaces.includes(kind) && !taken.has(one.name));
    if (!service || parts.some((one) => one.place === `${x},${y}`)) continue;
    taken.add(service.name);
    const state = service.device;
    const choose = () => select(service.name);
    const part = svg("g", {
      class: `part ${toneOf(state)}${service.name === selected ? " selected" : ""}`, role: "button", tabindex: 0, "data-part": service.name,
      "aria-label": `${service.name}: ${state}`, "aria-pressed": String(service.name === selected), onclick: choose,
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } },
    }, svg("title", {}, `${service.name}: ${state}`), svg("rect", { class: "place", x, y, width, height, rx: 5 }), face(kind, service, atm, x, y, width, height),
      width < 60 || UNLABELLED.has(kind) ? null : svg("text", { class: "label", x: x + 6, y: y + height - 3.5 }, service.name),
      svg("circle", { class: "light", cx: x + width - 5, cy: y + 5, r: 2.6 }));
    parts.push({ place: `${x},${y}`, part });
  }
  return svg("svg", { class: "front", viewBox: "0 0 300 410", role: "group", "aria-label": t("atmFront") },
    svg("rect", { class: "body", x: 12, y: 6, width: 276, height: 398, rx: 12 }),
    svg("path", { class: "seam", d: "M12 296h276" }),
    parts.map((one) => one.part));
}

// What a click sends at once; everything else that has a form opens it.
const AT_ONCE = {
  InsertNotes: { notes: [{ note: "EUR20", count: 5 }, { note: "EUR50", count: 2 }] },
  PressPinPadKeys: { keys: ["one", "two", "three", "four", "enter"] },
  PressKeys: { keys: ["one", "enter"] },
  InsertCard: { card: "debit" },
  TapCard: { cards: ["credit"] },
  PresentFinger: { finger: "rightIndex" },
  ShowBarcode: undefined,
};

const CLOCK = [["StopClock", {}], ["Advance", { milliseconds: 1000 }, "+1 s"], ["Advance", { milliseconds: 60000 }, "+1 min"], ["StartClock", {}]];

// What a vendor's own simulation adds has no words in our languages.
const spoken = (command) => {
  const said = t(command);
  return said === command ? command.split(".")[1].replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().replace(/^./, (one) => one.toUpperCase()) : said;
};

export class MachineView extends HTMLElement {
  show(atm, service, { select, open, send }) {
    Object.assign(this, { atm, service, open, send });
    if (!this.front) {
      this.front = h("div", { class: "stage" });
      this.device = h("section", { class: "device", "aria-label": t("device") });
      put(this, this.front, this.device);
    }
    const focused = document.activeElement?.dataset?.part;
    put(this.front, front(atm, service.name, select));
    if (focused) this.front.querySelector(`[data-part="${focused}"]`)?.focus();
    this.#device();
  }

  #device() {
    const { service, atm } = this;
    if (this.drawn !== service.name) {
      this.drawn = service.name;
      this.head = h("header", {});
      this.pictures = h("div", { class: "pictures" });
      this.actions = h("div", { class: "actions" });
      put(this.device, this.head, this.pictures, this.actions);
      if (atm.services.has("Simulator")) this.#actions();
    }
    put(this.head, h("h2", {}, service.label), h("span", { class: `chip ${toneOf(service.device)}` }, h("b", {}, service.device)), h("small", {}, service.interfaces.filter((one) => one !== "Common").join(" · ")));
    put(this.pictures, pictures(service));
    const simulator = atm.services.get("Simulator");
    for (const one of this.actions.querySelectorAll("button[data-action]")) {
      const why = atm.hindrance(simulator, one.dataset.action);
      one.disabled = Boolean(why);
      one.title = why ? t(...why) : atm.facts.simulator.commands[one.dataset.action].text;
    }
  }

  async #actions() {
    const { service, atm } = this;
    const simulator = atm.services.get("Simulator");
    const name = service.name;
    const offered = Object.entries(atm.facts.simulator.commands).filter(([, one]) => one.services.includes(name));
    const button = (command, payload, label = spoken(command)) =>
      h("button", { "data-action": command, onclick: () => this.send("Simulator", command, payload) }, label);
    const quick = [];
    const others = [];
    for (const [command, entry] of offered) {
      const short = command.split(".")[1];
      const properties = Object.keys(atm.facts.simulator.definitions[entry.payload.$ref?.split("/").pop()]?.properties ?? {});
      const needsMore = properties.some((one) => !["service", "after", "count", "way", "card", "atOnce", "on", "plugged", "locked", "pages", "supply", "source", "amount", "emptied", "milliseconds"].includes(one));
      const preset = short in AT_ONCE ? AT_ONCE[short] : needsMore ? undefined : {};
      if (preset === undefined) others.push(command);
      else quick.push(button(command, { service: name, ...preset }));
    }
    const more = h("select", { "aria-label": t("moreActions"), onchange: () => { if (more.value) this.open("Simulator", more.value, { service: name }); more.value = ""; } },
      h("option", { value: "" }, `${t("moreActions")}…`), others.map((one) => h("option", { value: one }, spoken(one))));
    const faults = h("div", { class: "buttons faults" });
    put(this.actions,
      name === "Simulator" ? null : h("div", { class: "group" }, h("h3", {}, t("hands")), h("div", { class: "buttons" }, quick, others.length ? more : null, quick.length + others.length ? null : h("small", { class: "faint" }, t("noHands")))),
      name === "Simulator" ? null : h("div", { class: "group" }, h("h3", {}, t("badLuck")), faults),
      h("div", { class: "group" }, h("h3", {}, t("time")), h("div", { class: "buttons" }, CLOCK.map(([short, payload, label]) => button(`Simulator.${short}`, payload, label)))));
    if (name === "Simulator" || !simulator.may("Simulator.GetFaults")) return;
    if (simulator.connection.state !== "open") await new Promise((resolve) => simulator.connection.addEventListener("state", resolve, { once: true }));
    const asked = await simulator.connection.send("Simulator.GetFaults", { service: name }, { background: true }).done;
    const table = asked.answer?.services?.[name] ?? {};
    if (!Object.keys(table).length) return put(faults, h("small", { class: "faint" }, t("noFaults")));
    const which = h("select", { "aria-label": t("fault"), onchange: () => (text.textContent = table[which.value]) }, Object.keys(table).map((one) => h("option", { value: one }, one)));
    const text = h("small", { class: "faint" }, table[which.value]);
    return put(faults, which, h("button", { "data-action": "Simulator.Inject", onclick: () => this.send("Simulator", "Simulator.Inject", { service: name, fault: which.value }) }, t("inject")), button("Simulator.ClearFaults", { service: name }), text);
  }
}

customElements.define("machine-view", MachineView);
