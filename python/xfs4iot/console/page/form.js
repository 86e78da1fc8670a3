// A form for a payload, from its schema. Each part gives an element and a function that reads its value;
// what is left empty is left out of the payload.

import { h, newId, put } from "./dom.js";
import { resolve, typeOf, typesOf, variants } from "./schema.js";
import { t } from "./words.js";

const hint = (schema) =>
  [
    schema.pattern && (schema.pattern.length > 90 ? `${schema.pattern.slice(0, 87)}…` : schema.pattern),
    schema.minimum !== undefined && `≥ ${schema.minimum}`,
    schema.maximum !== undefined && `≤ ${schema.maximum}`,
    schema.contentEncoding,
  ].filter(Boolean).join(" · ");

const row = (id, name, control, note) =>
  h("div", { class: "field" }, h("label", { for: id }, name), h("div", { class: "control" }, control, note && h("small", {}, note)));

const kindOf = (schema) => {
  const types = typesOf(schema);
  if ("const" in schema || schema.enum) return "choice";
  if (types.includes("object") || schema.properties || schema.patternProperties) return "object";
  if (types.includes("array")) return "list";
  if (types.length === 1 && types[0] === "boolean") return "boolean";
  if (types.length && types.every((one) => one === "integer" || one === "number")) return "number";
  return types.includes("string") && types.length === 1 ? "text" : "any";
};

const empty = (schema, definitions) => {
  const found = variants(schema, definitions)[0] ?? {};
  const kind = kindOf(found);
  if (kind === "object") return {};
  if (kind === "list") return [];
  if (kind === "choice") return found.const ?? found.enum.find((one) => one !== null);
  if (kind === "number") return found.minimum ?? 0;
  return kind === "boolean" ? false : "";
};

function choice(context, schema, name, value) {
  const id = newId();
  const options = "const" in schema ? [schema.const] : schema.enum.filter((one) => one !== null);
  const select = h(
    "select",
    { id, onchange: context.changed },
    h("option", { value: "" }, "–"),
    options.map((one) => h("option", { value: JSON.stringify(one), selected: one === value }, String(one))),
  );
  return { element: row(id, name, select), read: () => (select.value ? JSON.parse(select.value) : undefined) };
}

function boolean(context, schema, name, value) {
  return choice(context, { enum: [true, false] }, name, value);
}

function numeric(context, schema, name, value) {
  const id = newId();
  const step = typesOf(schema).includes("number") ? "any" : 1;
  const input = h("input", { id, type: "number", step, min: schema.minimum, max: schema.maximum, value: value ?? "", oninput: context.changed });
  return { element: row(id, name, input, hint(schema)), read: () => (input.value === "" ? undefined : Number(input.value)) };
}

function text(context, schema, name, value) {
  const id = newId();
  const list = newId();
  const choices = context.choices(name);
  const secret = context.masks.hides(name) && name !== "value";
  const input = h("input", {
    id,
    type: secret ? "password" : "text",
    autocomplete: "off",
    spellcheck: "false",
    list: choices.length ? list : undefined,
    value: value ?? "",
    oninput: context.changed,
  });
  const options = choices.length ? h("datalist", { id: list }, choices.map((one) => h("option", { value: one }))) : null;
  return { element: row(id, name, [input, options], hint(schema)), read: () => (input.value === "" ? undefined : input.value) };
}

// What has no one type: written as JSON.
function anything(context, schema, name, value) {
  const id = newId();
  const input = h("input", { id, type: "text", value: value === undefined ? "" : JSON.stringify(value), oninput: context.changed });
  const read = () => {
    if (input.value === "") return undefined;
    try {
      return JSON.parse(input.value);
    } catch {
      return input.value;
    }
  };
  return { element: row(id, name, input, "JSON"), read };
}

function group(name, content, included, context) {
  const id = newId();
  const box = h("input", { id, type: "checkbox", checked: included, onchange: () => { show(); context.changed(); } });
  const show = () => (content.hidden = !box.checked);
  show();
  const legend = name === "" ? null : h("legend", {}, h("label", { for: id }, box, " ", name));
  return { element: h("fieldset", { class: name === "" ? "whole" : null }, legend, content), included: () => name === "" || box.checked, box };
}

function object(context, schema, name, value) {
  const known = Object.entries(schema.properties ?? {});
  const parts = known.map(([one, below]) => [one, part(context, below, one, value?.[one])]);
  const others = Object.entries(value ?? {}).filter(([one]) => !(schema.properties && one in schema.properties));
  const pattern = Object.values(schema.patternProperties ?? {})[0];
  const below = typeof schema.additionalProperties === "object" ? schema.additionalProperties : pattern;
  const free = !known.length || below ? map(context, below ?? {}, others) : null;
  const content = h("div", { class: "parts" }, parts.map(([, one]) => one.element), free?.element);
  const around = group(name, content, value !== undefined, context);
  const read = () => {
    if (!around.included()) return undefined;
    const found = Object.fromEntries(others);
    if (free) for (const [key] of others) delete found[key];
    for (const [one, each] of parts) {
      const content = each.read();
      if (content !== undefined) found[one] = content;
    }
    return free ? { ...found, ...free.read() } : found;
  };
  return { element: around.element, read };
}

// Properties whose names are free.
function map(context, below, entries) {
  const rows = [];
  const list = h("div", { class: "parts" });
  const add = (key, value) => {
    const id = newId();
    const input = h("input", { id, type: "text", value: key, oninput: context.changed, list: context.keys });
    const content = part(context, below, t("value"), value);
    const entry = { read: () => [input.value, content.read()] };
    const remove = h("button", { type: "button", class: "quiet", "aria-label": t("remove"), onclick: () => { rows.splice(rows.indexOf(entry), 1); line.remove(); context.changed(); } }, "×");
    const line = h("div", { class: "entry" }, h("div", { class: "field" }, h("label", { for: id }, t("name")), h("div", { class: "control" }, input, remove)), content.element);
    rows.push(entry);
    list.append(line);
  };
  entries.forEach(([key, value]) => add(key, value));
  const more = h("button", { type: "button", class: "quiet add", onclick: () => { add("", empty(below, context.definitions)); context.changed(); } }, `+ ${t("addEntry")}`);
  return {
    element: h("div", {}, list, more),
    read: () => Object.fromEntries(rows.map((one) => one.read()).filter(([key, value]) => key && value !== undefined)),
  };
}

function list(context, schema, name, value) {
  const rows = [];
  const content = h("div", { class: "parts" });
  const add = (one) => {
    const entry = part(context, schema.items ?? {}, String(rows.length + 1), one);
    const remove = h("button", { type: "button", class: "quiet", "aria-label": t("remove"), onclick: () => { rows.splice(rows.indexOf(entry), 1); line.remove(); context.changed(); } }, "×");
    const line = h("div", { class: "entry item" }, entry.element, remove);
    rows.push(entry);
    content.insertBefore(line, more);
  };
  const more = h("button", { type: "button", class: "quiet add", onclick: () => { add(empty(schema.items ?? {}, context.definitions)); context.changed(); } }, `+ ${t("addEntry")}`);
  content.append(more);
  (value ?? []).forEach(add);
  const around = group(name, content, value !== undefined, context);
  return { element: around.element, read: () => (around.included() ? rows.map((one) => one.read()).filter((one) => one !== undefined) : undefined) };
}

const KINDS = { choice, boolean, number: numeric, text, any: anything, object, list };

function part(context, schema, name, value) {
  const found = variants(schema, context.definitions);
  const fits = found.find((one) => value !== undefined && typesOf(one).includes(typeOf(value)));
  const chosen = fits ?? found[0] ?? {};
  if (found.length > 1 && !found.every((one) => kindOf(one) === "object")) return anything(context, {}, name, value);
  // Recursive definitions, and what nobody fills in by hand: only when it is there.
  if (context.depth > 8) return anything(context, {}, name, value);
  context.depth += 1;
  const merged = found.length > 1 ? { type: "object", properties: Object.assign({}, ...found.map((one) => one.properties)), additionalProperties: found.find((one) => one.additionalProperties)?.additionalProperties } : chosen;
  const made = KINDS[kindOf(merged)](context, merged, name, value);
  context.depth -= 1;
  return made;
}

// A form and the JSON beside it, each following the other.
export class PayloadForm extends HTMLElement {
  // `choices` gives what a property of some name may be, as far as the device has said.
  show(schema, definitions, value, { masks, choices }) {
    this.schema = schema === null ? null : resolve(schema ?? {}, definitions);
    this.context = { definitions, masks, choices, depth: 0, changed: () => this.#fromForm(), keys: newId() };
    this.keys = h("datalist", { id: this.context.keys }, choices("").map((one) => h("option", { value: one })));
    this.fields = h("div", { class: "fields" });
    const id = newId();
    this.raw = h("textarea", { id, rows: 8, spellcheck: "false", oninput: () => this.#fromRaw() });
    this.problem = h("p", { class: "problem", role: "status" });
    put(this, this.fields, h("div", { class: "raw" }, h("label", { for: id }, "JSON"), this.raw, this.problem), this.keys);
    this.value = value;
  }

  get value() {
    return this.payload;
  }

  set value(value) {
    this.payload = value ?? {};
    this.#build();
    this.raw.value = JSON.stringify(this.payload, null, 2);
    this.#tell();
  }

  get good() {
    return !this.problem.textContent;
  }

  #build() {
    if (!this.schema) return put(this.fields, h("p", { class: "faint" }, t("noPayload")));
    this.built = part(this.context, { type: "object", ...this.schema }, "", this.payload);
    return put(this.fields, this.built.element);
  }

  #fromForm() {
    this.payload = this.built.read();
    this.raw.value = JSON.stringify(this.payload, null, 2);
    this.problem.textContent = "";
    this.#tell();
  }

  #fromRaw() {
    try {
      const value = JSON.parse(this.raw.value || "{}");
      if (typeOf(value) !== "object") throw new SyntaxError(t("notAnObject"));
      this.payload = value;
      this.problem.textContent = "";
      this.#build();
    } catch (wrong) {
      this.problem.textContent = wrong.message;
    }
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("payload", { bubbles: true }));
  }
}

customElements.define("payload-form", PayloadForm);
