/** Words, dates and durations as the user has them in Home Assistant. */

import { FIRST_PAUSE, longer } from "./subscription.js";

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
/** What can go wrong, in the user's language, and in the one that Home Assistant tells it in. */
let failures = {
  theirs: /** @type {Record<string, string>} */ ({}),
  english: /** @type {Record<string, string>} */ ({}),
};
/** @type {Promise<void>} */
let loading = Promise.resolve();
/** Whose language it is. @type {Hass | undefined} */
let reader;

/** Loads the texts, however often that takes. @param {Hass} hass */
export function loadTexts(hass) {
  const isNew = reader?.language !== hass.language;
  reader = hass;
  if (isNew) loading = load(hass.language);
  return loading;
}

/** @param {string} language */
async function load(language) {
  for (let pause = FIRST_PAUSE; reader?.language === language; pause = longer(pause)) {
    try {
      const [common, theirs, english] = await Promise.all([
        fetchTexts(language, "common"),
        fetchTexts(language, "exceptions"),
        fetchTexts("en", "exceptions"),
      ]);
      // While Home Assistant starts, it may know of none.
      if (Object.keys(common).length && reader?.language === language) {
        texts = common;
        failures = { theirs, english };
        return;
      }
    } catch {
      // It is not connected, or not ready.
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
  const { resources } = await /** @type {Hass} */ (reader).connection.sendMessagePromise({
    type: "frontend/get_translations",
    language,
    category,
    integration: ["pbx_voicemail"],
  });
  const prefix = `component.pbx_voicemail.${category}.`;
  return Object.fromEntries(Object.entries(resources).map(([key, text]) => [key.slice(prefix.length), text]));
}

/**
 * @param {string} key
 * @param {Record<string, string>} [blanks]
 */
export const text = (key, blanks) => fill(texts[key] ?? "", blanks);

/**
 * @param {string} template
 * @param {Record<string, string>} [blanks]
 */
const fill = (template, blanks = {}) => template.replace(/{(\w+)}/g, (_, name) => blanks[name] ?? "");

/** Tells what went wrong, in the user's language: Home Assistant tells some of it in English alone. @param {any} error */
export function reason(error) {
  if (error?.translation_domain === "pbx_voicemail") {
    const template = failures.theirs[`${error.translation_key}.message`];
    if (template) return fill(template, error.translation_placeholders);
  }
  for (const [key, template] of Object.entries(failures.english)) {
    const names = [...template.matchAll(/{(\w+)}/g)].map(([, name]) => name);
    // Home Assistant leaves out the full stop at the end.
    const literal = template
      .replace(/\.$/, "")
      .split(/{\w+}/)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const blanks = new RegExp(`^${literal.join("(.*)")}\\.?$`, "s").exec(error?.message)?.slice(1);
    if (blanks) return fill(failures.theirs[key] ?? "", Object.fromEntries(names.map((name, i) => [name, blanks[i]])));
  }
  return text("card_failed");
}

/** Languages that write numbers as Home Assistant's formats are called. @type {Record<string, string | undefined>} */
const NUMBERS = { comma_decimal: "en", decimal_comma: "de", space_comma: "fr", system: undefined };

/**
 * @param {number} number
 * @param {Locale} locale
 */
export function count(number, { language, number_format: format }) {
  return number.toLocaleString(format in NUMBERS ? NUMBERS[format] : language, { useGrouping: format !== "none" });
}

/** @param {number} seconds */
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Tells dates as the user wants them: in their language and time zone, with 12 or 24 hours. */
export class Dates {
  /** @param {Hass} hass */
  constructor({ locale, config }) {
    const timeZone = locale.time_zone === "server" ? config.time_zone : undefined;
    const hourCycle = /** @type {const} */ ({ 12: "h12", 24: "h23" })[locale.time_format];
    const language = locale.time_format === "system" ? undefined : locale.language;
    // Not `hour12`, which lets a language call the hour after midnight 24, or the one after noon 0.
    this.time = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZone, hourCycle });
    // A month by its name cannot be taken for a day, in whatever order they are.
    this.day = new Intl.DateTimeFormat(locale.language, { month: "short", day: "numeric", timeZone });
    this.dayOfAnotherYear = new Intl.DateTimeFormat(locale.language, { dateStyle: "medium", timeZone });
    this.ago = new Intl.RelativeTimeFormat(locale.language, { numeric: "auto" });
  }

  /** @param {string} received ISO 8601 */
  absolute(received) {
    const date = new Date(received);
    const day = date.getFullYear() === new Date().getFullYear() ? this.day : this.dayOfAnotherYear;
    return `${day.format(date)}, ${this.time.format(date)}`;
  }

  /** The time, with the day unless it is today. @param {Date} date */
  moment(date) {
    const isToday = this.dayOfAnotherYear.format(date) === this.dayOfAnotherYear.format(new Date());
    return isToday ? this.time.format(date) : this.absolute(date.toISOString());
  }

  /** @param {string} received ISO 8601 */
  relative(received) {
    const seconds = (Date.parse(received) - Date.now()) / 1000;
    for (const [unit, length] of UNITS) {
      if (Math.abs(seconds) >= length) return this.ago.format(Math.round(seconds / length), unit);
    }
    return this.ago.format(Math.round(seconds / 60), "minute");
  }
}
