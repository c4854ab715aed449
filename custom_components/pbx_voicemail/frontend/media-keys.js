/** The media keys of keyboards, headsets, and lock screens. */

import { callerOf } from "./actions.js";
import { text } from "./localize.js";
import { SKIP_SECONDS } from "./speed.js";

/**
 * @typedef {import("./inbox.js").Message} Message
 * @typedef {import("./player.js").Player} Player
 */

/** Controls a player with the Media Session API, in browsers that have it. */
export class MediaKeys {
  #session = "mediaSession" in navigator ? navigator.mediaSession : undefined;

  /** @param {Player} player */
  constructor(player) {
    this.player = player;
    /** @type {[MediaSessionAction, MediaSessionActionHandler][]} */
    this.handlers = [
      ["play", () => player.resume()],
      ["pause", () => player.pause()],
      ["stop", () => player.stop()],
      ["seekbackward", ({ seekOffset = SKIP_SECONDS }) => player.skip(-seekOffset)],
      ["seekforward", ({ seekOffset = SKIP_SECONDS }) => player.skip(seekOffset)],
      ["seekto", ({ seekTime = 0 }) => player.seek(seekTime)],
    ];
  }

  /** Shows a message, and reacts to keys. @param {Message} message */
  show(message) {
    if (!this.#session) return;
    this.#session.metadata = new MediaMetadata({ title: callerOf(message), artist: text("card_title") });
    this.#handle(true);
  }

  hide() {
    if (!this.#session?.metadata) return;
    this.#session.metadata = null;
    this.#handle(false);
  }

  /** @param {Player["state"]} state */
  setState(state) {
    if (!this.#session) return;
    if (state === "playing") this.#session.playbackState = "playing";
    else this.#session.playbackState = state ? "paused" : "none";
  }

  /** @param {boolean} isActive */
  #handle(isActive) {
    for (const [action, handler] of this.handlers) {
      try {
        this.#session?.setActionHandler(action, isActive ? handler : null);
      } catch {
        // This browser does not know the action.
      }
    }
  }
}
