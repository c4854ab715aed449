/** Which extensions and PBXs a card shows, and what the user may do with their messages. */

import { keyOf } from "./filter.js";

/**
 * @typedef {import("./inbox.js").Extension} Extension
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 */

/**
 * Returns the extensions to show by key: those of the configured devices, which may be PBXs, or all by default.
 *
 * @param {Inbox} inbox
 * @param {string[]} devices
 * @returns {Map<string, Extension>}
 */
export function extensionsOf(inbox, devices) {
  const chosen = new Set(devices);
  const pbxs = new Set(inbox.pbxs.filter((pbx) => chosen.has(pbx.device_id ?? "")).map((pbx) => pbx.entry_id));
  const shown = inbox.extensions.filter(
    ({ device_id, entry_id }) => !chosen.size || chosen.has(device_id ?? "") || pbxs.has(entry_id),
  );
  return new Map(shown.map((extension) => [keyOf(extension), extension]));
}

/**
 * Returns the PBXs of the card: all by default. Extensions of a PBX that has not been set up are not known.
 *
 * @param {Inbox} inbox
 * @param {string[]} devices
 * @param {Map<string, Extension>} extensions
 */
export function pbxsOf(inbox, devices, extensions) {
  const chosen = new Set(devices);
  const entries = new Set([...extensions.values()].map(({ entry_id }) => entry_id));
  const pbxs = inbox.pbxs.filter(({ device_id, entry_id }) => chosen.has(device_id ?? "") || entries.has(entry_id));
  return chosen.size && pbxs.length ? pbxs : inbox.pbxs;
}

/**
 * Returns whether the user may mark and delete a message.
 *
 * @param {Message} message
 * @param {Map<string, Extension>} extensions
 */
export const mayControl = (message, extensions) => extensions.get(keyOf(message))?.may_delete ?? false;
