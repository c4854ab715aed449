/** Texts, numbers, and durations in the language and format of the user. */

import { FIRST_PAUSE, nextPause } from "./subscription.js";

/**
 * @typedef {{language: string, number_format: string, time_format: string, time_zone: string}} Locale
 * @typedef {import("./inbox.js").Hass} Hass
 */

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

/** Waits until texts can be shown. */
export const textsLoaded = () => loading;

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
