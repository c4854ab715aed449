/** What can be done with messages. What goes wrong is shown in their rows. */

import { errorText, text } from "./localize.js";

/**
 * @typedef {import("./inbox.js").Hass} Hass
 * @typedef {import("./inbox.js").Inbox} Inbox
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {import("./inbox.js").State} State
 * @typedef {{id: string, name: string}} Speaker
 */

const PLAY_MEDIA = 512;
const ENGINES = /^(stt|ai_task)\./;
/** A plain phone number. Dial codes are excluded, because they can change settings or cause costs. */
const NUMBER = /^\+?\d[\d\s().\-/]*$/;
const SUFFIXES = /** @type {Record<string, string>} */ ({ "audio/mpeg": "mp3", "audio/ogg": "ogg" });

/** Returns the name or number of the caller. @param {Message} message */
export const callerOf = (message) => message.caller_name ?? message.caller_formatted ?? text("unknown_caller");

/** Returns the number to dial, nothing if the caller is not a plain phone number. @param {Message} message */
export function dialledNumber({ caller, caller_e164: dialled }) {
  if (dialled) return dialled;
  const number = (caller ?? "").replace(/[^\d+]/g, "");
  return NUMBER.test(caller ?? "") && /\d\d/.test(number) ? number : "";
}

/** Returns the media players that can play messages. @param {Hass} hass @returns {Speaker[]} */
export function speakers({ states, entities }) {
  return Object.entries(states)
    .filter(([id, { state, attributes }]) => {
      if (!id.startsWith("media_player.") || state === "unavailable" || entities[id]?.hidden) return false;
      return (attributes.supported_features & PLAY_MEDIA) !== 0;
    })
    .map(([id, { attributes }]) => ({ id, name: String(attributes.friendly_name ?? id) }))
    .sort((one, other) => one.name.localeCompare(other.name));
}

/** Returns whether there is an engine that may be able to transcribe messages. @param {Hass} hass */
export const canTranscribe = ({ states }) => Object.keys(states).some((id) => ENGINES.test(id));

/** Returns whether the browser can share a recording. It can only on pages with HTTPS. */
export function canShare() {
  const files = [new File([], "message.wav", { type: "audio/wav" })];
  return navigator.canShare?.({ files }) ?? false;
}

/**
 * Marks messages as read or unread.
 *
 * @param {Inbox} inbox
 * @param {Message[]} messages
 * @param {boolean} read
 */
export async function mark(inbox, messages, read) {
  for (const message of messages.filter((message) => message.read !== read)) {
    const { entry_id, message_id } = message;
    await run(inbox, message, () => inbox.call("mark_read", { config_entry_id: entry_id, message_id, read }));
  }
}

/**
 * Transcribes a message.
 *
 * @param {Inbox} inbox
 * @param {Message} message
 */
export async function transcribe(inbox, message) {
  const { entry_id: config_entry_id, message_id, media_content_id: id } = message;
  inbox.notes.set(id, text("card_transcribing"));
  await run(inbox, message, async () => {
    const data = { config_entry_id, message_id };
    const { response } = await inbox.call("transcribe_message", data, { return_response: true });
    // Home Assistant does not keep it if the user may not control the extension.
    const current = inbox.messages.get(id);
    if (current) inbox.replace({ ...current, transcript: response.text });
  });
}

/**
 * Plays a message on a media player.
 *
 * @param {Inbox} inbox
 * @param {Message} message
 * @param {Speaker} speaker
 */
export async function playOn(inbox, message, { id, name }) {
  const done = await run(
    inbox,
    message,
    () => {
      const data = { media_content_id: message.media_content_id, media_content_type: "music" };
      return inbox.call("play_media", data, { domain: "media_player", target: { entity_id: id } });
    },
    text("card_speaker_failed", { speaker: name }),
  );
  if (done) inbox.notes.set(message.media_content_id, text("card_playing_on", { speaker: name }));
  inbox.changed();
}

/**
 * Saves the recording in the browser's folder for downloads.
 *
 * @param {Inbox} inbox
 * @param {Message} message
 * @param {Hass} hass
 */
export async function download(inbox, message, hass) {
  await run(inbox, message, async () => {
    const { url, name } = await recording(inbox, message, hass);
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
  });
}

/**
 * Gives the recording to another app.
 *
 * @param {Inbox} inbox
 * @param {Message} message
 * @param {Hass} hass
 */
export async function share(inbox, message, hass) {
  await run(inbox, message, async () => {
    const { url, name, type } = await recording(inbox, message, hass);
    const response = await fetch(url);
    if (!response.ok) throw new Error(response.statusText);
    const file = new File([await response.blob()], name, { type });
    try {
      await navigator.share({ files: [file], title: callerOf(message) });
    } catch (error) {
      // The user has changed their mind.
      if (/** @type {DOMException} */ (error).name !== "AbortError") throw error;
    }
  });
}

/**
 * @param {Inbox} inbox
 * @param {Message} message
 * @param {Hass} hass
 */
async function recording(inbox, message, hass) {
  const { url, mime_type: type } = await inbox.connection.sendMessagePromise({
    type: "media_source/resolve_media",
    media_content_id: message.media_content_id,
  });
  const name = [callerOf(message), message.received?.slice(0, 16)].filter(Boolean).join(" ");
  return { url: hass.hassUrl(url), type, name: `${name.replace(/[^\p{L}\p{N}+]+/gu, "-")}.${SUFFIXES[type] ?? "wav"}` };
}

/**
 * Does something with a message, and returns whether it succeeded.
 *
 * @param {Inbox} inbox
 * @param {Message} message
 * @param {() => Promise<unknown>} action
 * @param {string} [problem] to show if it fails; by default, what Home Assistant says
 */
async function run(inbox, { media_content_id: id }, action, problem) {
  inbox.problems.delete(id);
  inbox.changed();
  try {
    await action();
    return true;
  } catch (error) {
    if (inbox.messages.has(id)) inbox.problems.set(id, problem ?? errorText(error));
    return false;
  } finally {
    inbox.notes.delete(id);
    inbox.changed();
  }
}
