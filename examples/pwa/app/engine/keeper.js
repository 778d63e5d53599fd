/** When to sync: after an edit, when the network comes back, when the app is looked at, and every minute. */

/** @import {Phone, Result} from "./phone.js" */

import { NeedsLogin, NoAnswer, Refused } from "./client.js";

const EVERY_MS = 60_000;
const FIRST_PAUSE_MS = 2_000;

/**
 * @typedef {object} Standing how the phone stands with the server, for people
 * @property {boolean} syncing
 * @property {boolean} reached whether the last try had an answer
 * @property {boolean} needsLogin
 * @property {string | null} trouble what stopped the last sync: a code, or `storage_full`
 * @property {Result | null} page while a sync is under way: what came so far
 * @property {boolean} upgrade
 * @property {boolean} wiped
 */

export class Keeper {
  /**
   * @param {Phone} phone
   * @param {() => void} tell that something changed, here or in another tab
   * @param {(result: Result) => void} [judged] told of own work that the server has judged
   */
  constructor(phone, tell, judged = () => {}) {
    this.phone = phone;
    this.tell = tell;
    this.judged = judged;
    /** @type {Standing} */
    this.standing = {
      syncing: false,
      reached: navigator.onLine,
      needsLogin: false,
      trouble: null,
      page: null,
      upgrade: false,
      wiped: false,
    };
    this.failures = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.again = false;
    this.channel = new BroadcastChannel(phone.name);
    this.stopped = new AbortController();
  }

  start() {
    const { signal } = this.stopped;
    this.phone.changed = () => {
      this.channel.postMessage("changed");
      this.tell();
    };
    this.channel.addEventListener("message", () => this.tell(), { signal });
    addEventListener("online", () => this.soon(), { signal });
    addEventListener("offline", () => this.#stand({ reached: false }), { signal });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.soon(), {
      signal,
    });
    this.soon();
  }

  stop() {
    this.stopped.abort();
    clearTimeout(this.timer);
    this.phone.changed = () => {};
    this.channel.close();
  }

  /** Sync as soon as may be; asked during a sync, once more after it. */
  soon() {
    this.failures = 0;
    void this.run();
  }

  async run() {
    if (this.stopped.signal.aborted) return;
    if (this.standing.syncing) {
      this.again = true;
      return;
    }
    clearTimeout(this.timer);
    this.again = false;
    this.#stand({ syncing: true });
    let pauseMs = EVERY_MS;
    try {
      const result = await this.phone.sync((page) => this.#stand({ page: { ...page } }));
      this.failures = 0;
      this.#stand({
        reached: true,
        needsLogin: false,
        trouble: null,
        upgrade: result.directives.has("upgrade"),
        wiped: result.wiped,
      });
      if (result.verdicts.length) this.judged(result);
    } catch (error) {
      pauseMs = this.#failed(error);
    }
    this.#stand({ syncing: false, page: null });
    if (this.stopped.signal.aborted || this.standing.needsLogin || this.standing.wiped) return;
    if (this.again) return void this.run();
    // Without anybody looking there is nothing to show; what waits is sent when the app is opened again.
    this.timer = setTimeout(() => document.visibilityState === "visible" && this.run(), pauseMs);
  }

  /**
   * @param {unknown} error
   * @returns {number} how long to wait
   */
  #failed(error) {
    this.failures += 1;
    if (error instanceof NeedsLogin) {
      this.#stand({ reached: true, needsLogin: true });
      return 0;
    }
    // Jitter: after a power cut of the server not all phones come back in one moment.
    const pause = Math.min(EVERY_MS, FIRST_PAUSE_MS * 2 ** (this.failures - 1)) * (1 + Math.random() / 2);
    if (error instanceof NoAnswer) {
      this.#stand({ reached: false });
      return Math.max(pause, error.waitS * 1_000);
    }
    if (error instanceof Refused) this.#stand({ reached: true, trouble: error.code || String(error.status) });
    else if (isFull(error)) this.#stand({ trouble: "storage_full" });
    else {
      this.#stand({ trouble: "unexpected" });
      console.error(error);
    }
    return Math.max(pause, EVERY_MS / 2);
  }

  /** @param {Partial<Standing>} news */
  #stand(news) {
    Object.assign(this.standing, news);
    if (!this.stopped.signal.aborted) this.tell();
  }
}

/**
 * @param {unknown} error
 * @returns {boolean} whether the browser had no room left
 */
export function isFull(error) {
  return error instanceof DOMException && error.name === "QuotaExceededError";
}
