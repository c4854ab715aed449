/** A row of the list: one message. */

import { describe, icon, make, put, setIcon } from "./dom.js";
import { clock, text } from "./words.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {import("./words.js").Dates} Dates
 */

const ICONS = { "": "play", ready: "play", paused: "play", playing: "pause", loading: "dots-horizontal" };
/** A plain number: no dial code, which could do more than call. */
const NUMBER = /^\+?\d[\d\s().\-/]*$/;

/** One message in the list. Its element stays the same for as long as it is shown, and so does the focus. */
export class Row {
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
    const deletion = leaving.get(id);
    const leaves = deletion !== undefined;
    const state = player.id === id ? player.state : "";
    const problem = state === "ready" ? text("card_play_again") : (errors.get(id) ?? "");
    const shown = [message, extension, dates, available, deletion?.state, state, problem];
    if (shown.every((part, index) => part === this.#shown[index])) return;
    this.#shown = shown;
    this.message = message;
    const who = message.caller_name ?? message.caller ?? text("unknown_caller");
    const blanks = { caller: who };

    this.tick();
    this.body.hidden = leaves;
    this.deleted.hidden = !leaves;
    this.progress.hidden = !state;
    put(this.notice, text("card_deleted", blanks));
    put(this.undo, text("card_undo"));
    this.undo.hidden = deletion?.state === "sent";
    setIcon(this.play, ICONS[state]);
    describe(this.play, text(state === "playing" ? "card_pause" : "card_play", blanks), available || state !== "");
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
    put(this.problem, problem);
    this.problem.classList.toggle("hint", state === "ready");
    this.age(dates);
  }

  /** Shows how far a recording has played. */
  tick() {
    const { player } = this.inbox;
    if (player.id !== this.message.media_content_id) return;
    const duration = player.duration || this.message.duration || 0;
    this.seek.max = String(duration);
    this.seek.value = String(player.position);
    this.seek.setAttribute("aria-valuetext", clock(player.position));
    put(this.position, `${clock(player.position)} / ${clock(duration)}`);
  }

  /** Tells anew how long ago it was. @param {Dates} dates */
  age(dates) {
    const { received } = this.message;
    if (received) {
      this.when.dateTime = received;
      put(this.when, `${dates.relative(received)} (${dates.absolute(received)})`);
    }
  }

  /** Offers to call back, if a caller is a number. @param {string} caller @param {string} label */
  #showCall(caller, label) {
    const number = caller.replace(/[^\d+]/g, "");
    this.call.hidden = !NUMBER.test(caller) || !/\d\d/.test(number);
    if (this.call.hidden) this.call.removeAttribute("href");
    else this.call.href = `tel:${number}`;
    describe(this.call, label);
  }
}
