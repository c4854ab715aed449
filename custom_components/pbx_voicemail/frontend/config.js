/** The settings of a card, and the form that edits them. */

import { text, textsLoaded } from "./localize.js";

/**
 * @typedef {{title?: string, devices?: string[], only_unread?: boolean, height?: number, speaker?: string,
 *   buttons?: string[]}} Config as in the dashboard
 * @typedef {{title: string | undefined, devices: string[], onlyUnread: boolean, height: number | undefined,
 *   speaker: string | undefined, buttons: string[]}} Settings
 */

const BUTTONS = ["call", "mark", "delete", "play_on", "transcribe", "download", "share"];

/** Returns the settings, with defaults for those that are missing. @param {Config} config @returns {Settings} */
export function readConfig(config) {
  for (const name of /** @type {const} */ (["devices", "buttons"])) {
    if (config[name] !== undefined && !Array.isArray(config[name])) throw new Error(`${name} must be a list`);
  }
  if (config.height !== undefined && !(Number(config.height) > 0)) throw new Error("height must be a positive number");
  return {
    title: config.title,
    devices: config.devices ?? [],
    onlyUnread: config.only_unread ?? false,
    height: config.height,
    speaker: config.speaker,
    buttons: config.buttons?.length ? config.buttons : BUTTONS,
  };
}

/** Returns the form that edits the settings. */
export async function configForm() {
  await textsLoaded();
  const labels = {
    call: "card_call_back",
    mark: "card_mark_read",
    delete: "card_delete_message",
    play_on: "card_play_on",
    transcribe: "card_transcribe",
    download: "card_download",
    share: "card_share",
  };
  const options = Object.entries(labels).map(([value, key]) => ({ value, label: text(key) }));
  const devices = { device: { multiple: true, filter: { integration: "pbx_voicemail" } } };
  return {
    schema: [
      { name: "title", selector: { text: {} } },
      { name: "devices", selector: devices },
      { name: "only_unread", selector: { boolean: {} } },
      { name: "height", selector: { number: { min: 100, max: 5000, mode: "box", unit_of_measurement: "px" } } },
      { name: "speaker", selector: { entity: { filter: { domain: "media_player" } } } },
      { name: "buttons", selector: { select: { multiple: true, mode: "list", options } } },
    ],
    computeLabel: (/** @type {{name: string}} */ { name }) => text(`card_editor_${name}`),
    computeHelper: (/** @type {{name: string}} */ { name }) => text(`card_editor_${name}_help`) || undefined,
  };
}
