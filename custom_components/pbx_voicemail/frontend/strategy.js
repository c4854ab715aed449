/** A dashboard strategy: a whole dashboard from `type: custom:pbx-voicemail`, offered where dashboards are added. */

import { loadTexts, text } from "./localize.js";

/**
 * @typedef {{entity_id: string, platform?: string, device_id?: string, translation_key?: string, hidden?: boolean}} Entity
 * @typedef {{id: string, name: string | null, name_by_user: string | null, via_device_id: string | null}} Device
 * @typedef {import("./inbox.js").Hass & {entities: Record<string, Entity>, devices: Record<string, Device>,
 *   states: Record<string, unknown>, localize: (key: string) => string}} DashboardHass
 * @typedef {{id: string, name: string, entities: Map<string, string>}} Mailbox the device of an extension, and its
 *   entities by translation key
 * @typedef {Record<string, unknown>} Config
 */

const TYPE = "pbx-voicemail";
const DOMAIN = "pbx_voicemail";
/** The entities of an extension that get a tile, in this order. */
const TILES = ["unread_messages", "latest_caller", "latest_message", "mark_all_read"];
/** With more extensions than this, a section is shown only while its extension has messages. */
const ALWAYS_SHOWN = 12;
const HISTORY_HOURS = 7 * 24;

class PbxVoicemailStrategy extends HTMLElement {
  /**
   * Returns the configuration of a dashboard: a view for each PBX with its inbox, its extensions, and their history.
   *
   * @param {{title?: string}} config
   * @param {DashboardHass} hass
   */
  static async generate({ title }, hass) {
    await loadTexts(hass);
    const pbxs = findPbxs(hass);
    const views = pbxs.map((pbx, index) => ({
      title: pbxs.length > 1 ? pbx.name : (title ?? text("card_title")),
      path: index ? `voicemail-${index + 1}` : "voicemail",
      type: "sections",
      icon: pbxs.length > 1 ? undefined : "mdi:voicemail",
      max_columns: 4,
      sections: [inboxSection(pbx, title), ...extensionSections(pbx), historySection(pbx, hass)],
    }));
    return views.length ? { title: title ?? text("card_title"), views } : { views: [emptyView()] };
  }
}

/**
 * Returns the PBXs by name, each with the extensions that the user can see.
 *
 * @param {DashboardHass} hass
 */
function findPbxs({ entities, devices, states }) {
  /** @type {Map<string, Mailbox>} */
  const mailboxes = new Map();
  for (const { entity_id, platform, device_id, translation_key, hidden } of Object.values(entities)) {
    const device = devices[device_id ?? ""];
    if (platform !== DOMAIN || hidden || !device || !(entity_id in states) || !translation_key) continue;
    const name = device.name_by_user ?? device.name ?? "";
    const mailbox = mailboxes.get(device.id) ?? { id: device.id, name, entities: new Map() };
    mailbox.entities.set(translation_key, entity_id);
    mailboxes.set(device.id, mailbox);
  }
  const all = [...mailboxes.values()].sort((one, other) => one.name.localeCompare(other.name, undefined, NUMERIC));
  const hubs = [...new Set(all.map(({ id }) => devices[id].via_device_id ?? id))];
  return hubs.map((hub) => ({
    id: hub,
    name: devices[hub]?.name_by_user ?? devices[hub]?.name ?? "",
    extensions: all.filter(({ id }) => devices[id].via_device_id === hub),
  }));
}

const NUMERIC = { numeric: true };

/** @typedef {ReturnType<typeof findPbxs>[number]} Pbx */

/** @param {Pbx} pbx @param {string} [title] */
const inboxSection = ({ id }, title) => ({
  type: "grid",
  column_span: 2,
  cards: [{ type: "custom:pbx-voicemail-card", devices: [id], title, grid_options: { columns: "full" } }],
});

/** @param {Pbx} pbx @returns {Config[]} */
function extensionSections({ extensions }) {
  return extensions.map(({ name, id, entities }) => {
    const tiles = TILES.map((key) => entities.get(key)).filter((entity) => entity !== undefined);
    const messages = entities.get("messages");
    const isOptional = extensions.length > ALWAYS_SHOWN && messages;
    return {
      type: "grid",
      ...(isOptional && { visibility: [{ condition: "numeric_state", entity: messages, above: 0 }] }),
      cards: [
        {
          type: "heading",
          heading: name,
          icon: "mdi:deskphone",
          tap_action: { action: "navigate", navigation_path: `/config/devices/device/${id}` },
        },
        ...tiles.map((entity) => ({
          type: "tile",
          entity,
          name: { type: "entity" },
          // The state of a button is when it was pressed.
          hide_state: entity.startsWith("button."),
        })),
      ],
    };
  });
}

/** @param {Pbx} pbx @param {DashboardHass} hass */
function historySection({ extensions }, hass) {
  const entities = extensions
    .map(({ name, entities }) => ({ entity: entities.get("unread_messages"), name }))
    .filter(({ entity }) => entity !== undefined)
    .slice(0, ALWAYS_SHOWN);
  return {
    type: "grid",
    column_span: 2,
    cards: [
      { type: "heading", heading: hass.localize("panel.history"), icon: "mdi:chart-box" },
      { type: "history-graph", hours_to_show: HISTORY_HOURS, entities, grid_options: { columns: "full" } },
    ],
  };
}

/** Without a PBX, the card explains what to do. */
const emptyView = () => ({ title: text("card_title"), cards: [{ type: "custom:pbx-voicemail-card" }] });

customElements.define(`ll-strategy-dashboard-${TYPE}`, PbxVoicemailStrategy);

const { hass } = /** @type {any} */ (document.querySelector("home-assistant") ?? {});
if (hass) loadTexts(hass);

/** @type {any} */ (window).customStrategies ??= [];
/** @type {any} */ (window).customStrategies.push({
  type: TYPE,
  strategyType: "dashboard",
  // Read when the dialog is opened, by which time the texts are usually loaded.
  get name() {
    return text("card_title") || "Voicemail";
  },
  get description() {
    return text("strategy_description") || "The voicemail of all extensions, with one section for each.";
  },
  documentationURL: "https://github.com/pbx-voicemail/pbx-voicemail#the-inbox-card",
});
