// Drawings of what a device holds and shows: units, slots, cards, paper, doors, lights.

import { h, svg } from "./dom.js";
import { toneOf } from "./status.js";
import { number, t } from "./words.js";

const sum = (value) =>
  typeof value === "number" ? value : Object.entries(value ?? {}).reduce((all, [name, one]) => (name === "retractOperations" ? all : all + sum(one)), 0);

// What a unit holds, by its books.
export function held(unit) {
  for (const kind of ["cash", "card", "check", "printer", "deposit"]) {
    const status = unit[kind]?.status;
    if (!status) continue;
    if (kind === "cash") return sum(status.initial) + sum(status.in) - sum(status.out);
    if (kind === "card") return status.count ?? status.initialCount;
    if (kind === "check") return sum(status.initial?.count ?? 0) + sum(status.in?.count ?? 0);
    if (kind === "printer") return sum(status.initial) + sum(status.in);
    if (kind === "deposit") return status.numOfDeposits;
  }
  return undefined;
}

const USES = ["cashOut", "cashIn", "reject", "cashOutRetract", "cashInRetract", "replenishment"];

function purpose(unit) {
  const cash = unit.cash?.configuration;
  if (cash?.value) return `${cash.value} ${cash.currency}`;
  const types = cash?.types ?? unit.check?.configuration?.types ?? {};
  const uses = [...USES, ...Object.keys(types)].filter((one, index, all) => types[one] && all.indexOf(one) === index);
  return uses[0] ?? unit.card?.capabilities?.type ?? (unit.deposit ? "deposit" : unit.printer ? "retract" : "");
}

// A cassette: how full it is, what is in it, how it is.
export function unitPicture(name, unit, isNew) {
  const count = held(unit);
  const capacity = unit.capacity ?? Math.max(count ?? 0, 1);
  const share = Math.max(0, Math.min(1, (count ?? 0) / (capacity || 1)));
  const kind = Object.keys(unit).find((one) => unit[one]?.status?.replenishmentStatus);
  const fill = kind ? unit[kind].status.replenishmentStatus : "";
  const wrong = unit.status && unit.status !== "ok" && unit.status !== "good";
  const tone = wrong || /full|empty/.test(fill) && unit.cash?.configuration?.types?.cashOut ? "bad" : /low|high/.test(fill) ? "warn" : "good";
  const height = Math.max(share * 66, share > 0 ? 2 : 0);
  const said = `${name}, ${purpose(unit)}: ${count === undefined ? unit.status : `${number(count)} / ${number(capacity)}`}, ${wrong ? unit.status : fill || unit.status}`;
  return h("figure", { class: `unit ${tone}${isNew ? " new" : ""}`, role: "img", "aria-label": said, title: said, "data-unit": name },
    svg("svg", { viewBox: "0 0 64 88", "aria-hidden": "true" },
      svg("path", { class: "handle", d: "M22 8v-3a3 3 0 0 1 3-3h14a3 3 0 0 1 3 3v3" }),
      svg("rect", { class: "case", x: 3, y: 8, width: 58, height: 77, rx: 5 }),
      svg("rect", { class: "fill", x: 8, y: 80 - height, width: 48, height, rx: 1.5 }),
      Array.from({ length: Math.floor(height / 6) }, (_, index) => svg("path", { class: "sheet", d: `M8 ${80 - (index + 1) * 6}h48` }))),
    h("figcaption", {}, h("b", {}, purpose(unit)), h("span", { class: "count" }, count === undefined ? "–" : number(count)), h("small", {}, name),
      wrong || /low|high|full|empty/.test(fill) ? h("small", { class: `tone ${tone}` }, wrong ? unit.status : fill) : null));
}

const chip = (label, value, isNew) => h("span", { class: `chip ${toneOf(value)}${isNew ? " new" : ""}` }, h("span", {}, label), " ", h("b", {}, String(value)));

// A slot with its shutter, and what lies in it.
function slot(label, shutter, content, isNew) {
  const open = shutter === "open" || shutter === "notSupported" || shutter === undefined;
  const full = content && !/^(empty|notPresent|none|unknown|noItems)$/.test(content);
  const said = [label, shutter, content].filter(Boolean).join(", ");
  return h("figure", { class: `slot${isNew ? " new" : ""}`, role: "img", "aria-label": said, title: said },
    svg("svg", { viewBox: "0 0 96 44", "aria-hidden": "true" },
      svg("rect", { class: "case", x: 2, y: 2, width: 92, height: 24, rx: 5 }),
      svg("rect", { class: open ? "gap" : "shutter", x: 12, y: 10, width: 72, height: 8, rx: 2 }),
      full ? svg("path", { class: "paper", d: "M22 14h52v27H22z" }) : null,
      full ? svg("path", { class: "sheet", d: "M30 24h36M30 31h24" }) : null),
    h("figcaption", {}, h("b", {}, label), shutter ? h("small", {}, shutter) : null, content ? h("small", {}, content) : null));
}

function paper(name, level, isNew) {
  const share = { full: 1, low: 0.3, out: 0, jammed: 0.6 }[level] ?? 0;
  const tone = toneOf(level === "full" ? "ok" : level);
  const radius = 8 + share * 16;
  return h("figure", { class: `unit ${tone}${isNew ? " new" : ""}`, role: "img", "aria-label": `${name}: ${level}`, title: `${name}: ${level}` },
    svg("svg", { viewBox: "0 0 64 60", "aria-hidden": "true" },
      svg("circle", { class: "paper", cx: 30, cy: 30, r: radius }), svg("circle", { class: "case", cx: 30, cy: 30, r: 7 }),
      share ? svg("path", { class: "sheetline", d: `M${30 + radius} 30v28` }) : null),
    h("figcaption", {}, h("b", {}, name), h("small", { class: `tone ${tone}` }, level)));
}

function door(name, state, isNew) {
  const open = /open|bolted?Off|unlocked/i.test(state);
  return h("figure", { class: `unit ${open ? "warn" : "good"}${isNew ? " new" : ""}`, role: "img", "aria-label": `${name}: ${state}`, title: `${name}: ${state}` },
    svg("svg", { viewBox: "0 0 64 60", "aria-hidden": "true" },
      svg("rect", { class: "gap", x: 14, y: 4, width: 36, height: 52, rx: 2 }),
      open ? svg("path", { class: "leaf", d: "M14 4l22 8v52l-22-8z" }) : svg("rect", { class: "leaf", x: 14, y: 4, width: 36, height: 52, rx: 2 }),
      svg("circle", { class: "knob", cx: open ? 31 : 44, cy: open ? 36 : 31, r: 2.2 })),
    h("figcaption", {}, h("b", {}, name), h("small", {}, state)));
}

const COLOURS = new Set(["red", "green", "yellow", "blue", "cyan", "magenta", "white"]);

function light(name, position, state, isNew) {
  const on = state.flashRate && state.flashRate !== "off" && state.flashRate !== "notAvailable";
  const colour = COLOURS.has(state.color) ? state.color : "white";
  const said = `${name} ${position === "default" ? "" : position}: ${state.flashRate}${on && state.color ? ` ${state.color}` : ""}`;
  return h("figure", { class: `lamp ${on ? `on ${colour}${/flash|slow|medium|quick/i.test(state.flashRate) ? " flashes" : ""}` : ""}${isNew ? " new" : ""}`, role: "img", "aria-label": said, title: said },
    svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("circle", { cx: 12, cy: 12, r: 9 })),
    h("figcaption", {}, name, position === "default" ? null : h("small", {}, ` ${position}`)));
}

function card(state, isNew) {
  const media = state.media ?? "unknown";
  const inside = /^(present|latched|jammed|entering)/.test(media);
  return h("figure", { class: `slot card${isNew ? " new" : ""}`, role: "img", "aria-label": `${t("card")}: ${media}`, title: media },
    svg("svg", { viewBox: "0 0 96 44", "aria-hidden": "true" },
      svg("rect", { class: "case", x: 2, y: 14, width: 92, height: 16, rx: 5 }), svg("rect", { class: "gap", x: 16, y: 20, width: 64, height: 4, rx: 2 }),
      inside || media === "entering" ? svg("rect", { class: "plastic", x: 22, y: 4, width: 52, height: 30, rx: 3 }) : null,
      inside ? svg("rect", { class: "contact", x: 29, y: 13, width: 9, height: 8, rx: 1.5 }) : null),
    h("figcaption", {}, h("b", {}, t("card")), h("small", {}, media)));
}

// Everything there is to draw of a service; plain facts as chips beside it.
export function pictures(service) {
  const { status, units } = service;
  const isNew = (path) => service.isNew(path);
  const drawn = [];
  const told = [];
  const slots = new Set();
  // Of two interfaces that call something alike it is said whose it is.
  const names = Object.values(status).flatMap((content) => Object.keys(content ?? {}));
  const full = (part, name) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${part}.${name}`);
  for (const [part, content] of Object.entries(status)) {
    if (part === "common" || !content || typeof content !== "object") continue;
    for (const [index, one] of Object.entries(content.positions ?? {})) {
      // Several interfaces of one device tell of the same slot.
      if (slots.has(one.position ?? index)) continue;
      slots.add(one.position ?? index);
      drawn.push(slot(one.position ?? index, one.shutter, one.positionStatus, isNew(`status.${part}.positions.${index}`)));
    }
    if (part === "cardReader") drawn.push(card(content, isNew("status.cardReader.media")));
    if (part === "lights")
      for (const [name, positions] of Object.entries(content))
        for (const [position, one] of Object.entries(positions ?? {})) drawn.push(light(name, position, one, isNew(`status.lights.${name}.${position}`)));
    if (part === "printer") {
      drawn.push(slot(t("exit"), undefined, content.media, isNew("status.printer.media")));
      for (const [name, level] of Object.entries(content.paper ?? {})) drawn.push(paper(name, level, isNew(`status.printer.paper.${name}`)));
    }
    for (const [name, value] of Object.entries(content)) {
      if (typeof value !== "string" && typeof value !== "boolean" && typeof value !== "number") continue;
      const path = `status.${part}.${name}`;
      if (/door$/i.test(name)) drawn.push(door(name, String(value), isNew(path)));
      else if (!(part === "cardReader" && name === "media")) told.push(chip(full(part, name), value, isNew(path)));
    }
  }
  const cassettes = Object.entries(units).map(([name, unit]) => unitPicture(name, unit, isNew(`units.${name}`)));
  return [
    cassettes.length ? h("div", { class: "units" }, cassettes) : null,
    drawn.length ? h("div", { class: `drawn${status.lights ? " lamps" : ""}` }, drawn) : null,
    told.length ? h("div", { class: "chips" }, told) : null,
  ];
}
