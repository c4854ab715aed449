/** A subscription that outlives lost connections, restarts of Home Assistant, and refusals. */

/**
 * @typedef {{ended?: boolean}} News
 * @typedef {{sendMessagePromise: (message: object) => Promise<any>, connected: boolean, socket?: WebSocket,
 *   addEventListener: (event: string, listener: () => void) => void,
 *   removeEventListener: (event: string, listener: () => void) => void,
 *   subscribeMessage: (callback: (news: any) => void, message: object, options: {resubscribe: boolean}) =>
 *     Promise<() => Promise<void>>}} Connection
 */

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30_000;
/** A subscription that lasted this long did work, so the next one is tried without a pause again. */
const LASTED = 10_000;
const WATCH_EVERY = 5000;
/** A timer that is this late says that the machine slept; its connection may be dead without knowing. */
const SLEPT = 15_000;
const ANSWERS_WITHIN = 5000;

/** Home Assistant's own code for it, which its library rejects with. */
const CONNECTION_LOST = 3;

/** @param {number} pause in milliseconds */
export const longer = (pause) => Math.min(pause * 1.5, LONGEST_PAUSE);
export { FIRST_PAUSE };

/** Tells whether a command failed for want of a connection, and may or may not have been carried out. @param {any} error */
export const isLost = (error) => error === CONNECTION_LOST || error?.error?.code === CONNECTION_LOST;

/**
 * Home Assistant's library would subscribe again by itself after a lost connection, but only once: where its web
 * server answers before the integration is set up, that is refused and the library forgets it in silence.
 */
export class Subscription {
  /** Counts the tries; what belongs to an earlier one is no longer listened to. */
  #try = 0;
  #pause = FIRST_PAUSE;
  #retry = 0;
  #watch = 0;
  #isOpen = false;
  /** When it was last known to work, in milliseconds since 1970; 0 while it does not. */
  #seen = 0;
  #began = 0;
  /** @type {(() => void) | undefined} */
  #release;

  /**
   * @param {Connection} connection
   * @param {object} message that subscribes
   * @param {{take: (news: any) => void, lose: (since: Date) => void, regain: () => void}} listener `take` gets what is
   *   told, `lose` since when that may not be all; `take` or `regain` says that it is again
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
    this.#watch = window.setInterval(this.#lookAtClock, WATCH_EVERY);
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
    clearInterval(this.#watch);
    this.#drop();
  }

  /** Ends what there is of the present try. */
  #drop() {
    clearTimeout(this.#retry);
    this.#try += 1;
    this.#seen = 0;
    this.#release?.();
    this.#release = undefined;
  }

  #subscribe = async () => {
    this.#drop();
    // It is subscribed with the next connection.
    if (!this.connection.connected) return;
    const mine = this.#try;
    const { socket } = this.connection;
    try {
      const unsubscribe = await this.connection.subscribeMessage(
        (news) => mine === this.#try && this.#take(news),
        this.message,
        { resubscribe: false },
      );
      // Another connection numbers anew, so there the number would be that of something else.
      const release = () => {
        if (this.connection.socket === socket) unsubscribe().catch(() => {});
      };
      if (mine === this.#try) this.#release = release;
      else release();
    } catch {
      if (mine === this.#try) this.#lose();
    }
  };

  /** @param {News} news */
  #take(news) {
    if (news.ended) {
      this.#release = undefined;
      this.#lose();
      return;
    }
    this.#began ||= Date.now();
    this.#seen = Date.now();
    this.listener.take(news);
  }

  /** Tries again after a pause. */
  #lose() {
    this.#disconnected();
    this.#retry = window.setTimeout(this.#subscribe, this.#pause);
    this.#pause = longer(this.#pause);
  }

  #disconnected = () => {
    if (this.#began && Date.now() - this.#began > LASTED) this.#pause = FIRST_PAUSE;
    this.#began = 0;
    this.#release = undefined;
    this.#drop();
    this.listener.lose(new Date());
  };

  #lookAtClock = () => {
    const since = this.#seen;
    if (!since) return;
    if (Date.now() - since > SLEPT) this.#check();
    else this.#seen = Date.now();
  };

  /** Finds out whether Home Assistant still answers; if it does not, the frontend soon connects anew. */
  #check = async () => {
    const [mine, since] = [this.#try, this.#seen];
    if (document.hidden || !since) return;
    const timer = window.setTimeout(() => mine === this.#try && this.listener.lose(new Date(since)), ANSWERS_WITHIN);
    try {
      await this.connection.sendMessagePromise({ type: "ping" });
      if (mine !== this.#try) return;
      this.#seen = Date.now();
      this.listener.regain();
    } catch {
      // It is disconnected, and that is told as an event.
    } finally {
      clearTimeout(timer);
    }
  };
}
