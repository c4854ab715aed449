/** A row of the list: one message. */

import { icon, make, setContent, setIcon, setLabel } from "./dom.js";
import { formatDuration, text } from "./localize.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {import("./localize.js").Dates} Dates
 */

const ICONS = { "": "play", ready: "play", paused: "play", playing: "pause", loading: "dots-horizontal" };
/** A plain phone number. Dial codes are excluded, because they can change settings or cause costs. */
const NUMBER = /^\+?\d[\d\s().\-/]*$/;

/** One message in the list. Its element is updated in place, so that it keeps the focus. */
export class Row {
  /** The inputs of the last rendering. If they have not changed, the row is not rendered again. @type {unknown[]} */
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
    this.caller = make("div", { class: "caller" });
    this.extension = make("bdi");
    this.received = make("time");
    this.duration = make("span");
    this.transcript = make("p", { class: "transcript", dir: "auto" });
    this.problem = make("p", { class: "problem", role: "alert" });
    this.position = make("span", { class: "position", dir: "ltr" });
    this.seek = make("input", {
      ...{ type: "range", min: 0, step: 0.1 },
      input: () => inbox.player.seek(Number(this.seek.value)),
    });
    this.progress = make("div", { class: "progress" }, this.seek, this.position);
    this.call = make("a", { class: "button" }, icon("phone"));
    this.delete = make("button", { type: "button", click: () => this.#setDeleted(true) }, icon("delete"));
    this.notice = make("span", { role: "status" });
    this.undo = make("button", { type: "button", class: "undo", click: () => this.#setDeleted(false) });
    this.deleted = make("div", { class: "deleted" }, this.notice, this.undo);
    const details = make("div", { class: "details" }, this.extension, this.received, this.duration);
    const main = make("div", { class: "main" }, this.caller, details, this.transcript, this.progress, this.problem);
    this.body = make("div", { class: "body" }, this.play, main, this.call, this.delete);
    this.element = make("li", {}, this.body, this.deleted);
  }

  /** Deletes the message, or undoes it. @param {boolean} isDeleted */
  #setDeleted(isDeleted) {
    if (isDeleted) this.inbox.delete(this.message);
    else this.inbox.undo(this.message.media_content_id);
    // The button can get the focus only after it is shown.
    requestAnimationFrame(() => (isDeleted ? this.undo : this.delete).focus());
  }

  /**
   * Renders the row if anything has changed.
   *
   * @param {Message} message
   * @param {Extension | undefined} extension
   * @param {Dates} dates
   * @param {boolean} available
   */
  show(message, extension, dates, available) {
    const { player, deletions, errors } = this.inbox;
    const id = message.media_content_id;
    const deletion = deletions.get(id);
    const isDeleted = deletion !== undefined;
    const state = player.id === id ? player.state : "";
    const problem = state === "ready" ? text("card_play_again") : (errors.get(id) ?? "");
    const shown = [message, extension, dates, available, deletion?.state, state, problem];
    if (shown.every((part, index) => part === this.#shown[index])) return;
    this.#shown = shown;
    this.message = message;
    const name = message.caller_name ?? message.caller ?? text("unknown_caller");
    const placeholders = { caller: name };

    this.tick();
    this.body.hidden = isDeleted;
    this.deleted.hidden = !isDeleted;
    this.progress.hidden = !state;
    setContent(this.notice, text("card_deleted", placeholders));
    setContent(this.undo, text("card_undo"));
    this.undo.hidden = deletion?.state === "sent";
    setIcon(this.play, ICONS[state]);
    setLabel(
      this.play,
      text(state === "playing" ? "card_pause" : "card_play", placeholders),
      available || state !== "",
    );
    this.play.setAttribute("aria-busy", String(state === "loading"));
    this.seek.setAttribute("aria-label", text("card_seek", placeholders));
    setLabel(this.delete, text("card_delete", placeholders), available);
    this.delete.hidden = !extension?.may_delete;
    this.#showCall(message.caller ?? "", text("card_call", placeholders));
    this.element.classList.toggle("stale", !available);
    this.element.classList.toggle("unread", message.read === false);

    const parts = [make("bdi", {}, name)];
    if (message.caller_name && message.caller) parts.push(make("bdi", { class: "number" }, message.caller));
    if (message.read === false) parts.push(make("span", { class: "new" }, text("card_new")));
    setContent(this.caller, ...parts);
    setContent(this.extension, extension?.name ?? message.extension);
    setContent(this.duration, message.duration === null ? "" : formatDuration(message.duration));
    setContent(this.transcript, message.transcript ?? "");
    setContent(this.problem, problem);
    this.problem.classList.toggle("hint", state === "ready");
    this.updateAge(dates);
  }

  /** Shows the position of the playback. */
  tick() {
    const { player } = this.inbox;
    if (player.id !== this.message.media_content_id) return;
    const duration = player.duration || this.message.duration || 0;
    this.seek.max = String(duration);
    this.seek.value = String(player.position);
    this.seek.setAttribute("aria-valuetext", formatDuration(player.position));
    setContent(this.position, `${formatDuration(player.position)} / ${formatDuration(duration)}`);
  }

  /** Updates the relative time. @param {Dates} dates */
  updateAge(dates) {
    const { received } = this.message;
    if (received) {
      this.received.dateTime = received;
      setContent(this.received, `${dates.relative(received)} (${dates.absolute(received)})`);
    }
  }

  /** Shows the call button if the caller is a plain phone number. @param {string} caller @param {string} label */
  #showCall(caller, label) {
    const number = caller.replace(/[^\d+]/g, "");
    this.call.hidden = !NUMBER.test(caller) || !/\d\d/.test(number);
    if (this.call.hidden) this.call.removeAttribute("href");
    else this.call.href = `tel:${number}`;
    setLabel(this.call, label);
  }
}
