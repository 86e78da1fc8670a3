// The ATM as the page knows it: its services, what they last said, and everything that was exchanged.

import { Connection } from "./connection.js";
import { Catalogue } from "./catalogue.js";

const KEPT = 2000;
const REFRESH_AFTER = 120;
const MARKED = 6000;

// All places where two trees differ, as "a.b.c".
export function differences(before, now, path = "", found = []) {
  const bothObjects = [before, now].every((one) => one && typeof one === "object");
  if (!bothObjects) {
    if (before !== now) found.push(path);
    return found;
  }
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)]))
    differences(before[name], now[name], path ? `${path}.${name}` : name, found);
  return found;
}

class Service {
  constructor(description, uri) {
    Object.assign(this, description);
    this.uri = uri;
    this.status = {};
    this.capabilities = {};
    this.units = {};
    this.changed = new Map();
    this.events = 0;
  }

  // The publisher's own endpoint has no name, and no device.
  get label() {
    return this.name || "ServicePublisher";
  }

  get device() {
    if (!this.name && this.connection.state === "open") return "online";
    return this.connection.state === "open" ? this.status.common?.device ?? "unknown" : this.connection.state;
  }

  has(command) {
    return Object.hasOwn(this.commands, command);
  }

  may(command) {
    return this.has(command) && this.commands[command] === true;
  }

  // Paths that changed a moment ago.
  isNew(path) {
    return performance.now() - (this.changed.get(path) ?? -Infinity) < MARKED;
  }
}

// Tells "service" (something about one has changed), "lost" (a connection), "log" (the timeline) and "movement".
export class Atm extends EventTarget {
  constructor(facts, masks, base) {
    super();
    Object.assign(this, { facts, masks });
    this.log = [];
    this.services = new Map(
      facts.services.map((one) => [one.name, new Service(one, `${base}${facts.path}${one.name ? `/${one.name}` : ""}`)]),
    );
    this.movesCash = new Set(facts.movesCash);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // Every part of it is a service, but for the publisher's own endpoint.
  get devices() {
    return [...this.services.values()].filter((one) => one.name);
  }

  async speak(specification) {
    this.catalogue = await Catalogue.load(specification, this.facts.simulator);
    for (const service of this.services.values()) {
      service.connection?.close();
      this.#connect(service);
    }
  }

  close() {
    for (const service of this.services.values()) service.connection.close();
  }

  #connect(service) {
    const connection = (service.connection = new Connection(service.name, service.uri, this.catalogue));
    connection.addEventListener("state", () => {
      if (service.connection !== connection) return;
      if (connection.state === "open") this.#greet(service);
      this.#tell("service", service);
    });
    connection.addEventListener("lost", () => this.#tell("lost", service));
    connection.addEventListener("request", ({ detail }) => {
      this.#keep(detail);
      this.#tell("service", service);
      if (!detail.open && !detail.background) this.#after(service);
    });
    connection.addEventListener("event", ({ detail }) => {
      service.events += 1;
      if (!detail.request) this.#keep(detail);
      this.#after(service);
    });
    this.#tell("service", service);
  }

  #keep(entry) {
    if (this.log.at(-1) !== entry && !this.log.includes(entry)) {
      this.log.push(entry);
      if (this.log.length > KEPT) this.log.splice(0, this.log.length - KEPT);
    }
    this.#tell("log", entry);
  }

  async #greet(service) {
    const quiet = { background: true };
    const newest = this.facts.specifications.at(-1);
    if (this.catalogue.specification === newest && service.may("Common.SetVersions"))
      service.connection.send("Common.SetVersions", this.catalogue.choice, quiet);
    if (service.may("Common.Capabilities")) {
      const asked = await service.connection.send("Common.Capabilities", {}, quiet).done;
      if (asked.code === "success") service.capabilities = asked.answer;
    }
    await this.refresh(service);
  }

  #after(service) {
    // At the leading edge, so that a click is seen at once; and once more when it has become quiet.
    if (!service.timer) this.refresh(service);
    clearTimeout(service.timer);
    service.timer = setTimeout(() => {
      service.timer = undefined;
      this.refresh(service);
    }, REFRESH_AFTER);
    if (service.interfaces.includes("Storage")) this.#tell("movement", service);
  }

  async refresh(service) {
    const quiet = { background: true };
    const { connection } = service;
    if (connection.state !== "open") return;
    const asked = [];
    if (service.may("Common.Status")) asked.push(["status", connection.send("Common.Status", {}, quiet)]);
    if (service.may("Storage.GetStorage")) asked.push(["units", connection.send("Storage.GetStorage", {}, quiet)]);
    for (const [what, request] of asked) {
      const { code, answer } = await request.done;
      if (code !== "success") continue;
      const now = what === "units" ? answer.storage ?? {} : answer;
      const known = Object.keys(service[what]).length > 0;
      if (known) for (const path of differences(service[what], now)) this.#mark(service, `${what}.${path}`);
      service[what] = now;
    }
    this.#tell("service", service);
  }

  #mark(service, path) {
    const parts = path.split(".");
    parts.forEach((_, index) => service.changed.set(parts.slice(0, index + 1).join("."), performance.now()));
    setTimeout(() => this.#tell("service", service), MARKED + 50);
  }

  send(name, command, payload, options) {
    return this.services.get(name).connection.send(command, payload, options);
  }

  // Why this user cannot send a command now; undefined if he can.
  hindrance(service, command) {
    if (!service.has(command)) return ["notOffered", { command }];
    if (!service.may(command)) return ["notAllowed", { command }];
    if (service.connection.state !== "open") return ["notConnected", {}];
    if (!this.catalogue.command(command)) return ["notInVersion", { command, version: this.catalogue.specification }];
    return undefined;
  }

  asksAgain(command) {
    return !this.facts.simulated && this.movesCash.has(command);
  }
}
