/** Plays recordings in the browser, one at a time. */

import { reason, text } from "./words.js";

/**
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 */

/** What is played, and how far it is: told as changes of the inbox, and its progress as ticks. */
export class Player {
  #audio = new Audio();
  id = "";
  /** `ready` is loaded, and waits for a touch. @type {"" | "loading" | "ready" | "playing" | "paused"} */
  state = "";

  /** @param {Inbox} inbox */
  constructor(inbox) {
    this.inbox = inbox;
    this.#audio.addEventListener("playing", () => this.#become("playing"));
    this.#audio.addEventListener("pause", () => this.state === "playing" && this.#become("paused"));
    for (const event of ["timeupdate", "durationchange"]) {
      this.#audio.addEventListener(event, () => this.inbox.dispatchEvent(new Event("tick")));
    }
    this.#audio.addEventListener("ended", () => this.stop());
    this.#audio.addEventListener("error", () => this.#fail(text("card_not_playable")));
  }

  get position() {
    return this.#audio.currentTime;
  }

  get duration() {
    return Number.isFinite(this.#audio.duration) ? this.#audio.duration : 0;
  }

  /**
   * Plays a message, or pauses it if it is the one that plays.
   *
   * @param {Message} message
   * @param {Hass} hass
   */
  async toggle({ media_content_id: id }, hass) {
    if (this.id === id) {
      if (this.state === "playing") this.#audio.pause();
      else if (this.state !== "loading") await this.#start(id);
      return;
    }
    this.stop();
    // Where each sound needs a touch, this one counts for what the element plays later on: the recording may come
    // after the browser has forgotten the touch.
    this.#audio.load();
    this.id = id;
    this.inbox.errors.delete(id);
    this.#become("loading");
    try {
      const { url } = await this.inbox.connection.sendMessagePromise({
        type: "media_source/resolve_media",
        media_content_id: id,
      });
      if (this.id !== id) return;
      this.#audio.src = hass.hassUrl(url);
    } catch (error) {
      if (this.id === id) this.#fail(reason(error));
      return;
    }
    await this.#start(id);
  }

  /** @param {number} position in seconds */
  seek(position) {
    this.#audio.currentTime = position;
  }

  stop() {
    this.id = "";
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.#become("");
  }

  /** @param {string} id of the message that is loaded */
  async #start(id) {
    try {
      await this.#audio.play();
    } catch (error) {
      const { name } = /** @type {DOMException} */ (error);
      // Another message was chosen before this one could begin, or it was paused.
      if (this.id !== id || name === "AbortError") return;
      if (name === "NotAllowedError") this.#become("ready");
      else this.#fail(text("card_not_playable"));
    }
  }

  /** @param {string} why */
  #fail(why) {
    if (!this.id) return;
    this.inbox.errors.set(this.id, why);
    this.stop();
  }

  /** @param {Player["state"]} state */
  #become(state) {
    this.state = this.id ? state : "";
    this.inbox.changed();
  }
}
