/** The buttons of a row: what can be done with its message. */

import { canShare, canTranscribe, dialledNumber, download, mark, share, transcribe } from "./actions.js";
import { icon, make, setIcon, setLabel } from "./dom.js";
import { text } from "./localize.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./row.js").Row} Row
 */

const ICONS = { transcribe: "text-recognition", download: "download", share: "share-variant" };

export class Buttons {
  /** @param {Row} row */
  constructor(row) {
    this.row = row;
    const { inbox } = row;
    this.call = make("a", { class: "button" }, icon("phone"));
    this.mark = make("button", { type: "button", class: "mark", click: () => this.toggleRead() });
    this.transcribe = button("more", () => transcribe(inbox, row.message));
    this.download = button("more", () => download(inbox, row.message, row.view.hass));
    this.share = button("more", () => share(inbox, row.message, row.view.hass));
    this.delete = button("delete", () => row.remove());
    setIcon(this.delete, "delete");
    this.element = make("div", { class: "buttons" });
    this.element.append(this.call, this.mark, this.transcribe, this.download, this.share, this.delete);
  }

  get mayDelete() {
    return !this.delete.hidden && !this.delete.disabled;
  }

  toggleRead() {
    const { inbox, message } = this.row;
    if (!this.mark.hidden && !this.mark.disabled) mark(inbox, [message], !message.read);
  }

  /**
   * @param {Extension | undefined} extension
   * @param {boolean} available
   * @param {Record<string, string>} caller
   * @param {boolean} isOpen whether all buttons are shown
   */
  show(extension, available, caller, isOpen) {
    const { message, view } = this.row;
    const number = dialledNumber(message);
    if (number) this.call.href = `tel:${number}`;
    else this.call.removeAttribute("href");
    setLabel(this.call, text("card_call", caller));
    setIcon(this.mark, message.read ? "email-mark-as-unread" : "email-open-outline");
    setLabel(this.mark, text(message.read ? "card_mark_unread" : "card_mark_read"), available);
    // Icons are expensive to create.
    if (isOpen)
      for (const name of /** @type {const} */ (["transcribe", "download", "share"])) setIcon(this[name], ICONS[name]);
    setLabel(this.transcribe, text("card_transcribe"), available);
    setLabel(this.download, text("card_download"), available);
    setLabel(this.share, text("card_share"), available);
    setLabel(this.delete, text("card_delete", caller), available);
    const mayControl = extension?.may_delete ?? false;
    const isOffered = {
      call: number !== "",
      mark: mayControl,
      transcribe: message.transcript === null && canTranscribe(view.hass),
      download: true,
      share: canShare(),
      delete: mayControl,
    };
    for (const name of /** @type {(keyof typeof isOffered)[]} */ (Object.keys(isOffered))) {
      this[name].hidden = !isOffered[name] || !view.config.buttons.includes(name);
    }
    this.element.hidden = view.selected !== undefined;
  }
}

/** @param {string} kind @param {() => void} click */
const button = (kind, click) => make("button", { type: "button", class: kind, click });
