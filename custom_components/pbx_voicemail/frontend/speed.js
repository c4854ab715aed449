/** How fast messages are played, and how far to skip. */

export const SPEEDS = [1, 1.25, 1.5, 2];
export const SKIP_SECONDS = 10;
const KEY = "pbx-voicemail-speed";

/** Returns the speed that was last selected in this browser. */
export function loadSpeed() {
  try {
    const speed = Number(localStorage.getItem(KEY));
    return SPEEDS.includes(speed) ? speed : 1;
  } catch {
    return 1;
  }
}

/** @param {number} speed */
export function saveSpeed(speed) {
  try {
    localStorage.setItem(KEY, String(speed));
  } catch {
    // The browser does not allow the page to store anything.
  }
}
