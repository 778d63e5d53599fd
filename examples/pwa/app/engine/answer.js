/** How an answer of the server is taken in: wholly, in one transaction with its cursor, or not at all. */

/** @import {Answer} from "./types.js" */
/** @import {Store, Work} from "./store.js" */

import { timeText } from "./clock.js";

const DAY_MS = 86_400_000;
/** How long acknowledged work is kept until the server has told its own number. */
const KEEP_ACKNOWLEDGED_DAYS = 7;

/**
 * Take one answer of `POST /sync` in.
 *
 * The order matters. What the answer starts over is marked before it brings anything; verdicts come before changes,
 * which are later; what is gone is gone after all changes; only a checkpoint drops what did not come.
 *
 * @param {Store} store
 * @param {Answer} answer
 * @param {number} now the phone's clock
 */
export async function take(store, answer, now) {
  const heardAt = timeText(Date.parse(answer.server_time));
  await store.transaction(async (work) => {
    await work.doubtTold();
    if (answer.directives.includes("rebase")) await startOver(work);
    if (answer.directives.includes("wipe")) await work.write("locked", "wipe");
    for (const verdict of answer.verdicts) {
      const mutation = await work.judge(verdict, heardAt);
      // The record is of this moment; the verdict's version may be older, when it is a replay.
      if (mutation && verdict.record) {
        await work.takeTold(mutation.entity, mutation.record_id, verdict.record, answer.epoch);
      }
    }
    await work.take(answer.changes, answer.epoch);
    for (const gone of answer.removed) await work.remove(gone.entity, gone.id);
    if (!answer.has_more) {
      await work.dropStale();
      await work.forgetJudgedBefore(await windowBefore(work, heardAt));
    }
    await work.write("epoch", answer.epoch);
    if (answer.cursor !== null) await work.write("cursor", answer.cursor); // a farewell has none: nothing was pulled
    if (answer.budget) await work.write("budget", answer.budget);
    await work.write("heard_at", heardAt);
    await work.write("clock_ahead_ms", now - Date.parse(answer.server_time));
    await work.write("last_error", null);
  });
}

/**
 * `rebase`: believe nothing that is not sent again, and tell again what was acknowledged lately: perhaps the server was
 * restored from a backup. What it can have forgotten was acknowledged before this phone last heard from it, so the
 * window ends there and not today: the phone may have lain in a drawer since.
 *
 * @param {Work} work
 */
async function startOver(work) {
  await work.markAllStale();
  const heardAt = await work.read("heard_at");
  if (heardAt) await work.reopenSince(await windowBefore(work, heardAt));
}

/**
 * Since when acknowledged work is kept. Both ends are the server's time: the phone's clock may be wrong.
 *
 * @param {Work} work
 * @param {string} moment
 */
async function windowBefore(work, moment) {
  const days = (await work.read("keep_acknowledged_days")) ?? KEEP_ACKNOWLEDGED_DAYS;
  return timeText(Date.parse(moment) - days * DAY_MS);
}
