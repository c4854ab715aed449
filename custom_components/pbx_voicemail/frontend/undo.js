/** Offers to undo the deletion of several messages at once. */

import { make } from "./dom.js";
import { keyOf } from "./filter.js";
import { formatNumber, text } from "./localize.js";

export class Undo {
  element = make("div", { class: "notices" });
  /** @type {import("./deletions.js").Group[]} */
  #groups = [];

  /**
   * @param {import("./inbox.js").Inbox} inbox
   * @param {Map<string, import("./inbox.js").Extension>} extensions
   * @param {import("./localize.js").Locale} locale
   */
  show({ deletions, messages }, extensions, locale) {
    const isShown = (/** @type {string} */ id) => {
      const message = messages.get(id);
      return message && extensions.has(keyOf(message));
    };
    const groups = deletions.undoableGroups.filter(({ ids }) => ids.some(isShown));
    const isSame = groups.length === this.#groups.length && groups.every((group) => this.#groups.includes(group));
    if (isSame) return;
    this.#groups = groups;
    this.element.replaceChildren(
      ...groups.map((group) => {
        const count = text("card_deleted_count", { count: formatNumber(group.ids.length, locale) });
        const undo = make("button", { type: "button", class: "undo", click: () => deletions.undo(group) });
        undo.append(text("card_undo"));
        return make("p", {}, make("span", { role: "status" }, count), undo);
      }),
    );
  }
}
