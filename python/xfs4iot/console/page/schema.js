// Checks a value against a schema of the catalogue, and finds its way in one.

// A property of an object itself: names that come from outside may be those that every object has.
export const own = (object, name) => (object && Object.hasOwn(object, name) ? object[name] : undefined);

export const typeOf = (value) =>
  value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;

export function resolve(schema, definitions) {
  let found = schema;
  while (found?.$ref) found = own(definitions, found.$ref.split("/").pop());
  return found ?? {};
}

// The schema without "or null", which only says that a property may be left out; with all variants.
export function variants(schema, definitions) {
  const found = resolve(schema, definitions);
  if (!found.anyOf) return [found];
  return found.anyOf.flatMap((one) => variants(one, definitions)).filter((one) => one.type !== "null");
}

export function typesOf(schema) {
  const types = Array.isArray(schema.type) ? schema.type : schema.type ? [schema.type] : [];
  return types.filter((one) => one !== "null");
}

const patterns = new Map();
function matches(pattern, text) {
  if (!patterns.has(pattern)) patterns.set(pattern, new RegExp(pattern, "u"));
  return patterns.get(pattern).test(text);
}

const short = (value) => {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

// All deviations as { path, text }; texts in the standard's own terms.
export function check(schema, value, definitions, path = "$") {
  const rule = resolve(schema, definitions);
  if (rule.anyOf) {
    let nearest = null;
    for (const one of rule.anyOf) {
      const found = check(one, value, definitions, path);
      if (!found.length) return [];
      // Of several the one that went furthest is most likely what was meant.
      if (!nearest || found[0].path.length > nearest[0].path.length) nearest = found;
    }
    return nearest ?? [];
  }
  const wrong = (text) => [{ path, text }];
  const types = rule.type === undefined ? [] : [rule.type].flat();
  const type = typeOf(value);
  if (types.length && !types.includes(type) && !(type === "integer" && types.includes("number")))
    return wrong(`is ${type}, not ${types.join(" or ")}`);
  if (value === null) return [];
  if ("const" in rule && value !== rule.const) return wrong(`is not ${short(rule.const)}`);
  if (rule.enum && !rule.enum.includes(value)) return wrong(`${short(value)} is not one of ${rule.enum.filter(Boolean).join(", ")}`);
  if (type === "string") {
    if (rule.pattern && !matches(rule.pattern, value)) return wrong(`does not match ${rule.pattern}`);
    if (value.length < (rule.minLength ?? 0)) return wrong(`is shorter than ${rule.minLength}`);
    if (value.length > (rule.maxLength ?? Infinity)) return wrong(`is longer than ${rule.maxLength}`);
  }
  if (typeof value === "number") {
    if (value < (rule.minimum ?? -Infinity)) return wrong(`${value} is below ${rule.minimum}`);
    if (value > (rule.maximum ?? Infinity)) return wrong(`${value} is above ${rule.maximum}`);
  }
  if (type === "array") {
    if (value.length < (rule.minItems ?? 0)) return wrong(`has less than ${rule.minItems} items`);
    if (value.length > (rule.maxItems ?? Infinity)) return wrong(`has more than ${rule.maxItems} items`);
    return value.flatMap((one, index) => (rule.items ? check(rule.items, one, definitions, `${path}[${index}]`) : []));
  }
  if (type === "object") {
    const found = [];
    for (const name of rule.required ?? []) if (!Object.hasOwn(value, name)) found.push({ path: `${path}.${name}`, text: "is missing" });
    for (const [name, one] of Object.entries(value)) {
      const below = `${path}.${name}`;
      const known = own(rule.properties, name);
      if (known) found.push(...check(known, one, definitions, below));
      else {
        const pattern = Object.keys(rule.patternProperties ?? {}).find((each) => matches(each, name));
        if (pattern) found.push(...check(rule.patternProperties[pattern], one, definitions, below));
        else if (typeof rule.additionalProperties === "object") found.push(...check(rule.additionalProperties, one, definitions, below));
        else if (rule.additionalProperties === false || (rule.properties && rule.additionalProperties === undefined))
          found.push({ path: below, text: "is not in this version" });
      }
    }
    return found;
  }
  return [];
}
