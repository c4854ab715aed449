/**
 * A dashboard card that lists, plays, marks, and deletes voicemail messages.
 *
 * Names and transcripts are controlled by callers, so they are only ever inserted as text.
 */

import { configForm, readConfig } from "./config.js";
import { Dates } from "./dates.js";
import { make, setContent } from "./dom.js";
import { extensionsOf, mayControl, pbxsOf } from "./extensions.js";
import { Filter, keyOf } from "./filter.js";
import { Header } from "./header.js";
import { Inbox, isListed } from "./inbox.js";
import { describeKeys, handleKey, mayHaveKeyboard } from "./keyboard.js";
import { List } from "./list.js";
import { errorText, loadTexts, text } from "./localize.js";
import { Selection } from "./selection.js";
import "./strategy.js";
import { STYLE } from "./style.js";
import { Undo } from "./undo.js";

/**
 * @typedef {import("./config.js").Config} Config
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {{inputs: unknown[], extensions: Map<string, Extension>, all: Message[], unread: Message[],
 *   controlled: {unread: Message[], read: Message[]}, matches: Message[]}} Shown `all` are the messages of the
 *   extensions, `controlled` those that the user may mark and delete, `matches` those that the filter selects
 */

class PbxVoicemailCard extends HTMLElement {
  #config = readConfig({});
  /** @type {Hass | undefined} */
  #hass;
  /** @type {Inbox | undefined} */
  #inbox;
  /** @type {Dates | undefined} */
  #dates;
  /** The messages to show, and the inputs that they depend on. @type {Shown | undefined} */
  #shown;
  #openId = "";
  #lastPlayed = "";
  /** The row that was scrolled into view. @type {{id: string, problem?: string}} */
  #revealed = { id: "" };
  #problem = "";
  #frame = 0;
  #dayTimer = 0;
  #root = this.attachShadow({ mode: "open" });
  #update = () => {
    this.#frame ||= requestAnimationFrame(() => this.#render());
  };
  #reloadTexts = () => {
    this.#dates = undefined;
    this.#shown = undefined;
    this.#update();
  };
  #tick = () => this.#list.row(this.#inbox?.player.id ?? "")?.tick();

  #card = document.createElement("ha-card");
  #header = new Header();
  #filter = new Filter(() => {
    this.#list.reset();
    this.#update();
  });
  #selection = new Selection(this.#update);
  #notices = make("div", { class: "notices", role: "status" });
  #undo = new Undo();
  #keys = make("div", { class: "keys", role: "group" });
  #list = new List(this.#update);
  #empty = make("p", { class: "empty" });

  static getStubConfig() {
    return {};
  }

  static getConfigForm() {
    return configForm();
  }

  constructor() {
    super();
    const card = this.#card;
    card.setAttribute("role", "region");
    card.append(this.#header.element, this.#filter.element, this.#selection.element, this.#notices, this.#undo.element);
    card.append(this.#keys, this.#list.element, this.#empty);
    card.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#keys.hidden = true;
    this.#root.append(make("style", {}, STYLE), card);
  }

  /** @param {Config} config */
  setConfig(config) {
    this.#config = readConfig(config);
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
    // The open row shows media players.
    else if (this.#openId && before?.states !== hass.states) this.#update();
  }

  getCardSize() {
    return 6;
  }

  getGridOptions() {
    return { columns: 12, min_columns: 6, rows: "auto" };
  }

  connectedCallback() {
    this.#open();
    this.#dayTimer = window.setInterval(() => {
      if (this.#dates && !this.#dates.isCurrent) this.#reloadTexts();
    }, 30_000);
  }

  disconnectedCallback() {
    clearInterval(this.#dayTimer);
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

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (event.key === "Escape" && this.#selection.ids) this.#selection.stop();
    else if (event.key === "Escape" && !this.#keys.hidden) this.#toggleKeys();
    else handleKey(event, this.#list, { showKeys: () => this.#toggleKeys() });
  }

  #toggleKeys() {
    this.#keys.hidden = !this.#keys.hidden;
    this.#update();
  }

  /** Returns the messages to show. They are selected again only if an input has changed. @param {Inbox} inbox */
  #select(inbox) {
    const { onlyUnread } = this.#config;
    // Otherwise a message would disappear while it is being heard.
    const kept = [this.#openId, inbox.player.id];
    const inputs = [inbox, inbox.version, this.#config, ...this.#filter.values];
    if (onlyUnread || this.#filter.isUnread) inputs.push(...kept);
    const isSame = inputs.length === this.#shown?.inputs.length;
    if (this.#shown && isSame && inputs.every((part, index) => part === this.#shown?.inputs[index])) return this.#shown;
    const extensions = extensionsOf(inbox, this.#config.devices);
    const all = inbox.sorted.filter((message) => extensions.has(keyOf(message)));
    this.#filter.show(extensions, all.length, onlyUnread);
    const matches = this.#filter.apply(all, extensions, { onlyUnread, kept });
    const unread = all.filter(({ read }) => !read);
    const controlled = {
      unread: unread.filter((message) => mayControl(message, extensions)),
      read: all.filter((message) => message.read && mayControl(message, extensions)),
    };
    this.#shown = { inputs, extensions, all, unread, controlled, matches };
    return this.#shown;
  }

  #render() {
    this.#frame = 0;
    const [hass, inbox] = [this.#hass, this.#inbox];
    if (!hass || !inbox) return;
    this.#dates ??= new Dates(hass);
    this.#openPlayed(inbox);
    const shown = this.#select(inbox);
    const { extensions, all, unread } = shown;
    const deleted = inbox.deletions.messages.filter((message) => extensions.has(keyOf(message)));
    const unreadable = [...extensions.values()].filter(({ available }) => !available);
    const pbxs = pbxsOf(inbox, this.#config.devices, extensions);
    const { isPartial } = inbox;
    const isLoaded = inbox.isLoaded && !isPartial;
    const isComplete = isLoaded && pbxs.every(isListed) && !unreadable.length;
    const counts = {
      count: all.length - deleted.length,
      unread: unread.length - deleted.filter(({ read }) => !read).length,
      isPartial,
      isComplete,
    };
    this.#header.show(this.#config.title ?? text("card_title"), counts, hass.locale, this.#commands(inbox, shown));
    this.#renderNotices(inbox, pbxs, unreadable, this.#dates);
    this.#undo.show(inbox, extensions, hass.locale);
    this.#renderRows(inbox, hass, this.#dates, shown);
    this.#reveal(inbox.problems.get(this.#openId));
    const none = all.length ? "card_none_found" : inbox.pbxs.length ? "card_empty" : "card_no_pbx";
    const noneUnread = this.#config.onlyUnread && inbox.pbxs.length && !unread.length;
    // Do not show that there are no messages before all of them are known.
    const isUnknown = isLoaded && !isComplete && !all.length;
    this.#empty.hidden = shown.matches.length > 0 || isUnknown;
    setContent(this.#empty, text(isLoaded ? (noneUnread ? "card_no_unread" : none) : "card_loading"));
    this.#keys.setAttribute("aria-label", text("card_shortcuts"));
    setContent(this.#keys, ...(this.#keys.hidden ? [] : describeKeys()));
    this.#list.element.style.maxHeight = this.#config.height ? `${this.#config.height}px` : "";
    for (const part of [this.#card, this.#list.list]) {
      part.setAttribute("aria-label", this.#header.title.textContent || text("card_title"));
    }
  }

  /**
   * @param {Inbox} inbox
   * @param {Hass} hass
   * @param {Dates} dates
   * @param {Shown} shown
   */
  #renderRows(inbox, hass, dates, { extensions, matches }) {
    const view = {
      hass,
      dates,
      config: this.#config,
      hasExtensions: extensions.size > 1,
      openId: this.#openId,
      selected: this.#selection.ids,
      open: (/** @type {string} */ id) => {
        this.#openId = id;
        this.#update();
      },
      select: (/** @type {string} */ id, /** @type {boolean} */ isSelected) => this.#selection.select(id, isSelected),
    };
    const hasGroups = inbox.deletions.all.some(({ group }) => group.ids.length > 1);
    const messages = hasGroups
      ? matches.filter((message) => !inbox.deletions.isOfMany(message.media_content_id))
      : matches;
    const available = new Set(inbox.pbxs.filter((pbx) => pbx.available).map((pbx) => pbx.entry_id));
    this.#list.render(inbox, messages, view, (row, message, day) => {
      const extension = extensions.get(keyOf(message));
      row.show(message, extension, view, { day, available: !inbox.staleSince && available.has(message.entry_id) });
    });
    this.#filter.element.classList.toggle("covered", this.#selection.ids !== undefined);
    const isSelectable = (/** @type {Message} */ message) =>
      mayControl(message, extensions) && !inbox.deletions.get(message.media_content_id);
    this.#selection.show(inbox, this.#selection.ids ? messages.filter(isSelectable) : [], hass.locale);
  }

  /** Scrolls to the row that has been opened, and to the reason if it cannot be played. @param {string} [problem] */
  #reveal(problem) {
    const revealed = { id: this.#openId, problem };
    if (revealed.id !== this.#revealed.id || problem !== this.#revealed.problem) this.#list.reveal(revealed.id);
    this.#revealed = revealed;
  }

  /**
   * Returns what can be done with all messages.
   *
   * @param {Inbox} inbox
   * @param {Shown} shown
   * @returns {import("./header.js").Command[]}
   */
  #commands(inbox, { unread, controlled }) {
    const { buttons } = this.#config;
    const isReady = !inbox.staleSince && !inbox.isPartial;
    return [
      {
        key: "card_play_unread",
        icon: "playlist-play",
        isOffered: isReady && unread.length > 0,
        // In the order in which they were left.
        run: () => inbox.player.playAll([...unread].reverse(), /** @type {Hass} */ (this.#hass)),
      },
      {
        key: "card_mark_all_read",
        icon: "email-open-multiple-outline",
        isOffered: isReady && controlled.unread.length > 0 && buttons.includes("mark"),
        run: () => this.#markAllRead(inbox, controlled.unread),
      },
      {
        key: "card_delete_read",
        icon: "delete-sweep",
        isOffered: isReady && controlled.read.length > 0 && buttons.includes("delete"),
        run: () => inbox.deletions.delete(controlled.read),
      },
      {
        key: "card_select",
        icon: "checkbox-multiple-marked-outline",
        isOffered: isReady && controlled.unread.length + controlled.read.length > 0,
        run: () => this.#selection.start(),
      },
      { key: "card_shortcuts", icon: "keyboard-outline", isOffered: mayHaveKeyboard(), run: () => this.#toggleKeys() },
    ];
  }

  /** @param {Inbox} inbox @param {Message[]} messages */
  async #markAllRead(inbox, messages) {
    this.#problem = "";
    const extensions = new Map(
      messages.map(({ entry_id, extension }) => [keyOf({ entry_id, extension }), { entry_id, extension }]),
    );
    try {
      for (const { entry_id, extension } of extensions.values()) {
        await inbox.call("mark_read", { config_entry_id: entry_id, extension, all: true });
      }
    } catch (error) {
      this.#problem = errorText(error);
    }
    this.#update();
  }

  /**
   * @param {Inbox} inbox
   * @param {Inbox["pbxs"]} pbxs
   * @param {Extension[]} unreadable
   * @param {Dates} dates
   */
  #renderNotices({ isLoaded, staleSince }, pbxs, unreadable, dates) {
    const notices = pbxs
      .filter((pbx) => !pbx.available)
      .map(({ title, answered }) =>
        text(answered ? "card_unavailable_since" : "card_unavailable", {
          pbx: title,
          time: answered ? dates.absolute(answered) : "",
        }),
      );
    notices.push(...unreadable.map(({ name }) => text("card_unavailable", { pbx: name })));
    if (staleSince && isLoaded) notices.unshift(text("card_stale_since", { time: dates.moment(staleSince) }));
    if (this.#problem) notices.push(this.#problem);
    setContent(this.#notices, ...notices.map((notice) => make("p", {}, notice)));
  }

  /** Opens the row of a message when it begins to play, unless only another card shows it. @param {Inbox} inbox */
  #openPlayed(inbox) {
    const { id } = inbox.player;
    if (id === this.#lastPlayed) return;
    this.#lastPlayed = id;
    const message = inbox.messages.get(id);
    if (message && extensionsOf(inbox, this.#config.devices).has(keyOf(message))) this.#openId = id;
  }
}

customElements.define("pbx-voicemail-card", PbxVoicemailCard);

/** @type {any} */ (window).customCards ??= [];
/** @type {any} */ (window).customCards.push({
  type: "pbx-voicemail-card",
  // Read when the dialog is opened, by which time the texts are usually loaded.
  get name() {
    return text("card_title") || "Voicemail";
  },
  get description() {
    return text("card_description") || "The voicemail of all extensions.";
  },
  preview: true,
  documentationURL: "https://github.com/pbx-voicemail/pbx-voicemail#the-inbox-card",
  getEntitySuggestion: (/** @type {Hass} */ hass, /** @type {string} */ entityId) => {
    const { platform, device_id: device } = hass.entities[entityId] ?? {};
    return platform === "pbx_voicemail"
      ? { config: { type: "custom:pbx-voicemail-card", ...(device && { devices: [device] }) } }
      : null;
  },
});
