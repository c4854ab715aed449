/** The bar that is shown while messages are being selected. */

import { mark } from "./actions.js";
import { icon, make, setContent, setLabel } from "./dom.js";
import { formatNumber, text } from "./localize.js";

/**
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 */

/** The selected messages, and what can be done with all of them. */
export class Selection {
  /** The media ids of the selected messages; nothing unless messages are being selected. @type {Set<string> | undefined} */
  ids;
  /** @type {Message[]} */
  #messages = [];
  /** @type {Inbox | undefined} */
  #inbox;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    this.count = make("span", { class: "selected", role: "status" });
    this.all = button("select-all", () => this.start(this.#messages));
    this.read = button("email-open-outline", () => this.#end((inbox, messages) => mark(inbox, messages, true)));
    this.unread = button("email-mark-as-unread", () => this.#end((inbox, messages) => mark(inbox, messages, false)));
    this.delete = button("delete", () => this.#end((inbox, messages) => inbox.deletions.delete(messages)));
    this.close = button("close", () => this.stop());
    this.element = make("div", { class: "selection" });
    this.element.append(this.close, this.count, this.all, this.read, this.unread, this.delete);
    this.element.hidden = true;
  }

  /** Begins to select messages. @param {Message[]} [selected] */
  start(selected = []) {
    this.ids = new Set(selected.map((message) => message.media_content_id));
    this.onChange();
  }

  stop() {
    this.ids = undefined;
    this.onChange();
  }

  /** @param {string} id @param {boolean} isSelected */
  select(id, isSelected) {
    if (isSelected) this.ids?.add(id);
    else this.ids?.delete(id);
    this.onChange();
  }

  /**
   * @param {Inbox} inbox
   * @param {Message[]} messages that can be selected
   * @param {import("./localize.js").Locale} locale
   */
  show(inbox, messages, locale) {
    this.element.hidden = !this.ids;
    if (!this.ids) return;
    this.#inbox = inbox;
    this.#messages = messages;
    const count = this.#selected.length;
    setContent(this.count, text("card_selected", { count: formatNumber(count, locale) }));
    setLabel(this.close, text("card_close"));
    setLabel(this.all, text("card_select_all"));
    setLabel(this.read, text("card_mark_read"), count > 0);
    setLabel(this.unread, text("card_mark_unread"), count > 0);
    setLabel(this.delete, text("card_delete_message"), count > 0);
  }

  /** Messages may have gone since they were selected. */
  get #selected() {
    return this.#messages.filter((message) => this.ids?.has(message.media_content_id));
  }

  /** @param {(inbox: Inbox, messages: Message[]) => void} action on the selected messages */
  #end(action) {
    const messages = this.#selected;
    this.stop();
    if (this.#inbox) action(this.#inbox, messages);
  }
}

/** @param {string} name of the icon @param {() => void} click */
const button = (name, click) => make("button", { type: "button", click }, icon(name));
