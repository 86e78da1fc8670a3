// The messages of one version of the standard, and those of the service Simulator.

import { check, own } from "./schema.js";

export class Catalogue {
  constructor(content, simulator) {
    this.specification = content.specification;
    this.content = content;
    this.simulator = simulator;
  }

  static async load(specification, simulator) {
    return new Catalogue(await (await fetch(`catalogue/${specification}.json`)).json(), simulator);
  }

  definitionsFor(name) {
    return name.startsWith("Simulator.") ? this.simulator?.definitions ?? {} : this.content.definitions;
  }

  command(name) {
    if (name.startsWith("Simulator.")) return own(this.simulator?.commands, name);
    const [part, short] = name.split(".");
    return own(own(this.content.interfaces, part)?.commands, short);
  }

  event(name) {
    const [part, short] = name.split(".");
    return own(own(this.content.interfaces, part)?.events, short);
  }

  // In 2021-1 headers have no version, and the time-out and the completion code are in the payload.
  get envelopeInPayload() {
    return this.content.payloadBase.command !== null;
  }

  message(name, requestId, payload, timeout) {
    const header = { name, requestId, type: "command" };
    if (this.envelopeInPayload) return { header, payload: { timeout, ...payload } };
    header.version = this.command(name)?.version ?? "1.0";
    if (timeout) header.timeout = timeout;
    return { header, payload };
  }

  // The newest version of Common.Status, by which a service knows that its client speaks the newest.
  get choice() {
    const status = this.command("Common.Status");
    const major = Math.max(...[status.version, status.completion.version].map((one) => parseInt(one, 10)));
    return { commands: { "Common.Status": major } };
  }

  #payloadOf(header) {
    const command = this.command(header.name);
    if (header.type === "command") return command?.payload;
    if (header.type === "completion") return command?.completion?.payload ?? (header.name.startsWith("Simulator.") ? command?.completion : null);
    if (header.type === "event" || header.type === "unsolicited") return this.event(header.name)?.payload;
    return null;
  }

  // A vendor may add lights and interfaces of his own, though the schemas do not say so.
  static #isOwn({ path, text }) {
    return /^\$\.lights\.(lights\.)?\w+$/.test(path) || (/^\$\.interfaces\[\d+\]\.name$/.test(path) && text.startsWith('"Simulator"'));
  }

  // What in a message is not as this version of the standard has it.
  deviations(message) {
    const header = message?.header ?? {};
    const form = own(this.content.headers, header.type) ?? this.content.header;
    // A completion that says nothing of its outcome succeeded: the standard's schema has only the others.
    const required = form.required.filter((one) => one !== "completionCode");
    const found = check({ ...form, required }, header, this.content.definitions, "header");
    if (header.type === "acknowledge" || header.type === "unreadable") return found;
    const isEvent = header.type === "event" || header.type === "unsolicited";
    if (!(isEvent ? this.event(header.name) : this.command(header.name ?? "")))
      return [...found, { path: "header.name", text: `${header.name} is not in ${this.specification}` }];
    const payload = message.payload ?? {};
    const failed = header.completionCode && header.completionCode !== "success";
    if (failed && !Object.keys(payload).length) return found;
    const particular = this.#payloadOf(header);
    const base = own(this.content.payloadBase, header.type);
    const schema = particular && base && particular.properties ? { ...particular, properties: { ...base.properties, ...particular.properties } } : particular ?? base;
    if (!schema) return Object.keys(payload).length ? [...found, { path: "$", text: "has a payload, and the standard none" }] : found;
    const inside = check(schema, payload, this.definitionsFor(header.name));
    return [...found, ...inside.filter((one) => !Catalogue.#isOwn(one))];
  }
}
