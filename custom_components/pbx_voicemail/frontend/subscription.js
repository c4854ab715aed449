/** A subscription that is restored after lost connections, restarts of Home Assistant, and rejected requests. */

/**
 * @typedef {{ended?: boolean}} Update
 * @typedef {{sendMessagePromise: (message: object) => Promise<any>, connected: boolean, socket?: WebSocket,
 *   addEventListener: (event: string, listener: () => void) => void,
 *   removeEventListener: (event: string, listener: () => void) => void,
 *   subscribeMessage: (callback: (update: any) => void, message: object, options: {resubscribe: boolean}) =>
 *     Promise<() => Promise<void>>}} Connection
 */

const FIRST_PAUSE = 1000;
const MAX_PAUSE = 30_000;
/** After a subscription has worked for this time, the pause before the next attempt is reset, in milliseconds. */
const STABLE_AFTER = 10_000;
const WATCH_INTERVAL = 5000;
/** If a timer is this late, the machine was asleep, and the connection may be lost, in milliseconds. */
const SLEEP_THRESHOLD = 15_000;
const RESPONSE_TIMEOUT = 5000;

/** The error code of Home Assistant's library for a lost connection. */
const CONNECTION_LOST = 3;

/** Returns the pause after the next failure. @param {number} pause in milliseconds */
export const nextPause = (pause) => Math.min(pause * 1.5, MAX_PAUSE);
export { FIRST_PAUSE };

/** Returns whether the connection was lost during a command. The command may have been executed. @param {any} error */
export const isLost = (error) => error === CONNECTION_LOST || error?.error?.code === CONNECTION_LOST;

/**
 * Subscribes again until it works.
 *
 * The library of Home Assistant also subscribes again after a lost connection, but only once. While Home Assistant
 * starts, its web server responds before the integration is set up. It then rejects the subscription, and the library
 * drops it without an error.
 */
export class Subscription {
  /** Incremented with each attempt. Updates from earlier attempts are ignored. */
  #attempt = 0;
  #pause = FIRST_PAUSE;
  #retryTimer = 0;
  #watchTimer = 0;
  #isOpen = false;
  /** When it was last known to work, in milliseconds since 1970. 0 if it does not. */
  #lastActive = 0;
  #startedAt = 0;
  /** @type {(() => void) | undefined} */
  #unsubscribe;

  /**
   * @param {Connection} connection
   * @param {object} message that subscribes
   * @param {{onUpdate: (update: any) => void, onLost: (since: Date) => void, onRestored: () => void}} listener
   *   `onLost` gets the time since when updates may be missing, until the next `onUpdate` or `onRestored`
   */
  constructor(connection, message, listener) {
    this.connection = connection;
    this.message = message;
    this.listener = listener;
  }

  open() {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.connection.addEventListener("ready", this.#subscribe);
    this.connection.addEventListener("disconnected", this.#disconnected);
    for (const event of ["online", "pageshow"]) window.addEventListener(event, this.#check);
    document.addEventListener("visibilitychange", this.#check);
    this.#watchTimer = window.setInterval(this.#checkClock, WATCH_INTERVAL);
    this.#pause = FIRST_PAUSE;
    this.#subscribe();
  }

  close() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.connection.removeEventListener("ready", this.#subscribe);
    this.connection.removeEventListener("disconnected", this.#disconnected);
    for (const event of ["online", "pageshow"]) window.removeEventListener(event, this.#check);
    document.removeEventListener("visibilitychange", this.#check);
    clearInterval(this.#watchTimer);
    this.#cancel();
  }

  /** Ends the current attempt. */
  #cancel() {
    clearTimeout(this.#retryTimer);
    this.#attempt += 1;
    this.#lastActive = 0;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  #subscribe = async () => {
    this.#cancel();
    // The `ready` event of the next connection subscribes again.
    if (!this.connection.connected) return;
    const attempt = this.#attempt;
    const { socket } = this.connection;
    try {
      const unsubscribe = await this.connection.subscribeMessage(
        (update) => attempt === this.#attempt && this.#update(update),
        this.message,
        { resubscribe: false },
      );
      // IDs of subscriptions start again with each connection, so on another one, the ID refers to something else.
      const release = () => {
        if (this.connection.socket === socket) unsubscribe().catch(() => {});
      };
      if (attempt === this.#attempt) this.#unsubscribe = release;
      else release();
    } catch {
      if (attempt === this.#attempt) this.#retryLater();
    }
  };

  /** @param {Update} update */
  #update(update) {
    if (update.ended) {
      this.#unsubscribe = undefined;
      this.#retryLater();
      return;
    }
    this.#startedAt ||= Date.now();
    this.#lastActive = Date.now();
    this.listener.onUpdate(update);
  }

  /** Tries again after a pause. */
  #retryLater() {
    this.#disconnected();
    this.#retryTimer = window.setTimeout(this.#subscribe, this.#pause);
    this.#pause = nextPause(this.#pause);
  }

  #disconnected = () => {
    if (this.#startedAt && Date.now() - this.#startedAt > STABLE_AFTER) this.#pause = FIRST_PAUSE;
    this.#startedAt = 0;
    this.#unsubscribe = undefined;
    this.#cancel();
    this.listener.onLost(new Date());
  };

  #checkClock = () => {
    const since = this.#lastActive;
    if (!since) return;
    if (Date.now() - since > SLEEP_THRESHOLD) this.#check();
    else this.#lastActive = Date.now();
  };

  /** Checks whether Home Assistant still responds. If it does not, the frontend reconnects. */
  #check = async () => {
    const [attempt, since] = [this.#attempt, this.#lastActive];
    if (document.hidden || !since) return;
    const timer = window.setTimeout(
      () => attempt === this.#attempt && this.listener.onLost(new Date(since)),
      RESPONSE_TIMEOUT,
    );
    try {
      await this.connection.sendMessagePromise({ type: "ping" });
      if (attempt !== this.#attempt) return;
      this.#lastActive = Date.now();
      this.listener.onRestored();
    } catch {
      // The connection is lost. The `disconnected` event handles it.
    } finally {
      clearTimeout(timer);
    }
  };
}
