/** Plays recordings in the browser, one at a time. */

import { errorText, text } from "./localize.js";

/**
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 */

/** The current playback. Fires `change` of the inbox when its state changes, and `tick` when its position changes. */
export class Player {
  #audio = new Audio();
  id = "";
  /** `ready` means loaded, but the browser requires another user gesture to play it. @type {"" | "loading" | "ready" | "playing" | "paused"} */
  state = "";

  /** @param {Inbox} inbox */
  constructor(inbox) {
    this.inbox = inbox;
    this.#audio.addEventListener("playing", () => this.#setState("playing"));
    this.#audio.addEventListener("pause", () => this.state === "playing" && this.#setState("paused"));
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
   * Plays a message, or pauses it if it is playing.
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
    // Some browsers require a user gesture for each playback. Calling load() here allows the element to play later: the
    // recording may arrive after the gesture has expired.
    this.#audio.load();
    this.id = id;
    this.inbox.errors.delete(id);
    this.#setState("loading");
    try {
      const { url } = await this.inbox.connection.sendMessagePromise({
        type: "media_source/resolve_media",
        media_content_id: id,
      });
      if (this.id !== id) return;
      this.#audio.src = hass.hassUrl(url);
    } catch (error) {
      if (this.id === id) this.#fail(errorText(error));
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
    this.#setState("");
  }

  /** Starts the playback of the recording that is loaded. @param {string} id of its message */
  async #start(id) {
    try {
      await this.#audio.play();
    } catch (error) {
      const { name } = /** @type {DOMException} */ (error);
      // Another message was selected before this one started, or it was paused.
      if (this.id !== id || name === "AbortError") return;
      if (name === "NotAllowedError") this.#setState("ready");
      else this.#fail(text("card_not_playable"));
    }
  }

  /** Stops the playback with an error. @param {string} why */
  #fail(why) {
    if (!this.id) return;
    this.inbox.errors.set(this.id, why);
    this.stop();
  }

  /** @param {Player["state"]} state */
  #setState(state) {
    this.state = this.id ? state : "";
    this.inbox.changed();
  }
}
