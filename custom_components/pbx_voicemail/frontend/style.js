/** The styles of the card, in the colors of the user's theme. */

const LAYOUT = `
  :host { display: block; }
  ha-card { display: flex; flex-direction: column; overflow: hidden; color: var(--primary-text-color);
    container-type: inline-size; }
  [hidden] { display: none !important; }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .header { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 0 8px; padding-block: 12px 8px;
    padding-inline: 16px 8px; }
  .titles { flex: 1; min-width: 0; padding-block: 4px; }
  h2 { margin: 0; font-size: var(--ha-card-header-font-size, var(--ha-font-size-xl)); font-weight: 500; line-height: 1.3;
    overflow-wrap: anywhere; }
  .counts { display: flex; flex-wrap: wrap; gap: 0 12px; font-size: var(--ha-font-size-s); color: var(--secondary-text-color); }
  .unread-count { color: var(--primary-text-color); font-weight: 500; }
  .menu { flex-basis: 100%; display: flex; flex-wrap: wrap; gap: 4px 8px; padding-block: 8px 4px;
    padding-inline-end: 8px; }
  .controls { display: flex; flex-wrap: wrap; gap: 8px; padding: 0 16px 8px; }
  .controls.covered { display: none; }
  .controls input, .controls select { flex: 1 1 140px; }
  .chips { display: flex; gap: 8px; }
  .selection { display: flex; align-items: center; flex-wrap: wrap; padding: 0 8px 8px; }
  .selected { flex: 1; min-width: 0; padding-inline: 8px; font-weight: 500; }
  .notices p { display: flex; align-items: center; justify-content: space-between; margin: 0 16px 8px; padding: 8px 12px;
    border-radius: 8px; border-inline-start: 4px solid var(--warning-color); background: var(--secondary-background-color); }
  .keys { display: flex; flex-wrap: wrap; gap: 4px 20px; padding: 0 16px 12px; font-size: var(--ha-font-size-s); }
  .keys p { margin: 0; }
  kbd { margin-inline-end: 8px; padding: 0 6px; border: 1px solid var(--secondary-text-color); border-radius: 4px;
    font: inherit; }
  .scroller { overflow-y: auto; max-height: var(--pbx-voicemail-height, 520px); padding-bottom: 8px; }
  ul { list-style: none; margin: 0; padding: 0; }
  .empty { margin: 0; padding: 24px 16px 32px; text-align: center; color: var(--secondary-text-color); }
`;

const ROW = `
  .day { margin: 0; padding: 12px 16px 4px; font-size: var(--ha-font-size-s); font-weight: 500; color: var(--secondary-text-color); }
  .body { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; align-items: center; padding: 6px 8px; }
  .deleted { display: flex; align-items: center; justify-content: space-between; gap: 4px; min-height: 56px;
    padding: 6px 8px; padding-inline-start: 16px; overflow-wrap: anywhere; }
  li + li:not(:has(> .day:not([hidden]))) .body::before { content: ""; grid-column: 1 / -1; margin: -6px 8px 6px;
    border-top: 1px solid var(--divider-color); }
  .main { align-self: start; min-width: 0; padding: 4px 8px; cursor: pointer; overflow-wrap: anywhere; }
  .line { display: flex; align-items: baseline; justify-content: space-between; gap: 8px; }
  .opener { display: block; flex: 0 1 auto; min-width: 0; height: auto; padding: 2px 0; border-radius: 4px; color: inherit;
    text-align: start; overflow-wrap: anywhere; }
  .unread .opener { font-weight: 700; }
  .dot { display: inline-block; width: 10px; height: 10px; margin-inline-end: 8px; border-radius: 50%;
    background: var(--primary-color); }
  time { flex: none; font-size: var(--ha-font-size-s); white-space: nowrap; color: var(--secondary-text-color); }
  .unread time { color: var(--primary-text-color); font-weight: 500; }
  .details { font-size: var(--ha-font-size-s); color: var(--secondary-text-color); }
  .details > * { white-space: nowrap; }
  .details bdi { white-space: normal; }
  .details > :not(:empty) ~ :not(:empty)::before { content: "·"; margin: 0 6px; }
  .transcript { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden; margin: 4px 0 0; }
  .open .transcript { display: block; user-select: text; cursor: auto; }
  .transcript:empty, .problem:empty, .note:empty { display: none; }
  .problem, .note { grid-column: 1 / -1; margin: 4px 8px; padding-inline-start: 10px;
    border-inline-start: 3px solid var(--error-color); }
  .note { border-color: var(--primary-color); }
  .stale .opener, .stale .transcript { color: var(--secondary-text-color); }
  .buttons { display: flex; }
  li:not(.open) .more { display: none; }
  @container (max-width: 480px) {
    li:not(.open) :is(.mark, .delete) { display: none; }
    .chips, .chip { flex: 1 1 auto; }
  }
  .open .body { margin-inline: 4px; padding-inline: 4px; border-radius: 12px; background: var(--secondary-background-color);
    background: color-mix(in srgb, var(--primary-color) 8%, var(--card-background-color)); }
  .open .main { grid-column: 2 / -1; }
  .open .line { flex-wrap: wrap; }
  .open .body::before, .open + li .body::before { visibility: hidden; }
  .open .buttons { flex-wrap: wrap; grid-column: 1 / -1; }
  .panel { display: contents; }
  .speakers { order: 1; }
  .note, .problem { order: 2; }
  @container (min-width: 640px) {
    .open .buttons { grid-column: 3; }
    .open .transport { grid-column: 1 / 3; }
  }
`;

const PLAYER = `
  .progress, .transport, .speakers { grid-column: 1 / -1; }
  .progress { display: flex; align-items: center; gap: 12px; padding: 8px 12px 4px; }
  .scrubber { position: relative; flex: 1; min-width: 0; height: 44px; }
  .seek { position: absolute; inset: 0; width: 100%; height: 44px; margin: 0; accent-color: var(--primary-color); }
  .waveform { position: absolute; inset: 2px 0; width: 100%; height: 40px; fill: var(--secondary-text-color); opacity: 0.9; }
  .played { fill: var(--primary-color); }
  .drawn .seek { appearance: none; background: none; cursor: pointer; }
  .drawn .seek::-webkit-slider-thumb { appearance: none; width: 4px; height: 44px; border-radius: 2px;
    background: var(--primary-text-color); }
  .drawn .seek::-moz-range-thumb { width: 4px; height: 44px; border: 0; border-radius: 2px;
    background: var(--primary-text-color); }
  .drawn .seek::-moz-range-track { background: none; }
  .position { font-size: var(--ha-font-size-s); font-variant-numeric: tabular-nums; }
  .transport, .speakers { display: flex; flex-wrap: wrap; align-items: center; gap: 4px; }
  .speakers { padding: 4px; }
`;

const CONTROLS = `
  .controls input, select, .chip { min-width: 0; min-height: 44px; padding: 0 12px; border-radius: 8px; font: inherit;
    color: inherit; background: var(--card-background-color); border: 1px solid var(--secondary-text-color);
    box-sizing: border-box; }
  ::placeholder { color: var(--secondary-text-color); opacity: 1; }
  :placeholder-shown { text-overflow: ellipsis; }
  button, .button { display: inline-grid; place-items: center; min-width: 44px; height: 44px; flex: none; padding: 0;
    border: 0; border-radius: 22px; background: none; color: var(--secondary-text-color); font: inherit; cursor: pointer; }
  .play { background: var(--secondary-background-color); color: var(--primary-text-color); }
  .play, input[type="checkbox"] { align-self: start; }
  .open .play { background: var(--primary-color); color: var(--text-primary-color); }
  .chip[aria-pressed="true"] { border-color: var(--primary-color); box-shadow: inset 0 0 0 1px var(--primary-color);
    font-weight: 500; }
  .text { display: inline-flex; align-items: center; gap: 8px; padding: 0 14px; border: 1px solid var(--divider-color);
    color: var(--primary-text-color); background: var(--card-background-color); flex: 0 1 auto; min-width: 0;
    height: auto; min-height: 44px; text-align: start; }
  .undo { padding: 0 16px; color: var(--primary-text-color); font-weight: 700; text-decoration: underline; }
  input[type="checkbox"] { width: 22px; height: 22px; margin: 11px; accent-color: var(--primary-color); }
  .opener:hover:enabled { background: none; }
  button:not(.opener):hover:enabled, .button:hover { color: var(--primary-text-color);
    background: var(--secondary-background-color); }
  .open .body :is(button, .button):not(.opener):hover { background: var(--card-background-color); }
  button:disabled { cursor: default; color: var(--disabled-text-color); }
  :focus-visible { outline: 2px solid var(--primary-text-color); outline-offset: -2px; }
  @media (forced-colors: active) {
    .dot, .played { forced-color-adjust: none; background: Highlight; fill: Highlight; }
    .waveform { fill: CanvasText; }
    .play, .text, .open .body, .notices p { border: 1px solid CanvasText; }
    .chip[aria-pressed="true"] { forced-color-adjust: none; background: Highlight; color: HighlightText; }
  }
`;

export const STYLE = LAYOUT + ROW + PLAYER + CONTROLS;
