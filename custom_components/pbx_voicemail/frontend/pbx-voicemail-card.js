/**
 * A dashboard card that lists, plays, and deletes voicemail messages.
 *
 * Names and transcripts are controlled by callers, so they are only ever inserted as text.
 */

import { make, setContent } from "./dom.js";
import { Inbox, isListed } from "./inbox.js";
import { Dates, formatNumber, loadTexts, text } from "./localize.js";
import { Row } from "./row.js";
import "./strategy.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {{title?: string, devices?: string[]}} Config
 */

const ROWS_AT_ONCE = 25;
const CONTROLS_FROM = 6;

class PbxVoicemailCard extends HTMLElement {
  /** @type {Config} */
  #config = {};
  /** @type {Hass | undefined} */
  #hass;
  /** @type {Inbox | undefined} */
  #inbox;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Dates | undefined} */
  #dates;
  #limit = ROWS_AT_ONCE;
  #frame = 0;
  #ageTimer = 0;
  #root = this.attachShadow({ mode: "open" });
  /** The messages to show, and the inputs that they depend on. @type {{inputs: unknown[], extensions: Map<string, Extension>, all: Message[], matches: Message[]} | undefined} */
  #selection;
  #update = () => {
    this.#frame ||= requestAnimationFrame(() => this.#render());
  };
  #reloadTexts = () => {
    this.#dates = undefined;
    this.#selection = undefined;
    this.#update();
  };
  #tick = () => this.#rows.get(this.#inbox?.player.id ?? "")?.tick();
  #resetList = () => {
    this.#limit = ROWS_AT_ONCE;
    this.#list.scrollTop = 0;
    this.#update();
  };

  #card = document.createElement("ha-card");
  #title = make("h2");
  #count = make("span", { class: "count" });
  #search = make("input", { type: "search", input: this.#resetList });
  #filter = make("select", { change: this.#resetList });
  #controls = make("div", { class: "controls" }, this.#search, this.#filter);
  #notices = make("div", { class: "notices", role: "status" });
  #list = make("ul");
  #end = make("div", { class: "end" });
  #empty = make("p", { class: "empty" });
  #more = new IntersectionObserver(
    (entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      this.#limit += ROWS_AT_ONCE;
      this.#update();
    },
    { root: this.#list, rootMargin: "400px" },
  );

  static getStubConfig() {
    return {};
  }

  static getConfigForm() {
    return {
      schema: [
        { name: "title", selector: { text: {} } },
        { name: "devices", selector: { device: { multiple: true, filter: { integration: "pbx_voicemail" } } } },
      ],
      computeLabel: (/** @type {{name: string}} */ { name }) => text(`card_editor_${name}`),
      computeHelper: (/** @type {{name: string}} */ { name }) => text(`card_editor_${name}_help`) || undefined,
    };
  }

  constructor() {
    super();
    const header = make("div", { class: "header" }, this.#title, this.#count);
    const card = this.#card;
    card.setAttribute("role", "region");
    card.append(header, this.#controls, this.#notices, this.#list, this.#empty);
    this.#root.append(make("style", {}, STYLE), card);
  }

  /** @param {Config} config */
  setConfig(config) {
    if (config.devices !== undefined && !Array.isArray(config.devices)) throw new Error("devices must be a list");
    this.#config = config;
    this.#update();
  }

  /** @param {Hass} hass */
  set hass(hass) {
    const before = this.#hass;
    this.#hass = hass;
    if (before?.connection !== hass.connection && this.isConnected) this.#open();
    if (before?.language !== hass.language || before?.connection !== hass.connection) {
      loadTexts(hass).then(this.#reloadTexts);
    }
    if (before?.locale !== hass.locale) this.#reloadTexts();
  }

  getCardSize() {
    return 6;
  }

  getGridOptions() {
    return { columns: 12, min_columns: 6, rows: "auto" };
  }

  connectedCallback() {
    this.#open();
    this.#ageTimer = window.setInterval(() => {
      if (this.#dates) for (const row of this.#rows.values()) row.updateAge(this.#dates);
    }, 30_000);
  }

  disconnectedCallback() {
    clearInterval(this.#ageTimer);
    this.#close();
  }

  #open() {
    this.#close();
    if (!this.#hass) return;
    this.#inbox = Inbox.of(this.#hass.connection);
    this.#inbox.addEventListener("change", this.#update);
    this.#inbox.addEventListener("tick", this.#tick);
    this.#inbox.open();
    this.#update();
  }

  #close() {
    this.#inbox?.removeEventListener("change", this.#update);
    this.#inbox?.removeEventListener("tick", this.#tick);
    this.#inbox?.close();
    this.#inbox = undefined;
  }

  /** Returns the extensions to show: the configured ones and all of a configured PBX, or all by default. */
  #extensions(/** @type {Inbox} */ inbox) {
    const chosen = new Set(this.#config.devices);
    const pbxs = new Set(inbox.pbxs.filter((pbx) => chosen.has(pbx.device_id ?? "")).map((pbx) => pbx.entry_id));
    return inbox.extensions.filter(
      ({ device_id, entry_id }) => !chosen.size || chosen.has(device_id ?? "") || pbxs.has(entry_id),
    );
  }

  /** Returns the messages to show. They are selected again only if an input has changed. @param {Inbox} inbox */
  #select(inbox) {
    const inputs = [inbox, inbox.version, this.#config, this.#search.value, this.#filter.value];
    if (this.#selection && inputs.every((part, index) => part === this.#selection?.inputs[index]))
      return this.#selection;
    const extensions = new Map(this.#extensions(inbox).map((shown) => [key(shown), shown]));
    const all = [...inbox.messages.values()].filter((message) => extensions.has(key(message)));
    this.#renderControls(extensions, all.length);
    inputs[4] = this.#filter.value;
    this.#selection = { inputs, extensions, all, matches: this.#filterMessages(all, extensions) };
    return this.#selection;
  }

  #render() {
    this.#frame = 0;
    const [hass, inbox] = [this.#hass, this.#inbox];
    if (!hass || !inbox) return;
    this.#dates ??= new Dates(hass);
    const dates = this.#dates;
    const { extensions, all, matches } = this.#select(inbox);
    const deletions = [...inbox.deletions.values()].filter(({ message }) => extensions.has(key(message))).length;
    const isComplete = inbox.isLoaded && inbox.pbxs.every(isListed);
    setContent(this.#title, this.#config.title ?? text("card_title"));
    const number = formatNumber(all.length - deletions, hass.locale);
    setContent(this.#count, number);
    this.#count.title = text("card_count", { count: number });
    this.#count.hidden = !isComplete;
    this.#renderNotices(inbox, dates);
    const available = new Set(inbox.pbxs.filter((pbx) => pbx.available).map((pbx) => pbx.entry_id));
    this.#renderRows(matches, (row, message) => {
      const extension = extensions.get(key(message));
      row.show(message, extension, dates, !inbox.staleSince && available.has(message.entry_id));
    });
    const none = all.length ? "card_none_found" : inbox.pbxs.length ? "card_empty" : "card_no_pbx";
    // Do not show that there are no messages before all of them are known.
    this.#empty.hidden = matches.length > 0 || (inbox.isLoaded && !isComplete && !all.length);
    setContent(this.#empty, text(inbox.isLoaded ? none : "card_loading"));
    for (const part of [this.#card, this.#list]) part.setAttribute("aria-label", this.#title.textContent ?? "");
  }

  /**
   * @param {Inbox} inbox
   * @param {Dates} dates
   */
  #renderNotices({ isLoaded, pbxs, staleSince }, dates) {
    const notices = pbxs
      .filter((pbx) => !pbx.available)
      .map(({ title, answered }) =>
        text(answered ? "card_unavailable_since" : "card_unavailable", {
          pbx: title,
          time: answered ? dates.absolute(answered) : "",
        }),
      );
    if (staleSince && isLoaded) notices.unshift(text("card_stale_since", { time: dates.moment(staleSince) }));
    setContent(this.#notices, ...notices.map((notice) => make("p", {}, notice)));
  }

  /**
   * @param {Map<string, Extension>} extensions
   * @param {number} messages
   */
  #renderControls(extensions, messages) {
    this.#controls.hidden = messages < CONTROLS_FROM && !this.#search.value && !this.#filter.value;
    this.#search.placeholder = text("card_search");
    this.#search.setAttribute("aria-label", text("card_search"));
    this.#filter.setAttribute("aria-label", text("card_extension"));
    this.#filter.hidden = extensions.size < 2;
    const value = this.#filter.value;
    setContent(
      this.#filter,
      make("option", { value: "" }, text("card_all_extensions")),
      ...[...extensions].map(([id, { name }]) => make("option", { value: id }, name)),
    );
    this.#filter.value = extensions.has(value) ? value : "";
  }

  /**
   * @param {Message[]} messages
   * @param {Map<string, Extension>} extensions
   */
  #filterMessages(messages, extensions) {
    const words = this.#search.value.trim().toLocaleLowerCase();
    const received = new Map(messages.map((message) => [message, Date.parse(message.received ?? "1970")]));
    return messages
      .filter((message) => !this.#filter.value || key(message) === this.#filter.value)
      .filter((message) =>
        [message.caller, message.caller_name, message.transcript, extensions.get(key(message))?.name].some((part) =>
          (part ?? "").toLocaleLowerCase().includes(words),
        ),
      )
      .sort((one, other) => (received.get(other) ?? 0) - (received.get(one) ?? 0));
  }

  /**
   * Renders the first messages, and more when the user scrolls to the end of the list.
   *
   * @param {Message[]} messages
   * @param {(row: Row, message: Message) => void} show
   */
  #renderRows(messages, show) {
    const rows = new Map();
    let before = null;
    for (const [index, message] of messages.slice(0, this.#limit).entries()) {
      const id = message.media_content_id;
      const row =
        this.#rows.get(id) ??
        new Row(/** @type {Inbox} */ (this.#inbox), message, () => /** @type {Hass} */ (this.#hass));
      show(row, message);
      row.element.setAttribute("aria-posinset", String(index + 1));
      row.element.setAttribute("aria-setsize", String(messages.length));
      /** @type {Element | null} */
      const place = before ? before.nextElementSibling : this.#list.firstElementChild;
      if (place !== row.element) this.#list.insertBefore(row.element, place);
      before = row.element;
      rows.set(id, row);
    }
    for (const [id, row] of this.#rows) if (!rows.has(id)) row.element.remove();
    this.#rows = rows;
    this.#more.disconnect();
    this.#end.remove();
    if (messages.length > this.#limit) {
      before?.append(this.#end);
      this.#more.observe(this.#end);
    }
  }
}

/** Returns the key of an extension. @param {{entry_id: string, extension: string}} extension */
const key = ({ entry_id, extension }) => `${entry_id}/${extension}`;

const STYLE = `
  :host { display: block; }
  ha-card { display: flex; flex-direction: column; overflow: hidden; color: var(--primary-text-color); }
  [hidden] { display: none !important; }
  .header { display: flex; align-items: center; gap: 12px; padding: 16px 16px 8px; }
  h2 { margin: 0; font-size: 1.25rem; font-weight: 500; overflow-wrap: anywhere; }
  .count { min-width: 1.5em; padding: 2px 8px; border-radius: 12px; text-align: center; font-size: 0.875rem;
    background: var(--secondary-background-color); }
  .controls { display: flex; flex-wrap: wrap; gap: 8px; padding: 0 16px 8px; }
  .controls > * { flex: 1 1 140px; min-width: 0; min-height: 44px; padding: 0 12px; border-radius: 8px; font: inherit;
    color: inherit; background: var(--card-background-color); border: 1px solid var(--secondary-text-color);
    box-sizing: border-box; }
  ::placeholder { color: var(--secondary-text-color); opacity: 1; }
  .notices p { margin: 0 16px 8px; padding: 8px 12px; border-radius: 8px; border-inline-start: 4px solid var(--warning-color);
    background: var(--secondary-background-color); }
  ul { list-style: none; margin: 0; padding: 0 0 8px; overflow-y: auto; max-height: var(--pbx-voicemail-height, 520px); }
  li { border-top: 1px solid var(--divider-color); content-visibility: auto; contain-intrinsic-size: auto 72px; }
  .body, .deleted { display: flex; align-items: flex-start; gap: 4px; padding: 8px; }
  .deleted { align-items: center; justify-content: space-between; padding-inline-start: 16px; min-height: 56px;
    overflow-wrap: anywhere; }
  .main { flex: 1; min-width: 0; padding: 4px; overflow-wrap: anywhere; }
  .caller { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 8px; font-weight: 500; }
  .unread .caller { font-weight: 700; }
  .number { font-weight: 400; color: var(--secondary-text-color); }
  .new { padding: 0 8px; border: 1px solid currentColor; border-radius: 10px; font-size: 0.75rem; }
  .details { font-size: 0.875rem; color: var(--secondary-text-color); }
  .details > :not(:empty) ~ :not(:empty)::before { content: "·"; margin: 0 6px; }
  .transcript { margin: 6px 0 0; padding-inline-start: 10px; border-inline-start: 3px solid var(--divider-color); }
  .transcript:empty, .problem:empty { display: none; }
  .problem { margin: 6px 0 0; padding-inline-start: 10px; border-inline-start: 3px solid var(--error-color); }
  .hint { border-color: var(--primary-color); }
  .progress { display: flex; align-items: center; gap: 8px; }
  .progress input { flex: 1; min-width: 0; height: 32px; margin: 0; accent-color: var(--primary-color); }
  .position { font-size: 0.875rem; font-variant-numeric: tabular-nums; }
  button, .button { display: inline-grid; place-items: center; min-width: 44px; height: 44px; flex: none; padding: 0; border: 0;
    border-radius: 22px; background: none; color: var(--secondary-text-color); font: inherit; cursor: pointer; }
  .play { background: var(--secondary-background-color); color: var(--primary-text-color); }
  .undo { padding: 0 16px; color: var(--primary-text-color); font-weight: 700; text-decoration: underline; }
  button:hover:enabled, .button:hover { color: var(--primary-text-color); background: var(--secondary-background-color); }
  button:disabled { cursor: default; color: var(--disabled-text-color); }
  :focus-visible { outline: 2px solid var(--primary-text-color); outline-offset: -2px; }
  .stale .caller, .stale .transcript, .stale .number { color: var(--secondary-text-color); }
  .empty { margin: 0; padding: 24px 16px 32px; text-align: center; color: var(--secondary-text-color); }
`;

customElements.define("pbx-voicemail-card", PbxVoicemailCard);

/** @type {any} */ (window).customCards ??= [];
/** @type {any} */ (window).customCards.push({
  type: "pbx-voicemail-card",
  name: "Voicemail inbox",
  description: "Shows the voicemail messages of a PBX.",
  preview: true,
  documentationURL: "https://github.com/pbx-voicemail/pbx-voicemail#the-inbox-card",
  getEntitySuggestion: (/** @type {Hass} */ hass, /** @type {string} */ entityId) => {
    const { platform, device_id: device } = hass.entities[entityId] ?? {};
    return platform === "pbx_voicemail"
      ? { config: { type: "custom:pbx-voicemail-card", ...(device && { devices: [device] }) } }
      : null;
  },
});
