/** The messages that Home Assistant sends to the card, shared by all cards of a page. */

import { Deletions } from "./deletions.js";
import { Player } from "./player.js";
import { Subscription } from "./subscription.js";

/**
 * @typedef {{entry_id: string, device_id: string | null, title: string, available: boolean, answered: string | null}} Pbx
 * @typedef {{entry_id: string, extension: string, device_id: string | null, name: string, may_delete: boolean,
 *   available: boolean}} Extension
 * @typedef {{entry_id: string, message_id: string, extension: string, caller: string | null, caller_name: string | null,
 *   caller_formatted: string | null, caller_e164: string | null, received: string | null, duration: number | null,
 *   read: boolean, urgent: boolean, media_content_id: string, transcript: string | null}} Message
 * @typedef {{reset?: boolean, is_partial?: boolean, pbxs?: Pbx[], extensions?: Extension[], messages?: Message[],
 *   gone?: string[]}} Update
 * @typedef {import("./subscription.js").Connection} Connection
 * @typedef {{state: string, attributes: Record<string, any>}} State
 * @typedef {{connection: Connection, locale: Locale, language: string, config: {time_zone: string},
 *   states: Record<string, State>, hassUrl: (path: string) => string,
 *   entities: Record<string, {platform?: string, device_id?: string, hidden?: boolean}>}} Hass
 */

/** @typedef {import("./localize.js").Locale} Locale */

/** Shorter interruptions of the connection are not shown, in milliseconds. */
const STALE_AFTER = 1000;

/** Returns whether the messages of a PBX are known. After a start, they may not be yet. @param {Pbx} pbx */
export const isListed = ({ available, answered }) => available || answered !== null;

/**
 * Adds what earlier versions of the integration do not send. After a downgrade, an open page keeps the newer card.
 *
 * @param {Update} update
 */
function complete({ messages = [], extensions = [] }) {
  for (const message of messages) message.caller_formatted ??= message.caller;
  for (const extension of extensions) extension.available ??= true;
}

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
  deletions = new Deletions(this);
  /** What went wrong with a message. @type {Map<string, string>} */
  problems = new Map();
  /** What is being done with a message, or was done. @type {Map<string, string>} */
  notes = new Map();
  isLoaded = false;
  /** Whether more messages follow, so that nothing can be said about all of them. */
  isPartial = false;
  /** @type {{version: number, messages: Message[]}} */
  #sorted = { version: -1, messages: [] };
  /** Since when the data may be out of date, if it may. @type {Date | undefined} */
  staleSince;
  /** IDs of the messages that the current subscription has sent. @type {Set<string>} */
  #received = new Set();
  #mustTidy = false;
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
    document.addEventListener("visibilitychange", () => document.hidden && this.deletions.flush());
    window.addEventListener("pagehide", () => this.deletions.flush());
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
    this.deletions.flush();
    this.subscription.close();
    clearTimeout(this.#staleTimer);
    this.#lostSince ??= new Date();
    this.staleSince = undefined;
  }

  /** Whether the connection to Home Assistant is lost. */
  get isLost() {
    return this.#lostSince !== undefined;
  }

  /** All messages, newest first. They are sorted once for each change of the data. */
  get sorted() {
    if (this.#sorted.version !== this.version) {
      const received = new Map([...this.messages].map(([id, { received }]) => [id, Date.parse(received ?? "1970")]));
      const time = (/** @type {Message} */ message) => received.get(message.media_content_id) ?? 0;
      const messages = [...this.messages.values()].sort((one, other) => time(other) - time(one));
      this.#sorted = { version: this.version, messages };
    }
    return this.#sorted.messages;
  }

  /**
   * Calls an action of Home Assistant, by default one of this integration.
   *
   * @param {string} service
   * @param {object} data
   * @param {object} [options] `domain`, `target` or `return_response`
   */
  async call(service, data, options) {
    const action = { type: "call_service", domain: "pbx_voicemail", service, service_data: data };
    return await this.connection.sendMessagePromise({ ...action, ...options });
  }

  /** Changes a message until Home Assistant sends it again. @param {Message} message */
  replace(message) {
    if (!this.messages.has(message.media_content_id)) return;
    this.messages.set(message.media_content_id, message);
    this.version += 1;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Update} update */
  #update(update) {
    this.#setRestored();
    complete(update);
    if (update.reset) this.#received.clear();
    for (const message of update.messages ?? []) {
      this.#received.add(message.media_content_id);
      this.messages.set(message.media_content_id, message);
    }
    for (const id of update.gone ?? []) this.remove(id);
    if (update.reset || update.pbxs || update.extensions) this.#updateLists(update);
    this.#mustTidy ||= Boolean(update.reset || update.pbxs || update.extensions);
    if (this.#mustTidy && !update.is_partial) this.#tidy();
    this.isLoaded = true;
    this.version += 1;
    this.isPartial = update.is_partial ?? false;
    this.deletions.retry();
    this.changed();
  }

  /**
   * Updates the lists of PBXs and extensions. While a PBX is being set up, its previous data is kept, so that the list
   * is not empty during a restart of Home Assistant.
   *
   * @param {Update} update
   */
  #updateLists({ reset, pbxs = reset ? [] : this.pbxs, extensions = reset ? [] : this.extensions }) {
    const devices = new Map(this.pbxs.map((pbx) => [pbx.entry_id, pbx.device_id]));
    this.pbxs = pbxs.map((pbx) => ({ ...pbx, device_id: pbx.device_id ?? devices.get(pbx.entry_id) ?? null }));
    const unlisted = this.#unlisted();
    const kept = this.extensions.filter(({ entry_id: id }) => unlisted.has(id));
    this.extensions = [...extensions.filter(({ entry_id: id }) => !unlisted.has(id)), ...kept];
  }

  /** Removes messages that no longer exist, once all that do have been received. */
  #tidy() {
    this.#mustTidy = false;
    const unlisted = this.#unlisted();
    for (const [id, { entry_id }] of this.messages) {
      if (!unlisted.has(entry_id) && !this.#received.has(id)) this.remove(id);
    }
  }

  /** Returns the IDs of the PBXs that are being set up. */
  #unlisted() {
    return new Set(this.pbxs.filter((pbx) => !isListed(pbx)).map((pbx) => pbx.entry_id));
  }

  /** Removes a message. @param {string} id */
  remove(id) {
    this.#received.delete(id);
    this.messages.delete(id);
    this.problems.delete(id);
    this.notes.delete(id);
    this.deletions.forget(id);
    this.version += 1;
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
}
