/** Texts, numbers, dates, and durations in the language and format of the user. */

import { FIRST_PAUSE, nextPause } from "./subscription.js";

/**
 * @typedef {{language: string, number_format: string, time_format: string, time_zone: string}} Locale
 * @typedef {import("./inbox.js").Hass} Hass
 */

/** In seconds. @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ["year", 31536000],
  ["month", 2592000],
  ["week", 604800],
  ["day", 86400],
  ["hour", 3600],
];

/** Texts in the user's language, from the integration's translations. @type {Record<string, string>} */
let texts = {};
/** Error messages in the user's language, and in English. */
let errors = {
  local: /** @type {Record<string, string>} */ ({}),
  english: /** @type {Record<string, string>} */ ({}),
};
/** @type {Promise<void>} */
let loading = Promise.resolve();
/** The latest state of Home Assistant, which defines the language. @type {Hass | undefined} */
let current;

/** Loads the texts in the user's language. Retries until it succeeds. @param {Hass} hass */
export function loadTexts(hass) {
  const isNew = current?.language !== hass.language;
  current = hass;
  if (isNew) loading = load(hass.language);
  return loading;
}

/** @param {string} language */
async function load(language) {
  for (let pause = FIRST_PAUSE; current?.language === language; pause = nextPause(pause)) {
    try {
      const [common, local, english] = await Promise.all([
        fetchTexts(language, "common"),
        fetchTexts(language, "exceptions"),
        fetchTexts("en", "exceptions"),
      ]);
      // While Home Assistant starts, the result may be empty.
      if (Object.keys(common).length && current?.language === language) {
        texts = common;
        errors = { local, english };
        return;
      }
    } catch {
      // Home Assistant is not connected, or not ready.
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/**
 * @param {string} language
 * @param {string} category
 * @returns {Promise<Record<string, string>>}
 */
async function fetchTexts(language, category) {
  const { resources } = await /** @type {Hass} */ (current).connection.sendMessagePromise({
    type: "frontend/get_translations",
    language,
    category,
    integration: ["pbx_voicemail"],
  });
  const prefix = `component.pbx_voicemail.${category}.`;
  return Object.fromEntries(Object.entries(resources).map(([key, text]) => [key.slice(prefix.length), text]));
}

/**
 * Returns a text in the user's language.
 *
 * @param {string} key
 * @param {Record<string, string>} [placeholders]
 */
export const text = (key, placeholders) => fill(texts[key] ?? "", placeholders);

/**
 * Replaces the placeholders in a template.
 *
 * @param {string} template
 * @param {Record<string, string>} [placeholders]
 */
const fill = (template, placeholders = {}) => template.replace(/{(\w+)}/g, (_, name) => placeholders[name] ?? "");

/** Returns the message of an error in the user's language. Home Assistant sends some only in English. @param {any} error */
export function errorText(error) {
  if (error?.translation_domain === "pbx_voicemail") {
    const template = errors.local[`${error.translation_key}.message`];
    if (template) return fill(template, error.translation_placeholders);
  }
  for (const [key, template] of Object.entries(errors.english)) {
    const names = [...template.matchAll(/{(\w+)}/g)].map(([, name]) => name);
    // Home Assistant removes the period at the end.
    const literal = template
      .replace(/\.$/, "")
      .split(/{\w+}/)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const placeholders = new RegExp(`^${literal.join("(.*)")}\\.?$`, "s").exec(error?.message)?.slice(1);
    if (placeholders)
      return fill(errors.local[key] ?? "", Object.fromEntries(names.map((name, i) => [name, placeholders[i]])));
  }
  return text("card_failed");
}

/** A language for each number format of Home Assistant. @type {Record<string, string | undefined>} */
const NUMBERS = { comma_decimal: "en", decimal_comma: "de", space_comma: "fr", system: undefined };

/**
 * Formats a number in the user's number format.
 *
 * @param {number} number
 * @param {Locale} locale
 */
export function formatNumber(number, { language, number_format: format }) {
  return number.toLocaleString(format in NUMBERS ? NUMBERS[format] : language, { useGrouping: format !== "none" });
}

/** Formats a duration as minutes and seconds. @param {number} seconds */
export function formatDuration(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Formats dates in the user's language, time zone, and time format. */
export class Dates {
  /** @param {Hass} hass */
  constructor({ locale, config }) {
    const timeZone = locale.time_zone === "server" ? config.time_zone : undefined;
    const hourCycle = /** @type {const} */ ({ 12: "h12", 24: "h23" })[locale.time_format];
    const language = locale.time_format === "system" ? undefined : locale.language;
    // Not `hour12`, with which some languages show the hour after midnight as 24, or the one after noon as 0.
    this.time = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZone, hourCycle });
    // With the name of the month, the order of day and month is never ambiguous.
    this.day = new Intl.DateTimeFormat(locale.language, { month: "short", day: "numeric", timeZone });
    this.dayOfAnotherYear = new Intl.DateTimeFormat(locale.language, { dateStyle: "medium", timeZone });
    this.ago = new Intl.RelativeTimeFormat(locale.language, { numeric: "auto" });
  }

  /** Returns the date and time. @param {string} received ISO 8601 */
  absolute(received) {
    const date = new Date(received);
    const day = date.getFullYear() === new Date().getFullYear() ? this.day : this.dayOfAnotherYear;
    return `${day.format(date)}, ${this.time.format(date)}`;
  }

  /** Returns the time, with the date unless it is today. @param {Date} date */
  moment(date) {
    const isToday = this.dayOfAnotherYear.format(date) === this.dayOfAnotherYear.format(new Date());
    return isToday ? this.time.format(date) : this.absolute(date.toISOString());
  }

  /** Returns how long ago it was. @param {string} received ISO 8601 */
  relative(received) {
    const seconds = (Date.parse(received) - Date.now()) / 1000;
    for (const [unit, length] of UNITS) {
      if (Math.abs(seconds) >= length) return this.ago.format(Math.round(seconds / length), unit);
    }
    return this.ago.format(Math.round(seconds / 60), "minute");
  }
}
