/** Words, dates and durations as the user has them in Home Assistant. */

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
/** @type {Promise<void> | undefined} */
let loading;
let loadedLanguage = "";

/** @param {Hass} hass */
export function loadTexts(hass) {
  if (hass.language !== loadedLanguage) {
    loadedLanguage = hass.language;
    loading = hass.connection
      .sendMessagePromise({
        type: "frontend/get_translations",
        language: hass.language,
        category: "common",
        integration: ["pbx_voicemail"],
      })
      .then(({ resources }) => {
        const prefix = "component.pbx_voicemail.common.";
        texts = Object.fromEntries(Object.entries(resources).map(([key, text]) => [key.slice(prefix.length), text]));
      });
  }
  return loading;
}

/**
 * @param {string} key
 * @param {Record<string, string>} [blanks]
 */
export function text(key, blanks = {}) {
  return (texts[key] ?? "").replace(/{(\w+)}/g, (_, name) => blanks[name] ?? "");
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
    const hours = { 12: true, 24: false }[locale.time_format];
    const language = locale.time_format === "system" ? undefined : locale.language;
    this.time = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit", timeZone, hour12: hours });
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

  /** @param {string} received ISO 8601 */
  relative(received) {
    const seconds = (Date.parse(received) - Date.now()) / 1000;
    for (const [unit, length] of UNITS) {
      if (Math.abs(seconds) >= length) return this.ago.format(Math.round(seconds / length), unit);
    }
    return this.ago.format(Math.round(seconds / 60), "minute");
  }
}
