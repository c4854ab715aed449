/** What Home Assistant tells of messages, and what is being done with them. */

import { text } from "./words.js";

/**
 * @typedef {{entry_id: string, device_id: string | null, title: string, available: boolean, answered: string | null}} Pbx
 * @typedef {{entry_id: string, extension: string, device_id: string | null, name: string, may_delete: boolean}} Extension
 * @typedef {{entry_id: string, message_id: string, extension: string, caller: string | null, caller_name: string | null,
 *   received: string | null, duration: number | null, read: boolean | null, media_content_id: string,
 *   transcript: string | null}} Message
 * @typedef {{reset?: boolean, pbxs?: Pbx[], extensions?: Extension[], messages?: Message[], gone?: string[]}} News
 * @typedef {{sendMessagePromise: (message: object) => Promise<any>,
 *   subscribeMessage: (callback: (news: News) => void, message: object) => Promise<() => Promise<void>>}} Connection
 * @typedef {{connection: Connection, locale: Locale, language: string, config: {time_zone: string},
 *   entities: Record<string, {platform?: string, device_id?: string}>, hassUrl: (path: string) => string}} Hass
 */

/** @typedef {import("./words.js").Locale} Locale */

const UNDO_SECONDS = 5;

/** The messages, told once for all cards of a page. */
export class Inbox extends EventTarget {
  /** @type {WeakMap<Connection, Inbox>} */
  static #all = new WeakMap();

  /** @param {Connection} connection */
  static of(connection) {
    const inbox = Inbox.#all.get(connection) ?? new Inbox(connection);
    Inbox.#all.set(connection, inbox);
    return inbox;
  }

  /** @type {Pbx[]} */
  pbxs = [];
  /** @type {Extension[]} */
  extensions = [];
  /** @type {Map<string, Message>} */
  messages = new Map();
  /** Messages about to be deleted, and the timers that will. @type {Map<string, number>} */
  leaving = new Map();
  /** What went wrong with a message. @type {Map<string, string>} */
  errors = new Map();
  isLoaded = false;
  /** @type {Promise<() => Promise<void>> | undefined} */
  #subscription;
  #cards = 0;

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    this.player = new Player(this);
  }

  open() {
    this.#cards += 1;
    this.#subscription ??= this.connection.subscribeMessage((news) => this.#take(news), {
      type: "pbx_voicemail/messages/subscribe",
    });
  }

  close() {
    this.#cards -= 1;
    if (this.#cards) return;
    this.player.stop();
    this.#subscription?.then((unsubscribe) => unsubscribe());
    this.#subscription = undefined;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @param {News} news */
  #take(news) {
    if (news.reset) this.messages.clear();
    this.pbxs = news.pbxs ?? this.pbxs;
    this.extensions = news.extensions ?? this.extensions;
    for (const message of news.messages ?? []) this.messages.set(message.media_content_id, message);
    for (const id of news.gone ?? []) {
      this.messages.delete(id);
      this.errors.delete(id);
      clearTimeout(this.leaving.get(id));
      this.leaving.delete(id);
      if (this.player.id === id) this.player.stop();
    }
    this.isLoaded = true;
    this.changed();
  }

  /** Deletes a message, unless that is undone in time. @param {Message} message */
  delete(message) {
    const id = message.media_content_id;
    if (this.player.id === id) this.player.stop();
    this.errors.delete(id);
    this.leaving.set(
      id,
      window.setTimeout(() => this.#send(message), UNDO_SECONDS * 1000),
    );
    this.changed();
  }

  /** @param {string} id */
  undo(id) {
    clearTimeout(this.leaving.get(id));
    this.leaving.delete(id);
    this.changed();
  }

  /** @param {Message} message */
  async #send({ entry_id, message_id, media_content_id: id }) {
    try {
      await this.connection.sendMessagePromise({
        type: "call_service",
        domain: "pbx_voicemail",
        service: "delete_message",
        service_data: { config_entry_id: entry_id, message_id },
      });
    } catch (error) {
      this.errors.set(id, reason(error));
    }
    this.leaving.delete(id);
    this.changed();
  }
}

/** @param {unknown} error */
const reason = (error) =>
  error && typeof error === "object" && "message" in error ? String(error.message) : String(error);

/** Plays one recording at a time. */
class Player {
  #audio = new Audio();
  id = "";
  /** @type {"" | "loading" | "playing" | "paused"} */
  state = "";

  /** @param {Inbox} inbox */
  constructor(inbox) {
    this.inbox = inbox;
    for (const [event, state] of /** @type {const} */ ([
      ["playing", "playing"],
      ["pause", "paused"],
    ])) {
      this.#audio.addEventListener(event, () => this.#become(state));
    }
    for (const event of ["timeupdate", "durationchange"]) {
      this.#audio.addEventListener(event, () => this.inbox.changed());
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
    if (this.id === id && this.state === "playing") return this.#audio.pause();
    if (this.id === id && this.state === "paused") return this.#start();
    this.stop();
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
      await this.#start();
    } catch (error) {
      if (this.id === id) this.#fail(reason(error));
    }
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

  async #start() {
    try {
      await this.#audio.play();
    } catch (error) {
      // Another message was chosen before this one could begin.
      if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
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
