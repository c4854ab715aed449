/** The list of messages. It only contains the first ones, and more once the user scrolls to the end. */

import { make } from "./dom.js";
import { Row } from "./row.js";

/**
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {import("./row.js").View} View
 */

const ROWS_AT_ONCE = 25;

export class List {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #limit = ROWS_AT_ONCE;
  #end = make("div", { class: "end" });
  element = make("ul");

  /** @param {() => void} onMore called when more rows have to be rendered */
  constructor(onMore) {
    this.more = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        this.#limit += ROWS_AT_ONCE;
        onMore();
      },
      { root: this.element, rootMargin: "400px" },
    );
  }

  /** Scrolls to the start. */
  reset() {
    this.#limit = ROWS_AT_ONCE;
    this.element.scrollTop = 0;
  }

  get rows() {
    return [...this.#rows.values()];
  }

  /** Returns the row that has the focus. */
  get focused() {
    const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
    const focused = root.activeElement?.closest("li");
    return focused ? this.rows.find((row) => row.element === focused) : undefined;
  }

  /** @param {string} id of the message */
  row(id) {
    return this.#rows.get(id);
  }

  /** Focuses the next row, or the previous one. @param {1 | -1} step */
  moveFocus(step) {
    const rows = this.rows;
    const focused = this.focused;
    const next = focused ? rows[rows.indexOf(focused) + step] : rows[0];
    next?.focus();
  }

  /**
   * @param {Inbox} inbox
   * @param {Message[]} messages
   * @param {View} view
   * @param {(row: Row, message: Message, day: string) => void} show
   */
  render(inbox, messages, view, show) {
    const rows = new Map();
    let before = null;
    let lastDay = "";
    const focused = this.focused;
    const place = focused ? this.rows.indexOf(focused) : 0;
    for (const [index, message] of messages.slice(0, this.#limit).entries()) {
      const id = message.media_content_id;
      const row = this.#rows.get(id) ?? new Row(inbox, message, view);
      const day = message.received ? view.dates.heading(message.received) : "";
      show(row, message, day === lastDay ? "" : day);
      lastDay = day;
      row.setPosition(index + 1, messages.length);
      /** @type {Element | null} */
      const next = before ? before.nextElementSibling : this.element.firstElementChild;
      if (next !== row.element) this.element.insertBefore(row.element, next);
      before = row.element;
      rows.set(id, row);
    }
    for (const [id, row] of this.#rows) if (!rows.has(id)) row.element.remove();
    this.#rows = rows;
    // The row that had the focus is gone.
    if (focused && !rows.has(focused.id)) this.rows[Math.min(place, rows.size - 1)]?.focus();
    this.more.disconnect();
    this.#end.remove();
    if (messages.length > this.#limit) {
      before?.append(this.#end);
      this.more.observe(this.#end);
    }
  }
}
