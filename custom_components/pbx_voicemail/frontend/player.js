/** Plays recordings in the browser, one at a time. */

import { errorText, text } from "./localize.js";
import { MediaKeys } from "./media-keys.js";
import { loadSpeed, saveSpeed } from "./speed.js";

/**
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 */

/** The current playback. Fires `change` of the inbox when its state changes, and `tick` when its position changes. */
export class Player {
  #audio = new Audio();
  /** Messages to play after the current one. @type {Message[]} */
  #next = [];
  #speed = loadSpeed();
  id = "";
  /** The address of the recording that is being played. */
  url = "";
  /** `ready` means loaded, but the browser requires another user gesture to play it. @type {"" | "loading" | "ready" | "playing" | "paused"} */
  state = "";

  /** @param {Inbox} inbox */
  constructor(inbox) {
    this.inbox = inbox;
    // Whoever requests a recording has heard it.
    this.#audio.preload = "none";
    this.#audio.addEventListener("playing", () => this.#setState("playing"));
    this.#audio.addEventListener("pause", () => this.state === "playing" && this.#setState("paused"));
    for (const event of ["timeupdate", "durationchange"]) {
      this.#audio.addEventListener(event, () => this.inbox.dispatchEvent(new Event("tick")));
    }
    this.#audio.addEventListener("ended", () => this.#playNext());
    this.#audio.addEventListener("error", () => this.#fail(text("card_not_playable")));
    this.keys = new MediaKeys(this);
  }

  get position() {
    return this.#audio.currentTime;
  }

  get duration() {
    return Number.isFinite(this.#audio.duration) ? this.#audio.duration : 0;
  }

  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    this.#speed = speed;
    saveSpeed(speed);
    this.#audio.playbackRate = speed;
    this.inbox.changed();
  }

  /**
   * Plays a message, or pauses it if it is playing.
   *
   * @param {Message} message
   * @param {Hass} hass
   */
  async toggle(message, hass) {
    if (this.id !== message.media_content_id) await this.playAll([message], hass);
    else if (this.state === "playing") this.pause();
    else if (this.state !== "loading") await this.resume();
  }

  /**
   * Plays messages one after another.
   *
   * @param {Message[]} messages
   * @param {Hass} hass
   */
  async playAll(messages, hass) {
    this.#next = messages;
    this.hass = hass;
    await this.#playNext();
  }

  async resume() {
    await this.#start(this.id);
  }

  pause() {
    this.#audio.pause();
  }

  /** @param {number} position in seconds */
  seek(position) {
    this.#audio.currentTime = Math.max(0, Math.min(position, this.duration || position));
    this.inbox.dispatchEvent(new Event("tick"));
  }

  /** @param {number} seconds forward, or back if negative */
  skip(seconds) {
    this.seek(this.position + seconds);
  }

  stop() {
    this.#next = [];
    this.#end();
  }

  /** @param {Message} message */
  async #play(message) {
    const id = message.media_content_id;
    // Some browsers require a user gesture for each playback. Calling load() here allows the element to play later: the
    // recording may arrive after the gesture has expired.
    this.#audio.load();
    this.id = id;
    this.inbox.problems.delete(id);
    this.inbox.notes.delete(id);
    this.#setState("loading");
    this.keys.show(message);
    try {
      const { url } = await this.inbox.connection.sendMessagePromise({
        type: "media_source/resolve_media",
        media_content_id: id,
      });
      if (this.id !== id) return;
      this.url = /** @type {Hass} */ (this.hass).hassUrl(url);
      this.#audio.src = this.url;
    } catch (error) {
      if (this.id === id) this.#fail(errorText(error));
      return;
    }
    await this.#start(id);
  }

  /** Starts the playback of the recording that is loaded. @param {string} id of its message */
  async #start(id) {
    try {
      this.#audio.playbackRate = this.speed;
      await this.#audio.play();
    } catch (error) {
      const { name } = /** @type {DOMException} */ (error);
      // Another message was selected before this one started, or it was paused.
      if (this.id !== id || name === "AbortError") return;
      if (name === "NotAllowedError") this.#setState("ready");
      else this.#fail(text("card_not_playable"));
    }
  }

  async #playNext() {
    const { messages, deletions } = this.inbox;
    // They may have been deleted since they were queued.
    this.#next = this.#next.filter(({ media_content_id: id }) => messages.has(id) && !deletions.get(id));
    const next = this.#next.shift();
    this.#end();
    if (next) await this.#play(next);
  }

  #end() {
    this.id = this.url = "";
    this.#audio.pause();
    this.#audio.removeAttribute("src");
    this.keys.hide();
    this.#setState("");
  }

  /** Ends the playback with an error, and plays the next message if there is one. @param {string} why */
  #fail(why) {
    if (!this.id) return;
    this.inbox.problems.set(this.id, why);
    this.#playNext();
  }

  /** @param {Player["state"]} state */
  #setState(state) {
    this.state = this.id ? state : "";
    this.keys.setState(this.state);
    this.inbox.changed();
  }
}
