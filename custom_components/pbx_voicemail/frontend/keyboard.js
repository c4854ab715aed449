/** The keys that work in the list. */

import { make } from "./dom.js";
import { text } from "./localize.js";

/** @typedef {import("./list.js").List} List */

/**
 * Handles a key, and returns whether it is one of the list's.
 *
 * @param {KeyboardEvent} event
 * @param {List} list
 * @param {{showKeys: () => void}} card
 */
export function handleKey(event, list, card) {
  const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
  if (event.ctrlKey || event.altKey || event.metaKey || target.matches("input:not([type=checkbox]), select"))
    return false;
  const row = list.focused;
  /** @type {Record<string, (() => void) | false | undefined>} */
  const actions = {
    ArrowDown: () => list.moveFocus(1),
    ArrowUp: () => list.moveFocus(-1),
    // On other controls, it presses them.
    " ": target.matches(".opener") && (() => row?.togglePlay()),
    u: row && (() => row.buttons.toggleRead()),
    Delete: row && (() => row.remove()),
    "?": () => card.showKeys(),
  };
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return false;
  action();
  event.preventDefault();
  // Home Assistant has shortcuts of its own.
  event.stopPropagation();
  return true;
}

/** Returns a description of the keys. */
export function describeKeys() {
  const keys = [
    ["↑ ↓", "card_shortcut_move"],
    ["␣", "card_shortcut_play"],
    ["U", "card_shortcut_read"],
    ["Delete", "card_delete_message"],
    ["?", "card_shortcuts"],
  ];
  return keys.map(([key, name]) => make("p", {}, make("kbd", {}, key), text(name)));
}

/** Returns whether there may be a keyboard. Phones and tablets that are only touched rarely have one. */
export const mayHaveKeyboard = () => !matchMedia("(hover: none) and (pointer: coarse)").matches;
