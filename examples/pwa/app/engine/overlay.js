/** What the user sees: the server's record with the edits laid over it that the server has not judged yet. */

/** @import {Json, Mutation} from "./types.js" */

/** What a command does to the status, as far as the phone can foresee it. @type {Record<string, string>} */
const STATUS_AFTER = {
  "visit.start_travel": "en_route",
  "visit.check_in": "checked_in",
  "visit.check_out": "checked_out",
  "visit.complete": "completed",
  "order.submit": "submitted",
  "order.reopen": "draft",
};

/**
 * @param {Json | null} record
 * @param {Iterable<Mutation>} mutations unsent, oldest first
 * @returns {Json | null} null where there is none, or it was deleted
 */
export function overlaid(record, mutations) {
  let seen = record;
  for (const { op, entity, record_id, fields, base } of mutations) {
    if (op === "create") {
      seen = { id: record_id, ...FRESH[entity], ...seen, ...fields };
    } else if (seen === null) {
      continue;
    } else if (op === "update") {
      const before = seen;
      const again = Object.entries(fields).map(([name, mine]) => [
        name,
        reapplied(base[name] ?? null, mine, before[name] ?? null),
      ]);
      seen = { ...seen, ...Object.fromEntries(again) };
    } else if (op === "delete") {
      seen = null;
    } else {
      const status = STATUS_AFTER[`${entity}.${op}`];
      if (status) seen = { ...seen, status };
      if (entity === "conflict" && op === "resolve") seen = { ...seen, state: "resolved" };
    }
  }
  return seen;
}

/** How records begin that are made here. @type {Record<string, Json>} */
const FRESH = { order: { status: "draft" }, visit: { status: "planned" } };

/**
 * My edit of a value that others may have changed since. Only a guess, until the server has decided: of two texts
 * mine is shown whole, and merged by line there.
 *
 * @param {any} base
 * @param {any} mine
 * @param {any} theirs
 * @returns {any}
 */
export function reapplied(base, mine, theirs) {
  if (equal(base, theirs) || !Array.isArray(mine) || !Array.isArray(theirs)) return mine;
  const before = Array.isArray(base) ? base : [];
  const areRows = [...mine, ...theirs].some((part) => part !== null && typeof part === "object");
  return areRows ? rows(before, mine, theirs) : elements(before, mine, theirs);
}

/**
 * Add what I added, take away what I took away.
 *
 * @param {any[]} base
 * @param {any[]} mine
 * @param {any[]} theirs
 */
function elements(base, mine, theirs) {
  const kept = theirs.filter((part) => mine.includes(part) || !base.includes(part));
  return [...kept, ...mine.filter((part) => !base.includes(part) && !theirs.includes(part))];
}

/**
 * The same by row id, and within a row by field.
 *
 * @param {Json[]} base
 * @param {Json[]} mine
 * @param {Json[]} theirs
 */
function rows(base, mine, theirs) {
  const before = new Map(base.map((row) => [row["id"], row]));
  const now = new Map(mine.map((row) => [row["id"], row]));
  const merged = [];
  for (const row of theirs) {
    const edited = now.get(row["id"]);
    const known = before.get(row["id"]);
    if (edited) {
      const own = Object.entries(edited).filter(([name, value]) => !equal(value, known?.[name]));
      merged.push({ ...row, ...Object.fromEntries(own) });
    } else if (!known) {
      merged.push(row);
    }
  }
  const present = new Set(theirs.map((row) => row["id"]));
  return [...merged, ...mine.filter((row) => !present.has(row["id"]) && !before.has(row["id"]))];
}

/**
 * Whether two values of the wire are the same, whatever the order of their members.
 *
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
export function equal(a, b) {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return (a ?? null) === (b ?? null);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => name in b && equal(a[name], b[name]));
}
