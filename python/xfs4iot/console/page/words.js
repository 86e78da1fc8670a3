// What the page says, in the reader's language. Names of the standard are never translated.

import { own } from "./schema.js";

export const LANGUAGES = { en: "English", de: "Deutsch", ja: "日本語", es: "Español" };

let words = {};
export let language = "en";

export async function speak(wanted) {
  const known = [wanted, ...navigator.languages.map((one) => one.slice(0, 2))];
  language = known.find((one) => one in LANGUAGES) ?? "en";
  words = await (await fetch(`languages/${language}.json`)).json();
  document.documentElement.lang = language;
}

export const t = (key, values = {}) =>
  (own(words, key) ?? key).replace(/\{(\w+)\}/g, (whole, name) => own(values, name) ?? whole);

export const number = (value) => new Intl.NumberFormat(language).format(value);
