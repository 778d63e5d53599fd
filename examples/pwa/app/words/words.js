/** Two languages, and what is written differently in each: money, days, spans. */

import { en } from "./en.js";
import { ko } from "./ko.js";

/** @typedef {keyof typeof ko} Key */
/** @typedef {"ko" | "en"} Language */

const LANGUAGES = { ko, en };
const LOCALES = { ko: "ko-KR", en: "en-GB" };

/**
 * @param {readonly string[]} wanted as the browser tells them
 * @returns {Language} Korean, unless another of ours is wanted first
 */
export function chosen(wanted) {
  for (const one of wanted) {
    const language = one.slice(0, 2).toLowerCase();
    if (language === "ko" || language === "en") return language;
  }
  return "ko";
}

/** Says things in one language and one time zone. */
export class Words {
  /**
   * @param {Language} language
   * @param {string} [zone] of the person; else the browser's
   */
  constructor(language, zone) {
    this.language = language;
    this.locale = LOCALES[language];
    this.zone = zone;
  }

  /**
   * @param {Key} key
   * @param {Record<string, string | number>} [values]
   */
  say(key, values = {}) {
    return LANGUAGES[this.language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
  }

  /**
   * What a code of the wire means; the code itself where this app has no words for it.
   *
   * @param {string} prefix such as `order.status`
   * @param {string | null | undefined} code
   */
  code(prefix, code) {
    const key = `${prefix}.${code}`;
    return key in ko ? this.say(/** @type {Key} */ (key)) : (code ?? "");
  }

  /**
   * @param {string | null | undefined} time RFC 3339
   * @returns {string} as 14:30
   */
  clock(time) {
    return time ? this.#format(time, { hour: "2-digit", minute: "2-digit", hour12: false }) : "";
  }

  /**
   * @param {string | null | undefined} time
   * @returns {string} as 11월 23일 (월)
   */
  day(time) {
    return time ? this.#format(time, { month: "long", day: "numeric", weekday: "short" }) : "";
  }

  /** @param {string | null | undefined} time */
  moment(time) {
    return time ? this.#format(time, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }) : "";
  }

  /**
   * @param {string | number} time
   * @returns {string} the person's calendar day, as 2026-11-23
   */
  date(time) {
    const parts = { ...(this.zone ? { timeZone: this.zone } : {}), year: "numeric", month: "2-digit", day: "2-digit" };
    return new Intl.DateTimeFormat("sv-SE", /** @type {Intl.DateTimeFormatOptions} */ (parts)).format(new Date(time));
  }

  /**
   * @param {string | null | undefined} amount a decimal string, exact
   * @param {string | null | undefined} currency
   */
  money(amount, currency) {
    if (amount === null || amount === undefined || !currency) return "–";
    return new Intl.NumberFormat(this.locale, { style: "currency", currency }).format(/** @type {any} */ (amount));
  }

  /**
   * @param {string} quantity a decimal string: 12.000000 is 12
   */
  quantity(quantity) {
    return new Intl.NumberFormat(this.locale, { maximumFractionDigits: 6 }).format(/** @type {any} */ (quantity));
  }

  /** @param {number} n */
  number(n) {
    return new Intl.NumberFormat(this.locale).format(n);
  }

  /** @param {number} bytes */
  megabytes(bytes) {
    return `${new Intl.NumberFormat(this.locale, { maximumFractionDigits: 1 }).format(bytes / 1e6)} MB`;
  }

  /** @param {number} ms */
  span(ms) {
    const minutes = Math.round(ms / 60_000);
    if (minutes < 120) return this.say("span.minutes", { n: minutes });
    if (minutes < 48 * 60) return this.say("span.hours", { n: Math.round(minutes / 60) });
    return this.say("span.days", { n: Math.round(minutes / 1_440) });
  }

  /**
   * @param {string} time
   * @param {Intl.DateTimeFormatOptions} parts
   */
  #format(time, parts) {
    const options = this.zone ? { ...parts, timeZone: this.zone } : parts;
    return new Intl.DateTimeFormat(this.locale, options).format(new Date(time));
  }
}
