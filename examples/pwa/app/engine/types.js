/**
 * The words of the wire, for the type checker; see docs/sync-protocol.md.
 *
 * @typedef {Record<string, any>} Json
 *
 * @typedef {object} Mutation one intent of a person; never changed once it was written down
 * @property {string} id
 * @property {number} n
 * @property {null} group
 * @property {string | null} epoch
 * @property {string} entity
 * @property {string} record_id
 * @property {string} op
 * @property {number | null} base_version
 * @property {Json} fields
 * @property {Json} base
 * @property {string} occurred_at
 *
 * @typedef {object} Made when a mutation was made, by both clocks, and in which life of the counting one
 * @property {string} boot
 * @property {number} ms
 * @property {number} at
 *
 * @typedef {{n: number, id: string, entity: string, record_id: string, body: Mutation, made: Made}} Queued
 *
 * @typedef {object} Verdict
 * @property {string} id
 * @property {"rejected" | "conflict" | "superseded" | "merged" | "applied"} status
 * @property {string | null} code
 * @property {Json | null} detail
 * @property {string | null} conflict_id
 * @property {Json | null} [record]
 * @property {Json} [fields]
 *
 * @typedef {Queued & {verdict: Verdict, judged_at: string, seen?: boolean}} Judged
 *
 * @typedef {object} Held a record as the server sent it
 * @property {string} entity
 * @property {string} id
 * @property {number} version
 * @property {Json} body
 * @property {string | null} epoch
 * @property {number} gen of which full set it is; an older one is stale
 * @property {1 | 2} [told] only a verdict told of it: the last answer's (1), or an earlier one's (2)
 *
 * @typedef {{entity: string, id: string, version: number, record: Json}} Change
 * @typedef {{entity: string, id: string, reason: string}} Removal
 * @typedef {{records: number, warn_at: number, cap: number, left_out: string[]}} Budget
 *
 * @typedef {object} Answer
 * @property {Verdict[]} verdicts
 * @property {Change[]} changes
 * @property {Removal[]} removed
 * @property {string} epoch
 * @property {string | null} cursor
 * @property {boolean} has_more
 * @property {string} server_time
 * @property {Budget | null} [budget]
 * @property {string[]} directives
 *
 * @typedef {{access: string, refresh: string}} Tokens
 */
export {};
