// What must not be shown: PINs, keys, tracks, tokens, by the name of a property, and card numbers wherever they
// stand, as the server's log does it.

export const MASK = "•••";

// Of 13 to 19 digits, as ISO/IEC 7812 has it; behind it what a track has besides.
const CARD = /(^|[^\d.])(\d(?:[ -]?\d){12,18})(?!\d)(?:[=D^][^\s"']{0,100})?/g;

// Whether the check digit is that of a card number.
function isCard(number) {
  const digits = [...number].filter((one) => one >= "0" && one <= "9").map(Number).reverse();
  const sum = digits.reduce((all, one, at) => all + (at % 2 ? Math.floor((2 * one) / 10) + ((2 * one) % 10) : one), 0);
  return sum % 10 === 0 && digits.some(Boolean);
}

export class Masks {
  constructor(rules) {
    this.names = new Set(rules.names);
    this.counted = new Set(rules.counted);
    this.harmless = new Set(rules.harmless);
    this.words = new Set(rules.words);
    this.ends = rules.ends;
  }

  static plain(name) {
    return name.slice(0, 200).replace(/[_\-. ]/g, "").toLowerCase();
  }

  soundsSecret(name) {
    const words = (name.slice(-200).match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g) ?? []).map((one) => one.toLowerCase());
    const joined = words.join("").replace(/[0-9]+$/, "");
    return (
      this.ends.some((one) => joined.endsWith(one)) ||
      joined.startsWith("hmac") ||
      this.words.has(joined) ||
      words.some((one) => this.words.has(one))
    );
  }

  // Whether the text of a property with this name is hidden.
  hides(name) {
    const plain = Masks.plain(name);
    return this.names.has(plain) || (!this.harmless.has(plain) && this.soundsSecret(name));
  }

  // A text without card numbers.
  text(value) {
    return value.replace(CARD, (all, before, number) => (isCard(number) ? `${before}${MASK}` : all));
  }

  // A copy of a payload without what is secret.
  masked(value, text = false, numbers = true) {
    if (Array.isArray(value)) return value.map((one) => this.masked(one, text, numbers));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, this.#property(name, one, text, numbers)]));
    if (!value || typeof value === "boolean") return value;
    if (!text) return typeof value === "string" ? this.text(value) : value;
    return numbers || typeof value === "string" ? MASK : value;
  }

  #property(name, value, text, numbers) {
    const plain = Masks.plain(name);
    if (this.names.has(plain)) return this.masked(value, true, (text && numbers) || !this.counted.has(plain));
    const isObject = value && typeof value === "object" && !Array.isArray(value);
    if (!isObject && !this.harmless.has(plain) && this.soundsSecret(name)) return this.masked(value, true, true);
    return this.masked(value, text, numbers);
  }
}
