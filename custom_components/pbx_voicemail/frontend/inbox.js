/** What Home Assistant tells of messages, and what is being done with them. */

import { Player } from "./player.js";
import { isLost, Subscription } from "./subscription.js";
import { reason } from "./words.js";

/**
 * @typedef {{entry_id: string, device_id: string | null, title: string, available: boolean, answered: string | null}} Pbx
 * @typedef {{entry_id: string, extension: string, device_id: string | null, name: string, may_delete: boolean}} Extension
 * @typedef {{entry_id: string, message_id: string, extension: string, caller: string | null, caller_name: string | null,
 *   received: string | null, duration: number | null, read: boolean | null, media_content_id: string,
 *   transcript: string | null}} Message
 * @typedef {{reset?: boolean, pbxs?: Pbx[], extensions?: Extension[], messages?: Message[], gone?: string[]}} News
 * @typedef {import("./subscription.js").Connection} Connection
 * @typedef {{connection: Connection, locale: Locale, language: string, config: {time_zone: string},
 *   entities: Record<string, {platform?: string, device_id?: string}>, hassUrl: (path: string) => string}} Hass
 * @typedef {{message: Message, timer: number, state: "undoable" | "due" | "sent"}} Deletion
 */

/** @typedef {import("./words.js").Locale} Locale */

const UNDO_SECONDS = 5;
/** A connection that is back by then was never missed. */
const STALE_AFTER = 1000;

/** Whether the messages of a PBX are known, and not just that it is configured. @param {Pbx} pbx */
export const isListed = ({ available, answered }) => available || answered !== null;

/**
 * The messages, told once for all cards of a page.
 *
 * Fires `change` when there is something else to show, and `tick` when a recording has played on.
 */
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
  /** Counts the changes of what is told, so that nobody has to compare. */
  version = 0;
  /** Messages about to be deleted. @type {Map<string, Deletion>} */
  leaving = new Map();
  /** What went wrong with a message. @type {Map<string, string>} */
  errors = new Map();
  isLoaded = false;
  /** Since when changes may be missing, if they may. @type {Date | undefined} */
  staleSince;
  /** The messages that the present subscription told of. @type {Set<string>} */
  #told = new Set();
  /** @type {Date | undefined} */
  #lostSince = new Date();
  #grace = 0;
  #cards = 0;

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.connection = connection;
    this.player = new Player(this);
    this.subscription = new Subscription(
      connection,
      { type: "pbx_voicemail/messages/subscribe" },
      {
        take: (/** @type {News} */ news) => this.#take(news),
        lose: (/** @type {Date} */ since) => this.#lose(since),
        regain: () => this.#regain(),
      },
    );
    // A page that is hidden may end without another word.
    document.addEventListener("visibilitychange", () => document.hidden && this.#flush());
    window.addEventListener("pagehide", () => this.#flush());
  }

  open() {
    this.#cards += 1;
    if (this.#cards > 1) return;
    if (this.#lostSince) this.#lose(this.#lostSince);
    this.subscription.open();
  }

  close() {
    this.#cards -= 1;
    // A card that is moved leaves and comes back at once.
    queueMicrotask(() => this.#cards || this.#rest());
  }

  /** Nobody looks any more, so nobody can undo anything either. */
  #rest() {
    this.player.stop();
    this.#flush();
    this.subscription.close();
    clearTimeout(this.#grace);
    this.#lostSince ??= new Date();
    this.staleSince = undefined;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @param {News} news */
  #take(news) {
    this.#regain();
    if (news.reset) this.#told.clear();
    for (const message of news.messages ?? []) {
      this.#told.add(message.media_content_id);
      this.messages.set(message.media_content_id, message);
    }
    for (const id of news.gone ?? []) this.#forget(id);
    if (news.reset || news.pbxs || news.extensions) this.#takeLists(news);
    this.isLoaded = true;
    this.version += 1;
    for (const [id, { message, state }] of this.leaving) {
      if (state === "due" && this.pbxs.some((pbx) => pbx.entry_id === message.entry_id && pbx.available))
        this.#send(id);
    }
    this.changed();
  }

  /**
   * Takes PBXs and extensions. What was known before of a PBX that is only being set up is kept until it is told anew:
   * so a restart of Home Assistant does not empty the list.
   *
   * @param {News} news
   */
  #takeLists({ reset, pbxs = reset ? [] : this.pbxs, extensions = reset ? [] : this.extensions }) {
    const devices = new Map(this.pbxs.map((pbx) => [pbx.entry_id, pbx.device_id]));
    this.pbxs = pbxs.map((pbx) => ({ ...pbx, device_id: pbx.device_id ?? devices.get(pbx.entry_id) ?? null }));
    const unlisted = new Set(this.pbxs.filter((pbx) => !isListed(pbx)).map((pbx) => pbx.entry_id));
    const kept = this.extensions.filter(({ entry_id: id }) => unlisted.has(id));
    this.extensions = [...extensions.filter(({ entry_id: id }) => !unlisted.has(id)), ...kept];
    for (const [id, { entry_id }] of this.messages) {
      if (!unlisted.has(entry_id) && !this.#told.has(id)) this.#forget(id);
    }
  }

  /** @param {string} id of a message that is no more */
  #forget(id) {
    this.#told.delete(id);
    this.messages.delete(id);
    this.errors.delete(id);
    clearTimeout(this.leaving.get(id)?.timer);
    this.leaving.delete(id);
    if (this.player.id === id) this.player.stop();
  }

  /** @param {Date} since */
  #lose(since) {
    this.#lostSince ??= since;
    clearTimeout(this.#grace);
    if (this.staleSince) return;
    this.#grace = window.setTimeout(() => {
      this.staleSince = this.#lostSince;
      this.changed();
    }, STALE_AFTER);
  }

  #regain() {
    clearTimeout(this.#grace);
    this.#lostSince = undefined;
    if (!this.staleSince) return;
    this.staleSince = undefined;
    this.changed();
  }

  /** Deletes a message, unless that is undone in time. @param {Message} message */
  delete(message) {
    const id = message.media_content_id;
    if (this.player.id === id) this.player.stop();
    this.errors.delete(id);
    const timer = window.setTimeout(() => this.#send(id), UNDO_SECONDS * 1000);
    this.leaving.set(id, { message, timer, state: "undoable" });
    this.changed();
  }

  /** @param {string} id */
  undo(id) {
    const deletion = this.leaving.get(id);
    if (!deletion || deletion.state === "sent") return;
    clearTimeout(deletion.timer);
    this.leaving.delete(id);
    this.changed();
  }

  /** Deletes now what would be deleted soon. */
  #flush() {
    for (const id of this.leaving.keys()) this.#send(id);
  }

  /** @param {string} id */
  async #send(id) {
    const deletion = this.leaving.get(id);
    if (!deletion || deletion.state === "sent") return;
    clearTimeout(deletion.timer);
    // What cannot be sent now, is with the next list.
    deletion.state = "due";
    if (this.#lostSince) return;
    deletion.state = "sent";
    this.changed();
    const { entry_id, message_id } = deletion.message;
    try {
      await this.connection.sendMessagePromise({
        type: "call_service",
        domain: "pbx_voicemail",
        service: "delete_message",
        service_data: { config_entry_id: entry_id, message_id },
      });
      this.#forget(id);
      this.version += 1;
    } catch (error) {
      if (isLost(error)) {
        deletion.state = "due";
      } else {
        this.leaving.delete(id);
        if (this.messages.has(id)) this.errors.set(id, reason(error));
      }
    }
    this.changed();
  }
}
