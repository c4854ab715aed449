/** Dates in the language, time zone, and time format of the user. */

/** @typedef {import("./inbox.js").Hass} Hass */

const DAY = 86_400_000;

/** Formats dates. Created anew each day, since it knows which day is today. */
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
    this.weekday = new Intl.DateTimeFormat(locale.language, { weekday: "long", timeZone });
    this.shortWeekday = new Intl.DateTimeFormat(locale.language, { weekday: "short", timeZone });
    this.longDay = new Intl.DateTimeFormat(locale.language, { day: "numeric", month: "long", timeZone });
    this.longDayOfAnotherYear = new Intl.DateTimeFormat(locale.language, { dateStyle: "long", timeZone });
    this.relative = new Intl.RelativeTimeFormat(locale.language, { numeric: "auto" });
    this.parts = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit", timeZone });
    this.language = locale.language;
    this.today = this.#dayNumber(new Date());
  }

  /** Returns whether it is still the day on which this was created. */
  get isCurrent() {
    return this.#dayNumber(new Date()) === this.today;
  }

  /** Returns the date and time. @param {string} received ISO 8601 */
  absolute(received) {
    const date = new Date(received);
    const day = this.#isThisYear(date) ? this.day : this.dayOfAnotherYear;
    return `${day.format(date)}, ${this.time.format(date)}`;
  }

  /** Returns the time, with the date unless it is today. @param {Date} date */
  moment(date) {
    return this.#daysAgo(date) === 0 ? this.time.format(date) : this.absolute(date.toISOString());
  }

  /** Returns the time of today, the weekday and time of this week, or the date. @param {string} received ISO 8601 */
  short(received) {
    const date = new Date(received);
    const days = this.#daysAgo(date);
    if (days === 0) return this.time.format(date);
    if (days > 0 && days < 7) return `${this.shortWeekday.format(date)} ${this.time.format(date)}`;
    return (this.#isThisYear(date) ? this.day : this.dayOfAnotherYear).format(date);
  }

  /** Returns Today, Yesterday, the weekday of this week, or the date. @param {string} received ISO 8601 */
  heading(received) {
    const date = new Date(received);
    const days = this.#daysAgo(date);
    let heading = (this.#isThisYear(date) ? this.longDay : this.longDayOfAnotherYear).format(date);
    if (days === 0 || days === 1) heading = this.relative.format(-days, "day");
    else if (days > 0 && days < 7) heading = this.weekday.format(date);
    const [first = "", ...rest] = heading;
    return first.toLocaleUpperCase(this.language) + rest.join("");
  }

  /** @param {Date} date */
  #isThisYear(date) {
    return this.parts.format(date).slice(0, 4) === this.parts.format(new Date()).slice(0, 4);
  }

  /** @param {Date} date */
  #daysAgo(date) {
    return this.today - this.#dayNumber(date);
  }

  /** @param {Date} date */
  #dayNumber(date) {
    return Date.parse(this.parts.format(date)) / DAY;
  }
}
