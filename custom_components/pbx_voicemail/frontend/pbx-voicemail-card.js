/**
 * The voicemail inbox for Home Assistant's dashboards: hear, read and delete messages.
 *
 * Callers choose what their messages say of them, so all of it is only ever set as text.
 */

import { Inbox } from "./inbox.js";
import { clock, count, Dates, loadTexts, text } from "./words.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {{title?: string, devices?: string[]}} Config
 */

const ROWS_AT_ONCE = 25;
const CONTROLS_FROM = 6;
const ICONS = { "": "play", paused: "play", playing: "pause", loading: "dots-horizontal" };

/**
 * Makes an element. Properties that are `null` are left out; a child that is text stays text.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, /** @type {any} */ (value));
    else if (value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** @param {string} name */
const icon = (name) => {
  const element = document.createElement("ha-icon");
  element.setAttribute("icon", `mdi:${name}`);
  element.setAttribute("aria-hidden", "true");
  return element;
};

/** One message in the list. Its element stays the same for as long as it is shown, and so does the focus. */
class Row {
  /** What is shown, to be left alone while that stays the same. @type {unknown[]} */
  #shown = [];

  /**
   * @param {Inbox} inbox
   * @param {Message} message
   * @param {() => Hass} hass
   */
  constructor(inbox, message, hass) {
    this.inbox = inbox;
    this.message = message;
    this.play = make("button", {
      ...{ class: "play", type: "button" },
      click: () => inbox.player.toggle(this.message, hass()),
    });
    this.who = make("div", { class: "who" });
    this.where = make("bdi");
    this.when = make("time");
    this.length = make("span");
    this.said = make("p", { class: "said", dir: "auto" });
    this.problem = make("p", { class: "problem", role: "alert" });
    this.position = make("span", { class: "position", dir: "ltr" });
    this.seek = make("input", {
      ...{ type: "range", min: 0, step: 0.1 },
      input: () => inbox.player.seek(Number(this.seek.value)),
    });
    this.progress = make("div", { class: "progress" }, this.seek, this.position);
    this.call = make("a", { class: "button" }, icon("phone"));
    this.delete = make("button", { type: "button", click: () => this.#leave(true) }, icon("delete"));
    this.notice = make("span", { role: "status" });
    this.undo = make("button", { type: "button", class: "undo", click: () => this.#leave(false) });
    this.deleted = make("div", { class: "deleted" }, this.notice, this.undo);
    const what = make("div", { class: "what" }, this.where, this.when, this.length);
    const main = make("div", { class: "main" }, this.who, what, this.said, this.progress, this.problem);
    this.body = make("div", { class: "body" }, this.play, main, this.call, this.delete);
    this.element = make("li", {}, this.body, this.deleted);
  }

  /** @param {boolean} leaves */
  #leave(leaves) {
    if (leaves) this.inbox.delete(this.message);
    else this.inbox.undo(this.message.media_content_id);
    // Only once it is shown can it have the focus.
    requestAnimationFrame(() => (leaves ? this.undo : this.delete).focus());
  }

  /**
   * @param {Message} message
   * @param {Extension | undefined} extension
   * @param {Dates} dates
   * @param {boolean} available
   */
  show(message, extension, dates, available) {
    const { player, leaving, errors } = this.inbox;
    const id = message.media_content_id;
    const leaves = leaving.has(id);
    const state = player.id === id ? player.state : "";
    if (state) this.#showProgress(player.position, player.duration || message.duration || 0);
    const shown = [message, extension, dates, available, leaves, state, errors.get(id)];
    if (shown.every((part, index) => part === this.#shown[index])) return;
    this.#shown = shown;
    this.message = message;
    const who = message.caller_name ?? message.caller ?? text("unknown_caller");
    const blanks = { caller: who };

    this.body.hidden = leaves;
    this.deleted.hidden = !leaves;
    this.progress.hidden = !state;
    put(this.notice, text("card_deleted", blanks));
    put(this.undo, text("card_undo"));
    setIcon(this.play, ICONS[state]);
    describe(this.play, text(state === "playing" ? "card_pause" : "card_play", blanks), available);
    this.play.setAttribute("aria-busy", String(state === "loading"));
    this.seek.setAttribute("aria-label", text("card_seek", blanks));
    describe(this.delete, text("card_delete", blanks), available);
    this.delete.hidden = !extension?.may_delete;
    this.#showCall(message.caller ?? "", text("card_call", blanks));
    this.element.classList.toggle("stale", !available);
    this.element.classList.toggle("unread", message.read === false);

    const people = [make("bdi", {}, who)];
    if (message.caller_name && message.caller) people.push(make("bdi", { class: "number" }, message.caller));
    if (message.read === false) people.push(make("span", { class: "new" }, text("card_new")));
    put(this.who, ...people);
    put(this.where, extension?.name ?? message.extension);
    put(this.length, message.duration === null ? "" : clock(message.duration));
    put(this.said, message.transcript ?? "");
    put(this.problem, errors.get(id) ?? "");
    this.age(dates);
  }

  /** Tells anew how long ago it was. @param {Dates} dates */
  age(dates) {
    const { received } = this.message;
    if (received) {
      this.when.dateTime = received;
      put(this.when, `${dates.relative(received)} (${dates.absolute(received)})`);
    }
  }

  /**
   * @param {number} position
   * @param {number} duration
   */
  #showProgress(position, duration) {
    this.seek.max = String(duration);
    this.seek.value = String(position);
    this.seek.setAttribute("aria-valuetext", clock(position));
    put(this.position, `${clock(position)} / ${clock(duration)}`);
  }

  /** Offers to call back, if a caller is a number. @param {string} caller @param {string} label */
  #showCall(caller, label) {
    this.call.hidden = !/^\+?[\d\s().\-/*#]{2,}$/.test(caller);
    this.call.href = `tel:${caller.replace(/[^\d+*#]/g, "").replaceAll("#", "%23")}`;
    describe(this.call, label);
  }
}

/**
 * Sets what is in an element, if it is not there already: so that nothing is read out or selected anew.
 *
 * @param {HTMLElement} element
 * @param {(HTMLElement | string)[]} children
 */
function put(element, ...children) {
  const wanted = /** @type {HTMLElement} */ (element.cloneNode());
  wanted.append(...children);
  if (!wanted.isEqualNode(element)) element.replaceChildren(...wanted.childNodes);
}

/**
 * @param {HTMLElement} button
 * @param {string} name of an icon
 */
function setIcon(button, name) {
  if (button.firstElementChild?.getAttribute("icon") !== `mdi:${name}`) button.replaceChildren(icon(name));
}

/**
 * @param {HTMLElement} control
 * @param {string} label
 * @param {boolean} [enabled]
 */
function describe(control, label, enabled = true) {
  control.setAttribute("aria-label", label);
  control.title = label;
  control.toggleAttribute("disabled", !enabled);
}

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
  #minute = 0;
  #root = this.attachShadow({ mode: "open" });
  #update = () => {
    this.#frame ||= requestAnimationFrame(() => this.#render());
  };
  #reword = () => {
    this.#dates = undefined;
    this.#update();
  };
  #restart = () => {
    this.#limit = ROWS_AT_ONCE;
    this.#list.scrollTop = 0;
    this.#update();
  };

  #card = document.createElement("ha-card");
  #title = make("h2");
  #count = make("span", { class: "count" });
  #search = make("input", { type: "search", input: this.#restart });
  #filter = make("select", { change: this.#restart });
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
    if (config.devices !== undefined && !Array.isArray(config.devices)) throw new Error("devices is not a list");
    this.#config = config;
    this.#update();
  }

  /** @param {Hass} hass */
  set hass(hass) {
    const before = this.#hass;
    this.#hass = hass;
    if (before?.connection !== hass.connection && this.isConnected) this.#open();
    if (before?.language !== hass.language) loadTexts(hass)?.then(this.#reword);
    if (before?.locale !== hass.locale) this.#reword();
  }

  getCardSize() {
    return 6;
  }

  getGridOptions() {
    return { columns: 12, min_columns: 6, rows: "auto" };
  }

  connectedCallback() {
    this.#open();
    this.#minute = window.setInterval(() => {
      if (this.#dates) for (const row of this.#rows.values()) row.age(this.#dates);
    }, 30_000);
  }

  disconnectedCallback() {
    clearInterval(this.#minute);
    this.#close();
  }

  #open() {
    this.#close();
    if (!this.#hass) return;
    this.#inbox = Inbox.of(this.#hass.connection);
    this.#inbox.addEventListener("change", this.#update);
    this.#inbox.open();
    this.#update();
  }

  #close() {
    this.#inbox?.removeEventListener("change", this.#update);
    this.#inbox?.close();
    this.#inbox = undefined;
  }

  /** The extensions to show: those chosen, or all below a chosen PBX; without a choice, all. */
  #extensions(/** @type {Inbox} */ inbox) {
    const chosen = new Set(this.#config.devices);
    const pbxs = new Set(inbox.pbxs.filter((pbx) => chosen.has(pbx.device_id ?? "")).map((pbx) => pbx.entry_id));
    return inbox.extensions.filter(
      ({ device_id, entry_id }) => !chosen.size || chosen.has(device_id ?? "") || pbxs.has(entry_id),
    );
  }

  #render() {
    this.#frame = 0;
    const [hass, inbox] = [this.#hass, this.#inbox];
    if (!hass || !inbox) return;
    const extensions = new Map(this.#extensions(inbox).map((shown) => [key(shown), shown]));
    const all = [...inbox.messages.values()].filter((message) => extensions.has(key(message)));
    const waiting = all.filter((message) => !inbox.leaving.has(message.media_content_id));
    put(this.#title, this.#config.title ?? text("card_title"));
    const number = count(waiting.length, hass.locale);
    put(this.#count, number);
    this.#count.title = text("card_count", { count: number });
    this.#count.hidden = !inbox.isLoaded;
    this.#renderControls(extensions, all.length);
    const down = inbox.pbxs.filter((pbx) => !pbx.available);
    this.#dates ??= new Dates(hass);
    const dates = this.#dates;
    put(
      this.#notices,
      ...down.map(({ title, answered }) =>
        make(
          "p",
          {},
          text(answered ? "card_unavailable_since" : "card_unavailable", {
            pbx: title,
            time: answered ? dates.absolute(answered) : "",
          }),
        ),
      ),
    );

    const found = this.#found(all, extensions);
    const unavailable = new Set(down.map((pbx) => pbx.entry_id));
    this.#renderRows(found, (row, message) => {
      row.show(message, extensions.get(key(message)), dates, !unavailable.has(message.entry_id));
    });
    this.#empty.hidden = found.length > 0;
    const none = all.length ? "card_none_found" : inbox.pbxs.length ? "card_empty" : "card_no_pbx";
    put(this.#empty, text(inbox.isLoaded ? none : "card_loading"));
    for (const part of [this.#card, this.#list]) part.setAttribute("aria-label", this.#title.textContent ?? "");
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
    put(
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
  #found(messages, extensions) {
    const words = this.#search.value.trim().toLocaleLowerCase();
    return messages
      .filter((message) => !this.#filter.value || key(message) === this.#filter.value)
      .filter(({ caller, caller_name, transcript, ...message }) =>
        [caller, caller_name, transcript, extensions.get(key(message))?.name].some((part) =>
          (part ?? "").toLocaleLowerCase().includes(words),
        ),
      )
      .sort((one, other) => Date.parse(other.received ?? "1970") - Date.parse(one.received ?? "1970"));
  }

  /**
   * Shows the first messages, and more when the end of them comes into sight.
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

/** @param {{entry_id: string, extension: string}} of */
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
  .who { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 8px; font-weight: 500; }
  .unread .who { font-weight: 700; }
  .number { font-weight: 400; color: var(--secondary-text-color); }
  .new { padding: 0 8px; border: 1px solid currentColor; border-radius: 10px; font-size: 0.75rem; }
  .what { font-size: 0.875rem; color: var(--secondary-text-color); }
  .what > :not(:empty) ~ :not(:empty)::before { content: "·"; margin: 0 6px; }
  .said { margin: 6px 0 0; padding-inline-start: 10px; border-inline-start: 3px solid var(--divider-color); }
  .said:empty, .problem:empty { display: none; }
  .problem { margin: 6px 0 0; padding-inline-start: 10px; border-inline-start: 3px solid var(--error-color); }
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
  .stale .who, .stale .said, .stale .number { color: var(--secondary-text-color); }
  .empty { margin: 0; padding: 24px 16px 32px; text-align: center; color: var(--secondary-text-color); }
`;

customElements.define("pbx-voicemail-card", PbxVoicemailCard);

/** @type {any} */ (window).customCards ??= [];
/** @type {any} */ (window).customCards.push({
  type: "pbx-voicemail-card",
  name: "Voicemail inbox",
  description: "Hear, read and delete the messages of a PBX.",
  preview: true,
  documentationURL: "https://github.com/pbx-voicemail/pbx-voicemail#the-inbox-card",
  getEntitySuggestion: (/** @type {Hass} */ hass, /** @type {string} */ entityId) => {
    const { platform, device_id: device } = hass.entities[entityId] ?? {};
    return platform === "pbx_voicemail"
      ? { config: { type: "custom:pbx-voicemail-card", ...(device && { devices: [device] }) } }
      : null;
  },
});
