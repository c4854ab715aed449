/** Small helpers to make elements and to change as little of them as possible. */

/**
 * Makes an element. Properties that are `null` are left out; a child that is text stays text.
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

/** @param {string} name */
export const icon = (name) => {
  const element = document.createElement("ha-icon");
  element.setAttribute("icon", `mdi:${name}`);
  element.setAttribute("aria-hidden", "true");
  return element;
};

/**
 * Sets what is in an element, if it is not there already: so that nothing is read out or selected anew.
 *
 * @param {HTMLElement} element
 * @param {(HTMLElement | string)[]} children
 */
export function put(element, ...children) {
  const wanted = /** @type {HTMLElement} */ (element.cloneNode());
  wanted.append(...children);
  if (!wanted.isEqualNode(element)) element.replaceChildren(...wanted.childNodes);
}

/**
 * @param {HTMLElement} button
 * @param {string} name of an icon
 */
export function setIcon(button, name) {
  if (button.firstElementChild?.getAttribute("icon") !== `mdi:${name}`) button.replaceChildren(icon(name));
}

/**
 * @param {HTMLElement} control
 * @param {string} label
 * @param {boolean} [enabled]
 */
export function describe(control, label, enabled = true) {
  control.setAttribute("aria-label", label);
  control.title = label;
  control.toggleAttribute("disabled", !enabled);
}
