/** The top of the card: its title, how many messages there are, and what can be done with all of them. */

import { icon, make, setContent, setLabel } from "./dom.js";
import { formatNumber, text } from "./localize.js";

/** @typedef {{key: string, icon: string, isOffered: boolean, run: () => void}} Command */

/** The title, and a menu of commands. */
export class Header {
  /** @type {Command[]} */
  #commands = [];

  constructor() {
    this.title = make("h2");
    this.unread = make("span", { class: "unread-count" });
    this.count = make("span", { class: "count" });
    this.more = make("button", { type: "button", click: () => this.toggle() }, icon("dots-vertical"));
    const counts = make("div", { class: "counts" }, this.unread, this.count);
    const titles = make("div", { class: "titles" }, this.title, counts);
    this.menu = make("div", { class: "menu", role: "group" });
    this.menu.hidden = true;
    this.element = make("div", { class: "header" }, titles, this.more, this.menu);
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.menu.hidden) return;
      // It would also end the selection.
      event.stopPropagation();
      this.toggle();
      this.more.focus();
    });
  }

  toggle() {
    this.menu.hidden = !this.menu.hidden;
    this.#showMenu();
  }

  /**
   * @param {string} title
   * @param {{count: number, unread: number, isPartial: boolean, isComplete: boolean}} messages
   * @param {import("./localize.js").Locale} locale
   * @param {Command[]} commands
   */
  show(title, { count, unread, isPartial, isComplete }, locale, commands) {
    setContent(this.title, title);
    this.title.hidden = !title;
    setContent(this.count, text(isPartial ? "card_loading" : "card_count", { count: formatNumber(count, locale) }));
    setContent(this.unread, text("card_unread_count", { count: formatNumber(unread, locale) }));
    this.count.hidden = !isComplete && !isPartial;
    this.unread.hidden = !isComplete || !unread;
    this.#commands = commands.filter(({ isOffered }) => isOffered);
    this.more.hidden = !this.#commands.length;
    setLabel(this.more, text("card_more"));
    this.menu.setAttribute("aria-label", text("card_more"));
    this.#showMenu();
  }

  #showMenu() {
    this.more.setAttribute("aria-expanded", String(!this.menu.hidden));
    const keys = this.menu.hidden ? "" : this.#commands.map(({ key }) => text(key)).join();
    if (keys === this.menu.dataset.keys) return;
    this.menu.dataset.keys = keys;
    const buttons = this.#commands.map(({ key, icon: name }) =>
      make("button", { type: "button", class: "text", click: () => this.#run(key) }, icon(name), text(key)),
    );
    this.menu.replaceChildren(...(this.menu.hidden ? [] : buttons));
  }

  /** Runs the current command of that name: it may have been replaced since its button was created. @param {string} key */
  #run(key) {
    this.toggle();
    this.more.focus();
    this.#commands.find((command) => command.key === key)?.run();
  }
}
