/** Deletions of messages, which can be undone for some seconds before they are sent to Home Assistant. */

import { errorText } from "./localize.js";
import { isLost } from "./subscription.js";

/**
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {{ids: string[], timer: number}} Group messages that are deleted together
 * @typedef {{message: Message, group: Group, state: "undoable" | "due" | "sent"}} Deletion
 */

const UNDO_SECONDS = 5;
const UNDO_SECONDS_OF_MANY = 10;

/** The deletions that have not been completed, by the media ids of their messages. */
export class Deletions {
  /** @type {Map<string, Deletion>} */
  #deletions = new Map();

  /** @param {Inbox} inbox */
  constructor(inbox) {
    this.inbox = inbox;
  }

  /** @param {string} id */
  get(id) {
    return this.#deletions.get(id);
  }

  get all() {
    return [...this.#deletions.values()];
  }

  /** The messages in their current state: it can change until they are gone. */
  get messages() {
    return this.all.flatMap(({ message }) => this.inbox.messages.get(message.media_content_id) ?? []);
  }

  /** Returns whether a message is deleted together with others. @param {string} id */
  isOfMany(id) {
    return (this.get(id)?.group.ids.length ?? 0) > 1;
  }

  /** Returns the groups of more than one message that can still be undone. */
  get undoableGroups() {
    const groups = this.all.filter(({ state }) => state === "undoable").map(({ group }) => group);
    return [...new Set(groups)].filter(({ ids }) => ids.length > 1);
  }

  /** Deletes messages after the time to undo. @param {Message[]} messages */
  delete(messages) {
    const added = messages.filter(({ media_content_id: id }) => !this.#deletions.has(id));
    const seconds = added.length > 1 ? UNDO_SECONDS_OF_MANY : UNDO_SECONDS;
    /** @type {Group} */
    const group = { ids: added.map((message) => message.media_content_id), timer: 0 };
    group.timer = window.setTimeout(() => this.#sendGroup(group), seconds * 1000);
    for (const message of added) {
      const id = message.media_content_id;
      if (this.inbox.player.id === id) this.inbox.player.stop();
      this.inbox.problems.delete(id);
      this.#deletions.set(id, { message, group, state: "undoable" });
    }
    this.inbox.changed();
  }

  /** Cancels the deletions of a group that have not been sent. @param {Group | undefined} group */
  undo(group) {
    if (!group) return;
    clearTimeout(group.timer);
    for (const id of group.ids) if (this.get(id)?.state !== "sent") this.#deletions.delete(id);
    this.inbox.changed();
  }

  /** Sends all at once, since the page may be closed. */
  flush() {
    for (const id of this.#deletions.keys()) this.#send(id);
  }

  /** Sends those that could not be sent, if their PBX is available again. */
  async retry() {
    for (const { message, state } of this.all) {
      const pbx = this.inbox.pbxs.find((pbx) => pbx.entry_id === message.entry_id);
      if (state === "due" && pbx?.available) await this.#send(message.media_content_id);
    }
  }

  /** Forgets a message that is gone. @param {string} id */
  forget(id) {
    const deletion = this.get(id);
    if (!deletion) return;
    this.#deletions.delete(id);
    if (deletion.group.ids.every((id) => !this.#deletions.has(id))) clearTimeout(deletion.group.timer);
  }

  /** Sends one after another: each makes Home Assistant poll the PBX. @param {Group} group */
  async #sendGroup(group) {
    for (const id of group.ids) {
      const deletion = this.get(id);
      if (deletion?.state === "undoable") deletion.state = "due";
    }
    for (const id of group.ids) await this.#send(id);
  }

  /** @param {string} id */
  async #send(id) {
    const { inbox } = this;
    const deletion = this.get(id);
    if (!deletion || deletion.state === "sent") return;
    if (deletion.group.ids.length === 1) clearTimeout(deletion.group.timer);
    // Without a connection, it is sent after the next update.
    deletion.state = "due";
    if (inbox.isLost) return;
    deletion.state = "sent";
    inbox.changed();
    const { entry_id, message_id } = deletion.message;
    try {
      await inbox.call("delete_message", { config_entry_id: entry_id, message_id });
      inbox.remove(id);
    } catch (error) {
      if (isLost(error)) {
        deletion.state = "due";
      } else {
        this.#deletions.delete(id);
        if (inbox.messages.has(id)) inbox.problems.set(id, errorText(error));
      }
    }
    inbox.changed();
  }
}
