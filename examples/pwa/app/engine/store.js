/** What the browser keeps of one person: the server's records, the queue of own mutations, and where it stands. */

/** @import {Change, Held, Json, Judged, Made, Mutation, Queued, Verdict} from "./types.js" */
/** @import {IDBPDatabase, IDBPTransaction} from "../vendor/idb.js" */

import { deleteDB, openDB } from "../vendor/idb.js";

const VERSION = 1;
/** @type {("state" | "records" | "queue" | "judged")[]} */
const ALL = ["state", "records", "queue", "judged"];
/** A mutation is at most 1 MB, a request 8 MB. */
export const MUTATION_BYTES = 1 << 20;

/** One IndexedDB database. Records are as the server sent them; own edits are in the queue alone. */
export class Store {
  /**
   * @param {IDBPDatabase<any>} db
   */
  constructor(db) {
    this.db = db;
  }

  /**
   * @param {string} name
   * @param {() => void} [outdated] told when a newer version of the app, in another tab, wants to change the tables
   */
  static async open(name, outdated) {
    const db = await openDB(name, VERSION, {
      upgrade(made) {
        made.createObjectStore("state");
        const records = made.createObjectStore("records", { keyPath: ["entity", "id"] });
        records.createIndex("gen", "gen");
        records.createIndex("told", "told"); // holds only the few that have it
        made.createObjectStore("queue", { keyPath: "n" });
        made.createObjectStore("judged", { keyPath: "n" }).createIndex("judged_at", "judged_at");
      },
      blocking(_current, _next, event) {
        /** @type {IDBDatabase} */ (event.target).close();
        outdated?.();
      },
    });
    return new Store(db);
  }

  /** @param {string} name */
  static async erase(name) {
    await deleteDB(name);
  }

  close() {
    this.db.close();
  }

  /**
   * All or nothing, and on the disk before this returns.
   *
   * @template T
   * @param {(work: Work) => Promise<T>} act awaits nothing but what `work` gives: the transaction would end
   * @returns {Promise<T>}
   */
  async transaction(act) {
    const tx = this.db.transaction(ALL, "readwrite", { durability: "strict" });
    tx.done.catch(() => {}); // told below
    let result;
    try {
      result = await act(new Work(tx));
    } catch (error) {
      try {
        tx.abort();
      } catch {
        // it had failed by itself
      }
      throw error;
    }
    await tx.done;
    return result;
  }

  /**
   * @param {string} key
   * @returns {Promise<any>} undefined where nothing is remembered
   */
  read(key) {
    return this.db.get("state", key);
  }

  /**
   * @param {string} entity
   * @param {string} id
   * @returns {Promise<Held | undefined>}
   */
  record(entity, id) {
    return this.db.get("records", [entity, id]);
  }

  /**
   * @param {string} entity
   * @returns {Promise<Held[]>}
   */
  records(entity) {
    return this.db.getAll("records", IDBKeyRange.bound([entity], [entity, []]));
  }

  /** @returns {Promise<number>} */
  recordCount() {
    return this.db.count("records");
  }

  /** @returns {Promise<Queued[]>} mutations without a verdict, oldest first */
  queued() {
    return this.db.getAll("queue");
  }

  /** @returns {Promise<number>} */
  unsentCount() {
    return this.db.count("queue");
  }

  /** @returns {Promise<Judged[]>} */
  judged() {
    return this.db.getAll("judged");
  }

  /**
   * What the next request can take, lowest `n` first.
   *
   * @param {number} limit
   * @param {number} mostBytes
   * @returns {Promise<Queued[]>}
   */
  async unsent(limit, mostBytes) {
    /** @type {Queued[]} */
    const found = [];
    let size = 0;
    for (const one of /** @type {Queued[]} */ (await this.db.getAll("queue", undefined, limit))) {
      size += bytesOf(one.body);
      if (found.length && size > mostBytes) break;
      found.push(one);
    }
    return found;
  }
}

/** The writes of one transaction. */
export class Work {
  /** @param {IDBPTransaction<any, any, "readwrite">} tx */
  constructor(tx) {
    this.state = tx.objectStore("state");
    this.stored = tx.objectStore("records");
    this.queue = tx.objectStore("queue");
    this.judgedOnes = tx.objectStore("judged");
  }

  /**
   * @param {string} key
   * @returns {Promise<any>}
   */
  read(key) {
    return this.state.get(key);
  }

  /**
   * @param {string} key
   * @param {any} value null forgets it
   */
  async write(key, value) {
    await (value === null ? this.state.delete(key) : this.state.put(value, key));
  }

  // The server's records

  /** @returns {Promise<number>} */
  async generation() {
    return (await this.read("gen")) ?? 0;
  }

  /**
   * Take records from the feed, but for those of which the phone has a later version. An equal one overwrites.
   *
   * @param {Change[]} changes
   * @param {string} epoch
   */
  async take(changes, epoch) {
    const gen = await this.generation();
    /** @type {Map<string, Change>} */
    const last = new Map();
    for (const change of changes) {
      const key = `${change.entity} ${change.id}`;
      if (change.version >= (last.get(key)?.version ?? 0)) last.set(key, change);
    }
    // All questions are put at once: one by one they would take ten times as long.
    await Promise.all(
      Array.from(last.values(), async ({ entity, id, version, record }) => {
        /** @type {Held | undefined} */
        const held = await this.stored.get([entity, id]);
        if (!held || held.gen < gen || version >= held.version) {
          await this.stored.put({ entity, id, version, body: record, epoch, gen });
        } else if (held.told) {
          delete held.told;
          await this.stored.put(held);
        }
      }),
    );
  }

  /**
   * Take a record from a verdict. One that the feed did not give stays only until it has had its say: it may lie
   * outside the windows of what this phone holds.
   *
   * @param {string} entity
   * @param {string} id
   * @param {Json} body
   * @param {string} epoch
   */
  async takeTold(entity, id, body, epoch) {
    const gen = await this.generation();
    /** @type {Held | undefined} */
    const held = await this.stored.get([entity, id]);
    const isStale = held !== undefined && held.gen < gen;
    if (held && !isStale && body["version"] < held.version) return;
    /** @type {Held} */
    const now = { entity, id, version: body["version"], body, epoch, gen };
    if (!held || isStale || held.told) now.told = 1;
    await this.stored.put(now);
  }

  /** A new answer: what an earlier verdict told must come by the feed now. */
  async doubtTold() {
    for (const held of /** @type {Held[]} */ (await this.stored.index("told").getAll(1))) {
      await this.stored.put({ ...held, told: 2 });
    }
  }

  /** The server starts over: nothing is believed before it was sent again. */
  async markAllStale() {
    await this.write("gen", (await this.generation()) + 1);
  }

  /** The server has sent all it has: the rest is gone, but for records with unsent work on them. */
  async dropStale() {
    const gen = await this.generation();
    const old = await this.stored.index("gen").getAllKeys(IDBKeyRange.upperBound(gen, true));
    const doubted = await this.stored.index("told").getAllKeys(2);
    if (!old.length && !doubted.length) return;
    const worked = new Set(
      /** @type {Queued[]} */ (await this.queue.getAll()).map((one) => `${one.entity} ${one.record_id}`),
    );
    for (const key of /** @type {[string, string][]} */ ([...old, ...doubted])) {
      if (!worked.has(key.join(" "))) await this.stored.delete(key);
    }
  }

  /** @returns {Promise<boolean>} whether a record is here of which only a verdict told */
  async hasTold() {
    return (await this.stored.index("told").count(1)) > 0;
  }

  /**
   * Forget a record and its version: should it come back, any version is right.
   *
   * @param {string} entity
   * @param {string} id
   */
  async remove(entity, id) {
    await this.stored.delete([entity, id]);
  }

  // The queue

  /**
   * Add a mutation under the next `n`, which is never given twice. From here on it never changes.
   *
   * @param {Omit<Mutation, "n">} body
   * @param {Made} made
   */
  async enqueue(body, made) {
    const n = ((await this.read("last_n")) ?? 0) + 1;
    await this.queue.add({ n, id: body.id, entity: body.entity, record_id: body.record_id, body: { ...body, n }, made });
    await this.write("last_n", n);
  }

  /**
   * Take a mutation out of the queue and keep its verdict.
   *
   * @param {Verdict} verdict
   * @param {string} judgedAt
   * @returns {Promise<Queued | null>}
   */
  async judge(verdict, judgedAt) {
    const queued = /** @type {Queued[]} */ (await this.queue.getAll());
    const found = queued.find((one) => one.id === verdict.id);
    if (!found) return null;
    const { record: _, ...kept } = verdict;
    await this.judgedOnes.put({ ...found, verdict: kept, judged_at: judgedAt });
    await this.queue.delete(found.n);
    return found;
  }

  /**
   * Put what was judged since a moment back into the queue: the server's memory of it may be lost.
   *
   * @param {string} moment
   */
  async reopenSince(moment) {
    const found = /** @type {Judged[]} */ (
      await this.judgedOnes.index("judged_at").getAll(IDBKeyRange.lowerBound(moment))
    );
    for (const { verdict: _v, judged_at: _j, seen: _s, ...queued } of found) {
      await this.queue.put(queued);
      await this.judgedOnes.delete(queued.n);
    }
  }

  /**
   * Let go of what was acknowledged so long ago that every backup holds it.
   *
   * @param {string} moment
   */
  async forgetJudgedBefore(moment) {
    const before = IDBKeyRange.upperBound(moment, true);
    for (const n of await this.judgedOnes.index("judged_at").getAllKeys(before)) await this.judgedOnes.delete(n);
  }

  /**
   * Mark a verdict as read by its person.
   *
   * @param {number} n
   */
  async markSeen(n) {
    /** @type {Judged | undefined} */
    const found = await this.judgedOnes.get(n);
    if (found) await this.judgedOnes.put({ ...found, seen: true });
  }

  // The whole

  /** Forget the records and where the phone stood, but not what waits to be sent. */
  async forgetRecords() {
    await this.stored.clear();
    for (const key of ["cursor", "gen", "tokens"]) await this.write(key, null);
  }

  /**
   * Forget everything but some keys of the state.
   *
   * @param {string[]} kept
   */
  async wipe(...kept) {
    await Promise.all([this.stored.clear(), this.queue.clear(), this.judgedOnes.clear()]);
    for (const key of await this.state.getAllKeys()) {
      if (!kept.includes(String(key))) await this.state.delete(key);
    }
  }
}

/**
 * @param {any} value
 * @returns {number}
 */
export function bytesOf(value) {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
