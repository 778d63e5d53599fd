/** The phone: works without a network, and tells the server when there is one. The Python one is examples/phone. */

/** @import {Answer, Budget, Json, Judged, Mutation} from "./types.js" */

import { take } from "./answer.js";
import { Client, NeedsLogin, NoAnswer, Refused, overHttp } from "./client.js";
import { Clock, newId, timeText } from "./clock.js";
import { equal, overlaid } from "./overlay.js";
import { MUTATION_BYTES, Store, bytesOf } from "./store.js";

export const APP_VERSION = "1.0.0";
const SCHEMA_VERSION = 1;
const MOST_MUTATIONS = 500;
const MOST_ROUNDS = 1_000;
const STANDSTILL_MS = 200;
const MOST_BYTES = 4 << 20;
const DAY_MS = 86_400_000;

/** The server locked this phone out; nothing new can be written on it. */
export class LockedOut extends Error {}

/** One edit may hold 1 MB at most. */
export class TooLarge extends Error {}

/**
 * @typedef {object} Opened a record as its person sees it, with all that an edit of it is based on
 * @property {string} entity
 * @property {string} id
 * @property {Json} record unsent edits included
 * @property {number | null} version null for one that the server has not seen
 * @property {string | null} epoch
 *
 * @typedef {object} Result what a sync did
 * @property {number} rounds
 * @property {import("./types.js").Verdict[]} verdicts
 * @property {number} changed
 * @property {number} removed
 * @property {boolean} checkpoint
 * @property {Set<string>} directives
 * @property {Budget | null} budget
 * @property {boolean} wiped
 */

/** Records, edits and a sync loop. Everything but `sync` works offline. */
export class Phone {
  /**
   * @param {Store} store
   * @param {string} name of the store
   * @param {{clock?: Clock, send?: import("./client.js").Send, page?: number}} [parts]
   */
  constructor(store, name, { clock = new Clock(), send = overHttp, page = 1_000 } = {}) {
    this.store = store;
    this.name = name;
    this.clock = clock;
    this.client = new Client(store, name, send);
    this.page = page;
    /** Told of every change of the store by this tab; of those by others through a channel. @type {() => void} */
    this.changed = () => {};
  }

  // Online

  /**
   * Send what was done here, fetch what was done elsewhere, until both sides agree. One tab at a time.
   *
   * @param {(result: Result) => void} [progress] told after each page
   * @returns {Promise<Result>}
   */
  sync(progress = () => {}) {
    return navigator.locks.request(`${this.name} sync`, () => this.#sync(progress));
  }

  /** @param {(result: Result) => void} progress */
  async #sync(progress) {
    /** @type {Result} */
    const result = {
      rounds: 0,
      verdicts: [],
      changed: 0,
      removed: 0,
      checkpoint: false,
      directives: new Set(),
      budget: null,
      wiped: false,
    };
    if (await this.store.read("wiped")) {
      await this.#confirmWipe(result);
      return result;
    }
    while (result.rounds < MOST_ROUNDS) {
      const answer = await this.#ask();
      const standsStill = await this.#standsStill(answer);
      await take(this.store, answer, this.clock.now());
      count(result, answer);
      this.changed();
      progress(result);
      if (!(await this.#goesOn(answer))) break;
      if (standsStill) await new Promise((resolve) => setTimeout(resolve, STANDSTILL_MS));
    }
    if (result.directives.has("wipe") && (await this.store.unsentCount()) === 0) {
      await this.store.transaction(async (work) => {
        await work.wipe("tokens", "device_id", "locked");
        await work.write("wiped", "unconfirmed");
      });
      await this.#confirmWipe(result);
    } else if (result.checkpoint) {
      await this.#learn();
    }
    return result;
  }

  /**
   * Whether an answer, not yet taken, brings nothing: the server is about to sequence what changed the scope.
   *
   * @param {Answer} answer
   */
  async #standsStill({ verdicts, changes, removed, cursor }) {
    const brought = verdicts.length + changes.length + removed.length > 0;
    return !brought && cursor === (await this.store.read("cursor"));
  }

  /**
   * Whether there is more to say or to hear.
   *
   * @param {Answer} answer
   */
  async #goesOn(answer) {
    const has = (/** @type {string} */ name) => answer.directives.includes(name);
    const moreToSend = (await this.store.unsentCount()) > 0;
    const wasJudged = answer.verdicts.length > 0;
    if (has("reauth")) await this.#leaveSession();
    if (has("wipe")) return wasJudged && moreToSend; // the last thing that is asked for is the queue
    // This app is too old for what comes; what leaves is taken as ever.
    if (has("upgrade")) return (wasJudged && moreToSend) || answer.removed.length > 0;
    // What only a verdict told has to be confirmed by the feed.
    return (
      answer.has_more ||
      ((wasJudged || has("rebase")) && moreToSend) ||
      (await this.store.transaction((work) => work.hasTold()))
    );
  }

  /** @returns {Promise<Answer>} */
  async #ask() {
    try {
      return /** @type {Answer} */ (await this.client.call("POST", "/sync", () => this.#request()));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const { code } = error;
      const hadCursor = (await this.store.read("cursor")) !== undefined;
      await this.store.transaction(async (work) => {
        await work.write("last_error", code);
        // Nobody can mend a cursor. Without one everything comes again, and nothing of ours is lost.
        if (code === "cursor_invalid") await work.write("cursor", null);
      });
      if (code === "cursor_invalid" && hadCursor) return this.#ask();
      throw error;
    }
  }

  /** The next request. Built anew for each try: its mutations are the same, their age is not. */
  async #request() {
    const cursor = (await this.store.read("cursor")) ?? null;
    // A phone without a cursor has nothing to base an edit on; what it has is sent with the second page.
    // One that was locked out gets no second page.
    const maySend = cursor !== null || (await this.store.read("locked")) !== undefined;
    const sent = maySend ? await this.store.unsent(MOST_MUTATIONS, MOST_BYTES) : [];
    return {
      schema_version: SCHEMA_VERSION,
      cursor,
      sent_at: timeText(this.clock.now()),
      mutations: sent.map((one) => ({ ...one.body, age_ms: this.clock.ageMs(one.made) })),
      limit: this.page,
      client: {
        app_version: APP_VERSION,
        platform: "web",
        pending: (await this.store.unsentCount()) - sent.length,
        last_error: (await this.store.read("last_error")) ?? null,
      },
    };
  }

  /** `reauth`: another installation goes on under this device's name. Log in, as a new device; the queue stays. */
  async #leaveSession() {
    await this.store.transaction(async (work) => {
      for (const key of ["tokens", "device_id"]) await work.write(key, null);
    });
    throw new NeedsLogin("reauth");
  }

  /**
   * Tell that nothing is left; asked again by every sync until the server knows.
   *
   * @param {Result} result
   */
  async #confirmWipe(result) {
    try {
      const answer = await this.client.call("POST", "/sync", async () => ({
        ...(await this.#request()),
        cursor: null,
        mutations: [],
        client: { wiped: true },
      }));
      if (answer["directives"].includes("wipe")) return;
    } catch (error) {
      if (!(error instanceof NeedsLogin)) throw error; // it knew already, and that answer was lost
    }
    await this.store.transaction((work) => work.wipe());
    result.wiped = true;
    this.changed();
  }

  /** Once a day: for how long the server wants acknowledged work to be kept. */
  async #learn() {
    const learned = await this.store.read("learned_at");
    if (learned && Math.abs(this.clock.now() - learned) < DAY_MS) return;
    try {
      const schema = await this.client.call("GET", "/sync/schema");
      await this.store.transaction(async (work) => {
        await work.write("learned_at", this.clock.now());
        await work.write("keep_acknowledged_days", schema["windows"].keep_acknowledged_days);
      });
    } catch (error) {
      // The sync itself is done; the next one asks again.
      if (!(error instanceof NeedsLogin || error instanceof NoAnswer || error instanceof Refused)) throw error;
    }
  }

  // Offline

  /**
   * A record with what an edit of it will be based on: what was *shown*, not what has come since.
   *
   * @param {string} entity
   * @param {string} id
   * @returns {Promise<Opened | null>}
   */
  async open(entity, id) {
    const held = await this.store.record(entity, id);
    const edits = (await this.store.queued()).filter((one) => one.entity === entity && one.record_id === id);
    const record = overlaid(
      held?.body ?? null,
      edits.map((one) => one.body),
    );
    if (record === null) return null;
    // While everything comes anew, an older record is still of the last epoch.
    const epoch = held ? held.epoch : ((await this.store.read("epoch")) ?? null);
    return { entity, id, record, version: held?.version ?? null, epoch };
  }

  /**
   * @param {string} entity
   * @param {string} id
   * @returns {Promise<Json | null>}
   */
  async get(entity, id) {
    return (await this.open(entity, id))?.record ?? null;
  }

  /**
   * All records of a kind, unsent edits included.
   *
   * @param {string} entity
   * @returns {Promise<Json[]>}
   */
  async list(entity) {
    const held = new Map((await this.store.records(entity)).map((one) => [one.id, one.body]));
    /** @type {Map<string, Mutation[]>} */
    const edits = new Map();
    for (const one of await this.store.queued()) {
      if (one.entity === entity) edits.set(one.record_id, [...(edits.get(one.record_id) ?? []), one.body]);
    }
    const ids = new Set([...held.keys(), ...edits.keys()]);
    return Array.from(ids, (id) => overlaid(held.get(id) ?? null, edits.get(id) ?? [])).filter((one) => one !== null);
  }

  /**
   * Make a record; the phone mints its id, so that other records can refer to it at once.
   *
   * @param {string} entity
   * @param {Json} fields
   */
  async create(entity, fields) {
    const id = this.mint();
    const epoch = (await this.store.read("epoch")) ?? null;
    await this.#enqueue({ entity, id, record: {}, version: null, epoch }, "create", fields, {});
    return id;
  }

  /**
   * Change fields; what already had the value is left out.
   *
   * @param {Opened} opened
   * @param {Json} changes
   * @returns {Promise<boolean>} whether anything was changed
   */
  async edit(opened, changes) {
    const seen = opened.record;
    const fields = Object.fromEntries(Object.entries(changes).filter(([name, value]) => !equal(seen[name], value)));
    if (!Object.keys(fields).length) return false;
    const base = Object.fromEntries(Object.keys(fields).map((name) => [name, seen[name] ?? null]));
    await this.#enqueue(opened, "update", fields, base);
    return true;
  }

  /**
   * Do what is more than an edit: `check_in`, `submit`, `resolve` …
   *
   * @param {Opened} opened
   * @param {string} name
   * @param {Json} [args]
   */
  async command(opened, name, args = {}) {
    await this.#enqueue(opened, name, args, {});
  }

  /**
   * @param {Opened} opened
   */
  async remove(opened) {
    await this.#enqueue(opened, "delete", {}, {});
  }

  /** @returns {string} an id for a record or a row of one */
  mint() {
    return newId(this.clock.now());
  }

  /**
   * Write a mutation down. When this returns it is on the disk, and only then may anybody say "saved".
   *
   * @param {Opened} opened
   * @param {string} op
   * @param {Json} fields
   * @param {Json} base
   */
  async #enqueue(opened, op, fields, base) {
    const mutation = {
      id: this.mint(),
      group: null,
      epoch: opened.epoch,
      entity: opened.entity,
      record_id: opened.id,
      op,
      base_version: opened.version,
      fields: JSON.parse(JSON.stringify(fields)),
      base: JSON.parse(JSON.stringify(base)),
      occurred_at: timeText(this.clock.now()),
    };
    if (bytesOf(mutation) > MUTATION_BYTES) throw new TooLarge("one edit may hold 1 MB at most");
    const made = this.clock.moment();
    await this.store.transaction(async (work) => {
      if ((await work.read("locked")) !== undefined) throw new LockedOut("this phone was locked out");
      await work.enqueue(mutation, made);
    });
    this.changed();
  }

  // What the server said

  /** @returns {Promise<Judged[]>} own work that was refused or waits in the inbox, newest first, and was not read yet */
  async refusals() {
    const judged = await this.store.judged();
    return judged.filter((one) => one.verdict.status === "rejected" && !one.seen).reverse();
  }

  /**
   * @param {number} n
   */
  async markSeen(n) {
    await this.store.transaction((work) => work.markSeen(n));
    this.changed();
  }
}

/**
 * @param {Result} result
 * @param {Answer} answer
 */
function count(result, answer) {
  result.rounds += 1;
  result.verdicts.push(...answer.verdicts);
  result.changed += answer.changes.length;
  result.removed += answer.removed.length;
  const halts = answer.directives.some((one) => one === "wipe" || one === "upgrade");
  result.checkpoint = !answer.has_more && !halts;
  for (const one of answer.directives) result.directives.add(one);
  result.budget = answer.budget ?? null;
}
