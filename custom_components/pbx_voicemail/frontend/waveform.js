/** Draws the waveform of a recording. */

const BARS = 80;
const HEIGHT = 40;
/** More samples would not change what can be seen. */
const SAMPLES_PER_BAR = 400;
/** The lowest rate that all browsers decode to. */
const RATE = 8000;
const MAX_CACHED = 20;

/** By address, newest last. @type {Map<string, Promise<number[]>>} */
const cache = new Map();

/**
 * Returns the loudness of each part of a recording, from 0 to 1. Nothing if the browser cannot decode it.
 *
 * @param {string} url
 * @returns {Promise<number[]>}
 */
export function loadWaveform(url) {
  let loading = cache.get(url);
  if (!loading) {
    loading = decode(url).catch(() => []);
    cache.set(url, loading);
    for (const oldest of cache.keys()) {
      if (cache.size <= MAX_CACHED) break;
      cache.delete(oldest);
    }
  }
  return loading;
}

/** @param {string} url */
async function decode(url) {
  // The cache would make it wait for the player, which is loading the same recording, or the player for it.
  const response = await fetch(url, { cache: "no-store" });
  if (!response.ok) return [];
  const audio = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await response.arrayBuffer());
  return loudness(audio.getChannelData(0));
}

/** @param {Float32Array} samples */
function loudness(samples) {
  const length = samples.length / BARS;
  const step = Math.max(1, Math.floor(length / SAMPLES_PER_BAR));
  const bars = Array.from({ length: BARS }, (_, bar) => {
    let peak = 0;
    for (let i = Math.floor(bar * length); i < (bar + 1) * length; i += step) {
      peak = Math.max(peak, Math.abs(samples[i] ?? 0));
    }
    return peak;
  });
  const loudest = Math.max(...bars);
  return loudest ? bars.map((peak) => peak / loudest) : [];
}

/** A waveform of which the part that was played is highlighted. It is empty until there is one to show. */
export class Waveform {
  #bars = path("bars");
  #played = path("played");
  element = document.createElementNS("http://www.w3.org/2000/svg", "svg");

  constructor() {
    this.element.setAttribute("class", "waveform");
    this.element.setAttribute("viewBox", `0 0 ${BARS} ${HEIGHT}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("aria-hidden", "true");
    this.element.append(this.#bars, this.#played);
  }

  /** @param {number[]} bars */
  show(bars) {
    const lines = bars.map((loudness, index) => {
      const height = Math.max(2, loudness * HEIGHT);
      return `M${index + 0.2} ${(HEIGHT - height) / 2}h0.6v${height}h-0.6z`;
    });
    for (const part of [this.#bars, this.#played]) part.setAttribute("d", lines.join(""));
  }

  /** @param {number} played from 0 to 1 */
  setPlayed(played) {
    this.#played.style.clipPath = `inset(0 ${100 - 100 * played}% 0 0)`;
  }
}

/** @param {string} name */
function path(name) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "path");
  element.setAttribute("class", name);
  return element;
}
