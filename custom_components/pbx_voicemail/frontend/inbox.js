/** The messages that Home Assistant sends to the card, and the playback and deletion of them. */

import { errorText } from "./localize.js";
import { Player } from "./player.js";
import { isLost, Subscription } from "./subscription.js";

/**
 * @typedef {{entry_id: string, device_id: string | null, title: string, available: boolean, answered: string | null}} Pbx
 * @typedef {{entry_id: string, extension: string, device_id: string | null, name: string, may_delete: boolean}} Extension
 * @typedef {{entry_id: string, message_id: string, extension: string, caller: string | null, caller_name: string | null,
 *   received: string | null, duration: number | null, read: boolean | null, urgent: boolean, media_content_id: string,
 *   transcript: string | null}} Message
 * @typedef {{reset?: boolean, pbxs?: Pbx[], extensions?: Extension[], messages?: Message[], gone?: string[]}} Update
 * @typedef {import("./subscription.js").Connection} Connection
 * @typedef {{connection: Connection, locale: Locale, language: string, config: {time_zone: string},
 *   entities: Record<string, {platform?: string, device_id?: string}>, hassUrl: (path: string) => string}} Hass
 * @typedef {{message: Message, timer: number, state: "undoable" | "due" | "sent"}} Deletion
 */

/** @typedef {import("./localize.js").Locale} Locale */

const UNDO_SECONDS = 5;
/** Shorter interruptions of the connection are not shown, in milliseconds. */
const STALE_AFTER = 1000;

/** Returns whether the messages of a PBX are known. After a start, they may not be yet. @param {Pbx} pbx */
export const isListed = ({ available, answered }) => available || answered !== null;

/**
 * The messages of one connection, shared by all cards of a page.
 *
 * Fires `change` when a card must be rendered again, and `tick` when the position of the playback changes.
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
  /** Incremented with each change of the data, so that cards do not have to compare it. */
  version = 0;
  /** Messages that are about to be deleted. @type {Map<string, Deletion>} */
  deletions = new Map();
  /** The last error of each message. @type {Map<string, string>} */
  errors = new Map();
  isLoaded = false;
  /** Since when the data may be out of date, if it may. @type {Date | undefined} */
  staleSince;
  /** IDs of the messages that the current subscription has sent. @type {Set<string>} */
  #received = new Set();
  /** @type {Date | undefined} */
  #lostSince = new Date();
  #staleTimer = 0;
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
        onUpdate: (/** @type {Update} */ update) => this.#update(update),
        onLost: (/** @type {Date} */ since) => this.#setLost(since),
        onRestored: () => this.#setRestored(),
      },
    );
    // A hidden page may be closed without any further event.
    document.addEventListener("visibilitychange", () => document.hidden && this.#flush());
    window.addEventListener("pagehide", () => this.#flush());
  }

  open() {
    this.#cards += 1;
    if (this.#cards > 1) return;
    if (this.#lostSince) this.#setLost(this.#lostSince);
    this.subscription.open();
  }

  close() {
    this.#cards -= 1;
    // A card that is moved is closed and immediately opened again.
    queueMicrotask(() => this.#cards || this.#suspend());
  }

  /** Stops everything when no card is shown. Deletions can then no longer be undone, so they are sent. */
  #suspend() {
    this.player.stop();
    this.#flush();
    this.subscription.close();
    clearTimeout(this.#staleTimer);
    this.#lostSince ??= new Date();
    this.staleSince = undefined;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Update} update */
  #update(update) {
    this.#setRestored();
    if (update.reset) this.#received.clear();
    for (const message of update.messages ?? []) {
      this.#received.add(message.media_content_id);
      this.messages.set(message.media_content_id, message);
    }
    for (const id of update.gone ?? []) this.#remove(id);
    if (update.reset || update.pbxs || update.extensions) this.#updateLists(update);
    this.isLoaded = true;
    this.version += 1;
    for (const [id, { message, state }] of this.deletions) {
      if (state === "due" && this.pbxs.some((pbx) => pbx.entry_id === message.entry_id && pbx.available))
        this.#send(id);
    }
    this.changed();
  }

  /**
   * Updates the lists of PBXs and extensions, and removes messages that no longer exist. While a PBX is being set up,
   * its previous data is kept, so that the list is not empty during a restart of Home Assistant.
   *
   * @param {Update} update
   */
  #updateLists({ reset, pbxs = reset ? [] : this.pbxs, extensions = reset ? [] : this.extensions }) {
    const devices = new Map(this.pbxs.map((pbx) => [pbx.entry_id, pbx.device_id]));
    this.pbxs = pbxs.map((pbx) => ({ ...pbx, device_id: pbx.device_id ?? devices.get(pbx.entry_id) ?? null }));
    const unlisted = new Set(this.pbxs.filter((pbx) => !isListed(pbx)).map((pbx) => pbx.entry_id));
    const kept = this.extensions.filter(({ entry_id: id }) => unlisted.has(id));
    this.extensions = [...extensions.filter(({ entry_id: id }) => !unlisted.has(id)), ...kept];
    for (const [id, { entry_id }] of this.messages) {
      if (!unlisted.has(entry_id) && !this.#received.has(id)) this.#remove(id);
    }
  }

  /** Removes a message. @param {string} id */
  #remove(id) {
    this.#received.delete(id);
    this.messages.delete(id);
    this.errors.delete(id);
    clearTimeout(this.deletions.get(id)?.timer);
    this.deletions.delete(id);
    if (this.player.id === id) this.player.stop();
  }

  /** @param {Date} since */
  #setLost(since) {
    this.#lostSince ??= since;
    clearTimeout(this.#staleTimer);
    if (this.staleSince) return;
    this.#staleTimer = window.setTimeout(() => {
      this.staleSince = this.#lostSince;
      this.changed();
    }, STALE_AFTER);
  }

  #setRestored() {
    clearTimeout(this.#staleTimer);
    this.#lostSince = undefined;
    if (!this.staleSince) return;
    this.staleSince = undefined;
    this.changed();
  }

  /** Deletes a message after the time to undo. @param {Message} message */
  delete(message) {
    const id = message.media_content_id;
    if (this.player.id === id) this.player.stop();
    this.errors.delete(id);
    const timer = window.setTimeout(() => this.#send(id), UNDO_SECONDS * 1000);
    this.deletions.set(id, { message, timer, state: "undoable" });
    this.changed();
  }

  /** Cancels a deletion that has not been sent. @param {string} id */
  undo(id) {
    const deletion = this.deletions.get(id);
    if (!deletion || deletion.state === "sent") return;
    clearTimeout(deletion.timer);
    this.deletions.delete(id);
    this.changed();
  }

  /** Sends all pending deletions immediately. */
  #flush() {
    for (const id of this.deletions.keys()) this.#send(id);
  }

  /** Sends a deletion to Home Assistant. @param {string} id */
  async #send(id) {
    const deletion = this.deletions.get(id);
    if (!deletion || deletion.state === "sent") return;
    clearTimeout(deletion.timer);
    // Without a connection, it is sent after the next update.
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
      this.#remove(id);
      this.version += 1;
    } catch (error) {
      if (isLost(error)) {
        deletion.state = "due";
      } else {
        this.deletions.delete(id);
        if (this.messages.has(id)) this.errors.set(id, errorText(error));
      }
    }
    this.changed();
  }
}
