/** Two clocks, and the ids made with one of them. */

/** @import {Made} from "./types.js" */

/** The clock on the wall, which may be wrong, and one that only ever counts. */
export class Clock {
  /**
   * @param {() => number} now milliseconds since 1970, as the phone takes them
   * @param {() => number} running milliseconds since this page was opened
   */
  constructor(now = () => Date.now(), running = () => performance.now()) {
    this.now = now;
    this.running = running;
    /** Names the life of the counting clock: two readings can be compared only within one. */
    this.boot = crypto.randomUUID();
  }

  /** @returns {Made} this moment by both clocks */
  moment() {
    return { boot: this.boot, ms: this.running(), at: this.now() };
  }

  /**
   * How long ago a mutation was made, where the wall clock cannot be trusted with it.
   *
   * The counting clock of a browser may stand still while the phone sleeps, so it only says how long ago it was *at
   * least*. Where the wall clock says less, somebody has set it back, and the count is nearer to the truth. Else, and
   * after a reload, null: the server takes the span between `occurred_at` and `sent_at`.
   *
   * @param {Made} made
   * @returns {number | null}
   */
  ageMs(made) {
    if (made.boot !== this.boot) return null;
    const counted = this.running() - made.ms;
    return counted > this.now() - made.at + 1_000 ? Math.round(counted) : null;
  }
}

/**
 * @param {number} ms
 * @returns {string} RFC 3339 in UTC
 */
export function timeText(ms) {
  return new Date(ms).toISOString();
}

/**
 * A UUIDv7 (RFC 9562): 48 bits of milliseconds, the rest random. Records sort by when they were made.
 *
 * @param {number} ms
 * @returns {string}
 */
export function newId(ms) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let rest = Math.max(0, Math.floor(ms));
  for (let i = 5; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes[6] = (/** @type {number} */ (bytes[6]) & 0x0f) | 0x70;
  bytes[8] = (/** @type {number} */ (bytes[8]) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20].reduce((text, at, i) => `${text.slice(0, at + i)}-${text.slice(at + i)}`, hex);
}
