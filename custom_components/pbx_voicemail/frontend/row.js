/** A row of the list: one message. */

import { callerOf } from "./actions.js";
import { Buttons } from "./buttons.js";
import { make, setContent, setIcon, setLabel } from "./dom.js";
import { formatDuration, text } from "./localize.js";
import { Panel } from "./panel.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {import("./dates.js").Dates} Dates
 * @typedef {import("./config.js").Settings} Settings
 * @typedef {{hass: Hass, config: Settings, dates: Dates, hasExtensions: boolean, openId: string,
 *   selected: Set<string> | undefined, open: (id: string) => void, select: (id: string, isSelected: boolean) => void}} View
 *   what rows need of their card
 */

const ICONS = { "": "play", ready: "play", paused: "play", playing: "pause", loading: "dots-horizontal" };

/** One message in the list. Its element is updated in place, so that it keeps the focus. */
export class Row {
  /** The inputs of the last rendering. If they have not changed, the row is not rendered again. @type {unknown[]} */
  #shown = [];
  /** @type {Panel | undefined} */
  #panel;
  #position = 0;
  #count = 0;

  /**
   * @param {Inbox} inbox
   * @param {Message} message
   * @param {View} view
   */
  constructor(inbox, message, view) {
    this.inbox = inbox;
    this.message = message;
    this.view = view;
    this.day = make("h3", { class: "day" });
    this.check = make("input", {
      type: "checkbox",
      change: () => this.view.select(this.id, this.check.checked),
    });
    this.play = make("button", { class: "play", type: "button", click: () => this.togglePlay() });
    this.opener = make("button", { class: "opener", type: "button" });
    this.received = make("time");
    this.number = make("span");
    this.extension = make("span");
    this.duration = make("span");
    this.transcript = make("p", { class: "transcript", dir: "auto" });
    const line = make("div", { class: "line" }, this.opener, this.received);
    const details = make("div", { class: "details" }, this.number, this.extension, this.duration);
    this.main = make("div", { class: "main" }, line, details, this.transcript);
    this.main.addEventListener("click", (event) => this.#toggleOpen(event));
    this.buttons = new Buttons(this);
    this.note = make("p", { class: "note", role: "status" });
    this.problem = make("p", { class: "problem", role: "alert" });
    this.body = make(
      "div",
      { class: "body" },
      this.check,
      this.play,
      this.main,
      this.buttons.element,
      this.note,
      this.problem,
    );
    this.notice = make("span", { role: "status" });
    this.undo = make("button", { type: "button", class: "undo", click: () => this.#undo() });
    this.deleted = make("div", { class: "deleted" }, this.notice, this.undo);
    this.element = make("li", {}, this.day, this.body, this.deleted);
  }

  focus() {
    (this.body.hidden ? this.undo : this.opener).focus();
  }

  /** Tells screen readers how many messages there are, -1 if unknown. @param {number} position @param {number} count */
  setPosition(position, count) {
    if (this.#position === position && this.#count === count) return;
    this.#position = position;
    this.#count = count;
    this.element.setAttribute("aria-posinset", String(position));
    this.element.setAttribute("aria-setsize", String(count));
  }

  get id() {
    return this.message.media_content_id;
  }

  togglePlay() {
    if (!this.play.disabled) this.inbox.player.toggle(this.message, this.view.hass);
  }

  /** Deletes the message. */
  remove() {
    if (!this.buttons.mayDelete || this.inbox.deletions.get(this.id)) return;
    this.inbox.deletions.delete([this.message]);
    // The button can get the focus only after it is shown.
    requestAnimationFrame(() => this.undo.focus());
  }

  #undo() {
    this.inbox.deletions.undo(this.inbox.deletions.get(this.id)?.group);
    requestAnimationFrame(() => this.opener.focus());
  }

  /** @param {Event} event */
  #toggleOpen(event) {
    const { openId, selected } = this.view;
    const isOpen = openId === this.id;
    if (selected) {
      if (!this.check.disabled) this.view.select(this.id, !this.check.checked);
    } else if (!isOpen || !event.composedPath().includes(this.transcript)) {
      // Whoever clicks an open transcript may want to select some of its text.
      this.view.open(isOpen ? "" : this.id);
    }
  }

  /**
   * Renders the row if anything has changed.
   *
   * @param {Message} message
   * @param {Extension | undefined} extension
   * @param {View} view
   * @param {{available: boolean, day: string}} state `day` is empty unless it is the first row of a day
   */
  show(message, extension, view, { available, day }) {
    const { player, deletions, problems, notes } = this.inbox;
    const id = message.media_content_id;
    const deletion = deletions.get(id);
    const state = player.id === id ? player.state : "";
    const isOpen = view.openId === id && !view.selected;
    const isSelected = view.selected?.has(id);
    /** @type {unknown[]} */
    const shown = [message, extension, view.dates, view.config, view.hasExtensions, available, day];
    shown.push(deletion?.state, state, problems.get(id), notes.get(id), isOpen, isSelected);
    // Speakers and the speed only matter to an open row.
    shown.push(isOpen && view.hass.states, isOpen && player.speed, isOpen && player.url);
    this.view = view;
    if (shown.every((part, index) => part === this.#shown[index])) return;
    this.#shown = shown;
    this.message = message;
    const caller = { caller: callerOf(message) };

    setContent(this.day, day);
    this.day.hidden = !day;
    this.body.hidden = deletion !== undefined;
    this.deleted.hidden = deletion === undefined;
    setContent(this.notice, text("card_deleted", caller));
    setContent(this.undo, text("card_undo"));
    this.undo.hidden = deletion?.state === "sent";
    for (const [name, isSet] of Object.entries({ stale: !available, unread: !message.read, open: isOpen })) {
      this.element.classList.toggle(name, isSet);
    }
    this.#showMessage(message, extension, isOpen);
    this.#showPlay(state, available, caller);
    this.buttons.show(extension, available, caller, isOpen);
    this.check.disabled = !extension?.may_delete;
    this.check.hidden = isSelected === undefined;
    this.check.checked = isSelected ?? false;
    this.check.setAttribute("aria-label", text("card_select_message", caller));
    setContent(this.note, notes.get(id) ?? (state === "ready" ? text("card_play_again") : ""));
    setContent(this.problem, problems.get(id) ?? "");
    if (isOpen) this.#open().show(view, caller);
    if (this.#panel) this.#panel.element.hidden = !isOpen;
  }

  /** Shows the position of the playback. */
  tick() {
    this.#panel?.tick();
  }

  #open() {
    if (!this.#panel) {
      this.#panel = new Panel(this);
      this.buttons.element.before(this.#panel.element);
    }
    return this.#panel;
  }

  /**
   * @param {Message} message
   * @param {Extension | undefined} extension
   * @param {boolean} isOpen
   */
  #showMessage(message, extension, isOpen) {
    const { dates, hasExtensions } = this.view;
    const parts = [make("bdi", {}, callerOf(message))];
    if (!message.read) parts.unshift(make("span", { class: "dot", role: "img", "aria-label": text("card_unread") }));
    setContent(this.opener, ...parts);
    this.opener.setAttribute("aria-expanded", String(isOpen));
    const { received } = message;
    if (received) {
      const full = dates.absolute(received);
      this.received.dateTime = received;
      this.received.title = full;
      const short = make("span", { "aria-hidden": "true" }, isOpen ? full : dates.short(received));
      setContent(this.received, short, make("span", { class: "spoken" }, full));
    }
    setContent(this.number, ...isolated(message.caller_name && message.caller_formatted));
    setContent(this.extension, ...isolated(hasExtensions && (extension?.name ?? message.extension)));
    setContent(this.duration, message.duration === null ? "" : formatDuration(message.duration));
    setContent(this.transcript, message.transcript ?? "");
  }

  /**
   * @param {keyof typeof ICONS} state
   * @param {boolean} available
   * @param {Record<string, string>} caller
   */
  #showPlay(state, available, caller) {
    this.play.hidden = this.view.selected !== undefined;
    setIcon(this.play, ICONS[state]);
    const label = text(state === "playing" ? "card_pause" : "card_play", caller);
    setLabel(this.play, label, available || state !== "");
    this.play.setAttribute("aria-busy", String(state === "loading"));
  }
}

/** Returns a text whose direction does not affect what is around it. @param {string | false | null} content */
const isolated = (content) => (content ? [make("bdi", {}, content)] : []);
