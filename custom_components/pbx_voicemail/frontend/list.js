/** The list of messages. It only contains the rows that are in view, and some before and after them. */

import { make } from "./dom.js";
import { Row } from "./row.js";

/**
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {import("./row.js").View} View
 */

/** How far outside the view rows are rendered, in pixels. */
const MARGIN = 800;
/** The height of a row that has not been rendered, and of a list that has not been laid out, in pixels. */
const ROW_HEIGHT = 68;
const LIST_HEIGHT = 520;
/** How many rows have to scroll out of view before they are replaced. */
const STEP = 4;

export class List {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** The heights of the rows that have been rendered, by the media ids of their messages. @type {Map<string, number>} */
  #heights = new Map();
  /** @type {Message[]} */
  #messages = [];
  #range = { start: 0, end: 0 };
  #frame = 0;
  #before = make("div");
  #after = make("div");
  // Safari does not treat a list without bullets as one.
  list = make("ul", { role: "list" });
  element = make("div", { class: "scroller" }, this.#before, this.list, this.#after);

  /** @param {() => void} onScroll called when other rows have to be rendered */
  constructor(onScroll) {
    const check = () => {
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        const { start, end } = this.#visibleRange();
        if (Math.abs(start - this.#range.start) >= STEP || Math.abs(end - this.#range.end) >= STEP) onScroll();
      });
    };
    this.element.addEventListener("scroll", check, { passive: true });
    new ResizeObserver(check).observe(this.element);
  }

  /** Scrolls to the start. */
  reset() {
    this.element.scrollTop = 0;
  }

  /** Scrolls until a row is in view, with its beginning if it is too high. @param {string} id of the message */
  reveal(id) {
    const row = this.#rows.get(id)?.element.getBoundingClientRect();
    if (!row) return;
    const view = this.element.getBoundingClientRect();
    const above = row.top - view.top;
    this.element.scrollTop += Math.min(above, Math.max(0, row.bottom - view.bottom));
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
    this.#measure();
    this.#messages = messages;
    this.#range = this.#visibleRange();
    const { start, end } = this.#range;
    const focused = this.focused;
    const place = focused ? this.rows.indexOf(focused) : 0;
    const dayOf = (/** @type {Message | undefined} */ message) =>
      message?.received ? view.dates.heading(message.received) : "";
    const rows = new Map();
    let before = null;
    let lastDay = dayOf(messages[start - 1]);
    for (const [offset, message] of messages.slice(start, end).entries()) {
      const id = message.media_content_id;
      const row = this.#rows.get(id) ?? new Row(inbox, message, view);
      const day = dayOf(message);
      show(row, message, day === lastDay ? "" : day);
      lastDay = day;
      row.setPosition(start + offset + 1, inbox.isPartial ? -1 : messages.length);
      /** @type {Element | null} */
      const next = before ? before.nextElementSibling : this.list.firstElementChild;
      if (next !== row.element) this.list.insertBefore(row.element, next);
      before = row.element;
      rows.set(id, row);
    }
    for (const [id, row] of this.#rows) if (!rows.has(id)) row.element.remove();
    this.#rows = rows;
    this.#before.style.height = `${this.#heightOf(0, start)}px`;
    this.#after.style.height = `${this.#heightOf(end, messages.length)}px`;
    // The message that had the focus is gone.
    if (focused && !rows.has(focused.id) && !inbox.messages.has(focused.id)) {
      this.rows[Math.min(place, rows.size - 1)]?.focus();
    }
  }

  /** Remembers the heights of the current rows. */
  #measure() {
    for (const [id, row] of this.#rows) {
      const height = row.element.offsetHeight;
      if (height) this.#heights.set(id, height);
    }
  }

  /** Returns which messages are in view, or close to it. */
  #visibleRange() {
    const top = this.element.scrollTop - MARGIN;
    const bottom = this.element.scrollTop + (this.element.clientHeight || LIST_HEIGHT) + MARGIN;
    let [start, end, y] = [0, 0, 0];
    for (const message of this.#messages) {
      if (y > bottom) break;
      y += this.#height(message);
      if (y < top) start += 1;
      end += 1;
    }
    return { start: Math.min(start, Math.max(0, end - 1)), end };
  }

  /** @param {number} start @param {number} end */
  #heightOf(start, end) {
    let height = 0;
    for (let i = start; i < end; i++) height += this.#height(this.#messages[i]);
    return height;
  }

  /** @param {Message | undefined} message */
  #height(message) {
    return this.#heights.get(message?.media_content_id ?? "") ?? ROW_HEIGHT;
  }
}
