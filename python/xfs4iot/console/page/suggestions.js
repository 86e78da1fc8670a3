// A payload that the device would probably take: from its capabilities, its status and its units.

import { typesOf, variants } from "./schema.js";

const DEPTH = 7;

// Everything in the capabilities that is called so.
function* named(content, name) {
  if (!content || typeof content !== "object") return;
  for (const [key, value] of Object.entries(content)) {
    if (key.toLowerCase() === name.toLowerCase()) yield value;
    yield* named(value, name);
  }
}

// What a property of some name may be; without a name, the names that free properties may have.
export function choices(service, name) {
  const units = Object.keys(service.units);
  if (name === "") return [...units, ...currencies(service)];
  if (/^(unit|source|target|storage|index|bin)/i.test(name)) return units;
  if (/currency/i.test(name)) return currencies(service);
  const found = new Set();
  for (const where of [service.capabilities, service.status])
    for (const value of [...named(where, name), ...named(where, `${name}s`)]) {
      if (typeof value === "string") found.add(value);
      else if (Array.isArray(value)) value.filter((one) => typeof one === "string").forEach((one) => found.add(one));
      else if (value && typeof value === "object") Object.keys(value).filter((one) => value[one]).forEach((one) => found.add(one));
    }
  if (name === "mix") found.add("mix1");
  return [...found].slice(0, 50);
}

function currencies(service) {
  const found = Object.values(service.units).map((one) => one.cash?.configuration?.currency);
  return [...new Set(found.filter(Boolean))];
}

function smallest(service, currency) {
  const values = Object.values(service.units).map((one) => one.cash?.configuration)
    .filter((one) => one?.currency === currency && one.value && one.types?.cashOut).map((one) => one.value);
  return values.length ? Math.min(...values) : 10;
}

function value(service, schema, definitions, name, depth) {
  const [found] = variants(schema, definitions);
  if (!found || depth > DEPTH) return undefined;
  const types = typesOf(found);
  if (found.enum) {
    const known = choices(service, name);
    return found.enum.find((one) => known.includes(one)) ?? found.enum.find((one) => one !== null);
  }
  if (types.includes("boolean")) {
    const [able] = named(service.capabilities, name);
    return able === undefined ? undefined : Boolean(able);
  }
  if (types.includes("string")) {
    const fits = (one) => !found.pattern || new RegExp(found.pattern, "u").test(one);
    return choices(service, name).find(fits);
  }
  if (types.includes("object")) {
    if (name === "currencies") {
      const [currency] = currencies(service);
      return currency ? { [currency]: smallest(service, currency) } : undefined;
    }
    const inside = Object.entries(found.properties ?? {}).map(([one, below]) => [one, value(service, below, definitions, one, depth + 1)]);
    const content = Object.fromEntries(inside.filter(([, one]) => one !== undefined));
    return Object.keys(content).length || depth === 0 ? content : undefined;
  }
  return undefined;
}

// Where guessing from the schema alone would give something that excludes itself.
const KNOWN = {
  "CashDispenser.Dispense": (service) => ({ denomination: { denomination: { service: amount(service) } } }),
  "CashDispenser.Denominate": (service) => ({ request: { denomination: { service: amount(service) } } }),
  "CashDispenser.Present": () => ({ position: "outDefault" }),
};

function amount(service) {
  const [currency = "EUR"] = currencies(service);
  return { currencies: { [currency]: smallest(service, currency) }, mix: "mix1" };
}

export function fromCapabilities(service, command, schema, definitions, specification) {
  const known = specification === "2024-3" ? KNOWN[command]?.(service) : undefined;
  return known ?? (schema ? value(service, schema, definitions, "", 0) ?? {} : {});
}

// The least that the schema asks for.
export function minimal(schema, definitions) {
  const [found] = schema ? variants(schema, definitions) : [{}];
  const content = {};
  for (const name of found?.required ?? []) {
    const [below] = variants(found.properties?.[name] ?? {}, definitions);
    const types = typesOf(below ?? {});
    content[name] = below?.const ?? below?.enum?.find((one) => one !== null) ??
      (types.includes("object") ? minimal(below, definitions) : types.includes("array") ? [] : types.includes("integer") ? below.minimum ?? 0 : types.includes("boolean") ? false : "");
  }
  return content;
}
