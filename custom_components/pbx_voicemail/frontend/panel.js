/** The open part of a row: the player of its message. */

import { playOn, speakers } from "./actions.js";
import { icon, make, setContent, setLabel } from "./dom.js";
import { formatDuration, formatNumber, text } from "./localize.js";
import { SKIP_SECONDS, SPEEDS } from "./speed.js";
import { loadWaveform, Waveform } from "./waveform.js";

/**
 * @typedef {import("./actions.js").Speaker} Speaker
 * @typedef {import("./row.js").Row} Row
 * @typedef {import("./row.js").View} View
 */

/** Created when a row is opened for the first time. */
export class Panel {
  #waveformUrl = "";
  #waveform = new Waveform();
  /** @type {Speaker[]} */
  #found = [];

  /** @param {Row} row */
  constructor(row) {
    this.row = row;
    const { player } = row.inbox;
    this.position = make("span", { class: "position" });
    this.seek = make("input", {
      ...{ type: "range", min: 0, step: 0.1, class: "seek" },
      input: () => player.seek(Number(this.seek.value)),
    });
    this.scrubber = make("div", { class: "scrubber" }, this.#waveform.element, this.seek);
    // Time runs from left to right in all languages, as in other players.
    const progress = make("div", { class: "progress", dir: "ltr" }, this.scrubber, this.position);
    this.back = button("rewind-10", () => player.skip(-SKIP_SECONDS));
    this.forward = button("fast-forward-10", () => player.skip(SKIP_SECONDS));
    this.speed = make("select", {
      class: "speed",
      change: () => {
        player.speed = Number(this.speed.value);
      },
    });
    this.playOn = button("cast-audio", () => this.#toggleSpeakers());
    this.defaultSpeaker = make("button", { type: "button", class: "text" });
    this.defaultSpeaker.addEventListener("click", () => this.#playOn(this.defaultSpeaker.value));
    const transport = make("div", { class: "transport" }, this.back, this.forward, this.speed);
    transport.append(this.defaultSpeaker, this.playOn);
    this.speakers = make("div", { class: "speakers", role: "group" });
    this.speakers.hidden = true;
    this.element = make("div", { class: "panel" }, progress, transport, this.speakers);
  }

  /** Shows the state of the player. @param {View} view @param {Record<string, string>} caller */
  show(view, caller) {
    const { player } = this.row.inbox;
    const isLoaded = player.id === this.row.message.media_content_id && player.url !== "";
    this.seek.disabled = !isLoaded;
    this.seek.setAttribute("aria-label", text("card_seek", caller));
    setLabel(this.back, text("card_back"), isLoaded);
    setLabel(this.forward, text("card_forward"), isLoaded);
    this.speed.setAttribute("aria-label", text("card_speed"));
    this.speed.title = text("card_speed");
    setContent(
      this.speed,
      ...SPEEDS.map((speed) => make("option", { value: speed }, `${formatNumber(speed, view.hass.locale)}×`)),
    );
    this.speed.value = String(player.speed);
    this.#showSpeakers(view);
    if (isLoaded && player.state === "playing") this.#loadWaveform(player.url);
    this.tick();
  }

  /** Shows the position of the playback. */
  tick() {
    const { message, inbox } = this.row;
    const isCurrent = inbox.player.id === message.media_content_id;
    const duration = (isCurrent && inbox.player.duration) || message.duration || 0;
    const position = isCurrent ? inbox.player.position : 0;
    this.seek.max = String(duration);
    this.seek.value = String(position);
    this.seek.setAttribute("aria-valuetext", formatDuration(position));
    setContent(this.position, `${formatDuration(position)} / ${formatDuration(duration)}`);
    this.#waveform.setPlayed(duration ? Math.min(1, position / duration) : 0);
  }

  /** Loads the waveform once the message is played, since a recording that is loaded counts as heard. @param {string} url */
  async #loadWaveform(url) {
    if (this.#waveformUrl === url) return;
    this.#waveformUrl = url;
    const bars = await loadWaveform(url);
    if (this.#waveformUrl !== url || !bars.length) return;
    this.#waveform.show(bars);
    this.scrubber.classList.add("drawn");
  }

  /** @param {View} view */
  #showSpeakers({ hass, config }) {
    const found = config.buttons.includes("play_on") ? speakers(hass) : [];
    const preferred = found.find(({ id }) => id === config.speaker);
    this.defaultSpeaker.hidden = !preferred;
    if (preferred) {
      this.defaultSpeaker.value = preferred.id;
      setContent(this.defaultSpeaker, text("card_play_on_speaker", { speaker: preferred.name }));
    }
    this.playOn.hidden = !found.length;
    this.playOn.setAttribute("aria-expanded", String(!this.speakers.hidden));
    setLabel(this.playOn, text("card_play_on"));
    this.speakers.setAttribute("aria-label", text("card_play_on"));
    this.#found = found;
  }

  #toggleSpeakers() {
    this.speakers.hidden = !this.speakers.hidden;
    this.playOn.setAttribute("aria-expanded", String(!this.speakers.hidden));
    const buttons = this.#found.map(({ id, name }) =>
      make("button", { type: "button", class: "text", click: () => this.#playOn(id) }, name),
    );
    this.speakers.replaceChildren(...buttons);
    buttons[0]?.focus();
  }

  /** @param {string} id of the media player */
  #playOn(id) {
    const speaker = this.#found.find((speaker) => speaker.id === id);
    const { inbox, message } = this.row;
    if (inbox.player.id === message.media_content_id) inbox.player.stop();
    this.speakers.hidden = true;
    if (speaker) playOn(inbox, message, speaker);
  }
}

/** @param {string} name of the icon @param {() => void} click */
const button = (name, click) => make("button", { type: "button", click }, icon(name));
