/** The search and the filters, and the messages that they select. */

import { make, setContent } from "./dom.js";
import { text } from "./localize.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Message} Message
 */

const CONTROLS_FROM = 6;

/** Returns the key of an extension. @param {{entry_id: string, extension: string}} extension */
export const keyOf = ({ entry_id, extension }) => `${entry_id}/${extension}`;

export class Filter {
  /** What is searched in each message. @type {WeakMap<Message, string>} */
  #searched = new WeakMap();
  /** Whether only unread messages are shown. */
  isUnread = false;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.search = make("input", { type: "search", input: onChange });
    this.extension = make("select", { change: onChange });
    const choose = (/** @type {boolean} */ isUnread) => () => {
      this.isUnread = isUnread;
      onChange();
    };
    this.all = make("button", { type: "button", class: "chip", click: choose(false) });
    this.unread = make("button", { type: "button", class: "chip", click: choose(true) });
    this.chips = make("div", { class: "chips" }, this.all, this.unread);
    this.element = make("div", { class: "controls" }, this.search, this.extension, this.chips);
  }

  /** What the user has chosen, to find out whether it has changed. */
  get values() {
    return [this.search.value, this.extension.value, this.isUnread];
  }

  /**
   * @param {Map<string, Extension>} extensions
   * @param {number} messages
   * @param {boolean} onlyUnread whether others are never shown
   */
  show(extensions, messages, onlyUnread) {
    const isUsed = this.search.value || this.extension.value || this.isUnread;
    this.element.hidden = messages < CONTROLS_FROM && !isUsed;
    this.search.placeholder = text("card_search");
    this.search.setAttribute("aria-label", text("card_search"));
    this.extension.setAttribute("aria-label", text("card_extension"));
    this.extension.hidden = extensions.size < 2;
    const value = this.extension.value;
    setContent(
      this.extension,
      make("option", { value: "" }, text("card_all_extensions")),
      ...[...extensions].map(([id, { name }]) => make("option", { value: id }, name)),
    );
    this.extension.value = extensions.has(value) ? value : "";
    this.chips.hidden = onlyUnread;
    setContent(this.all, text("card_all"));
    setContent(this.unread, text("card_unread"));
    this.all.setAttribute("aria-pressed", String(!this.isUnread));
    this.unread.setAttribute("aria-pressed", String(this.isUnread));
  }

  /**
   * Returns the messages to show.
   *
   * @param {Message[]} messages
   * @param {Map<string, Extension>} extensions
   * @param {{onlyUnread: boolean, kept: string[]}} options `kept` are the IDs of messages in use, read or not
   */
  apply(messages, extensions, { onlyUnread, kept }) {
    const words = this.search.value.trim().toLocaleLowerCase();
    const isUnread = onlyUnread || this.isUnread;
    return messages.filter((message) => {
      if (this.extension.value && keyOf(message) !== this.extension.value) return false;
      if (isUnread && message.read && !kept.includes(message.media_content_id)) return false;
      return !words || this.#textOf(message, extensions.get(keyOf(message))?.name).includes(words);
    });
  }

  /** @param {Message} message @param {string | undefined} extension */
  #textOf(message, extension) {
    let searched = this.#searched.get(message);
    if (searched === undefined) {
      const { caller, caller_formatted, caller_name, caller_e164, transcript } = message;
      const parts = [caller, caller_formatted, caller_name, caller_e164, transcript];
      searched = parts
        .map((part) => part ?? "")
        .join("\n")
        .toLocaleLowerCase();
      this.#searched.set(message, searched);
    }
    return `${searched}\n${(extension ?? "").toLocaleLowerCase()}`;
  }
}
