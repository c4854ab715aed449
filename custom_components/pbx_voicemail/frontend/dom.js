/** Helpers that create elements, and update them with as few changes as possible. */

/**
 * Creates an element. Properties that are `null` are omitted, and functions become event listeners. Strings in
 * `children` are inserted as text, never as HTML.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, /** @type {any} */ (value));
    else if (value !== null) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

/** Creates an icon. @param {string} name */
export const icon = (name) => {
  const element = document.createElement("ha-icon");
  element.setAttribute("icon", `mdi:${name}`);
  element.setAttribute("aria-hidden", "true");
  return element;
};

/**
 * Replaces the children of an element if they differ. Otherwise a screen reader would read them again, and a selection
 * would be lost.
 *
 * @param {HTMLElement} element
 * @param {(HTMLElement | string)[]} children
 */
export function setContent(element, ...children) {
  const wanted = /** @type {HTMLElement} */ (element.cloneNode());
  wanted.append(...children);
  if (!wanted.isEqualNode(element)) element.replaceChildren(...wanted.childNodes);
}

/**
 * Sets the icon of a button.
 *
 * @param {HTMLElement} button
 * @param {string} name of the icon
 */
export function setIcon(button, name) {
  if (button.firstElementChild?.getAttribute("icon") !== `mdi:${name}`) button.replaceChildren(icon(name));
}

/**
 * Sets the label and tooltip of a control, and enables or disables it.
 *
 * @param {HTMLElement} control
 * @param {string} label
 * @param {boolean} [enabled]
 */
export function setLabel(control, label, enabled = true) {
  control.setAttribute("aria-label", label);
  control.title = label;
  control.toggleAttribute("disabled", !enabled);
}
