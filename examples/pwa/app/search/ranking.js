/** The ranking that the server has too; see app/textindex/ranking.py, whose copy this is. All numbers are integers. */

/** @import {Query, Term, Way} from "./terms.js" */

import { CORRECTED, INITIALS, WORD, beginningWith, escaped, normalise, stem, strokes } from "./terms.js";

/** Documents are counted up to here for the rarity of a token. */
export const SEEN_AT_MOST = 500;
/** Percent of what was asked, by weight of its terms, that a document must have to be an answer. */
const ENOUGH = 25;
/** From this percent on a way is the thing that was asked for, and not only something like it. */
const MEANT = CORRECTED;
/** Strokes of words that are offered for mistyped ones; shorter ones are near to too many. */
const SPELLED = { from: 4, until: 25 };
/** What a document of so many days gains at most, in percent. @type {[number, number][]} */
const FRESH = [[30, 6], [180, 4], [365, 2], [730, 1]];
const DAY_MS = 86_400_000;

/**
 * A document that has some token of the query.
 *
 * @typedef {object} Candidate
 * @property {string} key of the document, the same on server and phone
 * @property {Map<string, number>} tokens those of the query that it has, with their weights
 * @property {string | null} [published_on] newer ones come first among equals; null counts as old
 * @property {number} [rating] what readers thought, 0 to 4
 * @property {number} [priority] what editors think, 0 to 4
 */

/** @param {number} a @param {number} b */
const over = (a, b) => Math.floor(a / b);
/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((whole, one) => whole + one, 0);

/**
 * The candidates that answer the query, best first.
 *
 * @param {Query} query
 * @param {Iterable<Candidate>} candidates with any token of the query
 * @param {{seen: Map<string, number>, today: string}} asked of how many documents each token is; freshness counts until
 * @returns {{key: string, score: number}[]}
 */
export function rank(query, candidates, { seen, today }) {
  const weights = query.terms.map((term) => ({ ways: weighed(term, seen), weight: importance(term, seen) }));
  const whole = sum(weights.map((one) => one.weight)) || 1;
  const found = [];
  for (const candidate of candidates) {
    const had = weights.map(({ ways, weight }) => ({ weight, ...having(ways, candidate.tokens) }));
    const share = over(sum(had.map((one) => one.weight * one.share)), whole);
    if (share < ENOUGH) continue;
    const score = over(share * sum(had.map((one) => one.weight * one.worth)), whole);
    const boost = 100 + freshness(candidate.published_on, today) + (candidate.rating ?? 0) + (candidate.priority ?? 0);
    found.push({ key: candidate.key, score: score * boost, on: candidate.published_on ?? "" });
  }
  found.sort((a, b) => b.score - a.score || order(b.on, a.on) || order(a.key, b.key));
  return found.map(({ key, score }) => ({ key, score }));
}

/** @param {string} a @param {string} b */
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * What a term weighs in its query: the rarer, the more; nothing if nobody has it. Something similar that is rare makes
 * no word of a question weightier, unless nobody has the word itself.
 *
 * @param {Term} term
 * @param {Map<string, number>} seen
 */
export function importance(term, seen) {
  return rarest(term.ways.filter((way) => way.percent >= MEANT), seen) || rarest(term.ways, seen);
}

/**
 * @param {Way[]} ways
 * @param {Map<string, number>} seen
 */
function rarest(ways, seen) {
  const counts = ways.flatMap((way) => way.needs).map((token) => seen.get(token) ?? 0).filter((count) => count > 0);
  return Math.max(0, ...counts.map(rarity));
}

/**
 * 9 for a token of one document, 1 for one of 256 and more; of none: 10.
 *
 * @param {number} count
 */
export function rarity(count) {
  const counted = Math.min(count, SEEN_AT_MOST);
  return Math.max(1, 10 - (counted ? Math.floor(Math.log2(counted)) + 1 : 0));
}

/** @typedef {{percent: number, parts: [string, number][], whole: number, bonus: string[]}[]} Ways */

/**
 * @param {Term} term
 * @param {Map<string, number>} seen
 * @returns {Ways}
 */
function weighed(term, seen) {
  return term.ways.map((way) => {
    const parts = way.needs.map((token) => /** @type {[string, number]} */ ([token, rarity(seen.get(token) ?? 0)]));
    return { percent: way.percent, parts, whole: sum(parts.map(([, rare]) => rare)), bonus: way.bonus };
  });
}

/**
 * How much of a term a document has, in percent, and what that is worth.
 *
 * @param {Ways} ways
 * @param {Map<string, number>} tokens
 */
function having(ways, tokens) {
  let best = { share: 0, worth: 0 };
  for (const { percent, parts, whole, bonus } of ways) {
    const had = parts.filter(([token]) => tokens.has(token));
    if (!had.length) continue;
    const share = over(100 * sum(had.map(([, rare]) => rare)), whole);
    let worth = over(100 * sum(had.map(([token, rare]) => rare * saturated(tokens.get(token) ?? 0))), whole);
    // A way that names no word of its own is itself the word.
    worth += bonus.length
      ? over(25 * sum(bonus.map((token) => saturated(tokens.get(token) ?? 0))), bonus.length)
      : over(worth, 4);
    worth = over(over(worth * share, 100) * percent, 100);
    if (worth > best.worth) best = { share: over(share * percent, 100), worth };
  }
  return best;
}

/**
 * A second field adds less than the first: 2 → 96, 16 → 320, 40 → 400.
 *
 * @param {number} weight
 */
const saturated = (weight) => over(480 * weight, weight + 8);

/**
 * @param {string | null | undefined} publishedOn
 * @param {string} today
 */
function freshness(publishedOn, today) {
  if (!publishedOn) return 0;
  const age = Math.round((Date.parse(today) - Date.parse(publishedOn)) / DAY_MS);
  return FRESH.find(([days]) => age <= days)?.[1] ?? 0;
}

/**
 * Where the words of a query stand in a text as it is shown: ranges of characters, in order, none overlapping.
 *
 * @param {Query} query
 * @param {string} value
 * @returns {[number, number][]}
 */
export function highlight(query, value) {
  const { shown, places } = withPlaces(value);
  /** @type {Set<number>} */
  const marked = new Set();
  for (const pattern of query.terms.flatMap(patterns)) {
    for (const found of shown.matchAll(new RegExp(pattern, "gu"))) {
      for (let i = found.index; i < found.index + found[0].length; i++) marked.add(/** @type {number} */ (places[i]));
    }
  }
  /** @type {[number, number][]} */
  const ranges = [];
  for (const place of [...marked].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === place) last[1] = place + 1;
    else ranges.push([place, place + 1]);
  }
  return ranges;
}

/**
 * The normal form of a text, and which character each of its code units comes from.
 *
 * @param {string} value
 */
function withPlaces(value) {
  let shown = "";
  /** @type {number[]} */
  const places = [];
  Array.from(value).forEach((character, place) => {
    const normal = normalise(character);
    shown += normal;
    for (let i = 0; i < normal.length; i++) places.push(place);
  });
  return { shown, places };
}

/** @param {Term} term */
function patterns(term) {
  const words = new Set([term.text]);
  const started = new Set();
  for (const { needs, bonus } of term.ways) {
    for (const token of [...needs, ...bonus]) if (token[0] === WORD) words.add(token.slice(1));
    for (const token of needs) if (token[0] === INITIALS) started.add(token.slice(1));
  }
  const gap = "[\\s\\-./·]?";
  const spelled = [...words].sort((a, b) => b.length - a.length).map((word) => Array.from(word, escaped).join(gap));
  const begun = [...started].sort().map((letters) => `(?<![가-힣])${Array.from(letters, beginningWith).join(gap)}`);
  return [...spelled, ...begun];
}

/**
 * Whether a word is offered for mistyped ones.
 *
 * @param {string} word
 */
export function isSpelled(word) {
  const { length } = Array.from(strokes(word));
  return length >= SPELLED.from && length < SPELLED.until;
}

/**
 * The word by its keys and without any one of them: two words that differ by one share at least one.
 *
 * @param {string} word
 */
export function spellingKeys(word) {
  const pressed = Array.from(strokes(word));
  return [...new Set([pressed.join(""), ...pressed.map((_, i) => pressed.toSpliced(i, 1).join(""))])];
}

/**
 * Those that are one key away from a word: one missing, too many, another, or two that changed places.
 *
 * @param {string} word
 * @param {Iterable<string>} candidates
 */
export function near(word, candidates) {
  const pressed = Array.from(strokes(stem(word)));
  /** @type {[number, string][]} */
  const found = [];
  for (const other of candidates) {
    const slipped = slip(pressed, Array.from(strokes(other)));
    if (slipped !== null) found.push([slipped, other]);
  }
  return found.sort((a, b) => a[0] - b[0] || order(a[1], b[1])).map(([, other]) => other);
}

const ROWS = ["ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔ", "ㅁㄴㅇㄹㅎㅗㅓㅏㅣ", "ㅋㅌㅊㅍㅠㅜㅡ", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/**
 * 0 for the key beside, 1 for any other single slip, null for more than one.
 *
 * @param {string[]} a
 * @param {string[]} b
 */
function slip(a, b) {
  const same = (/** @type {string[]} */ x, /** @type {string[]} */ y) => x.length === y.length && x.every((key, i) => key === y[i]);
  if (same(a, b)) return null;
  let start = 0;
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  const [oneA, oneB] = [restA[0], restB[0]];
  if (oneA !== undefined && oneB !== undefined && same(restA.slice(1), restB.slice(1))) {
    const beside = ROWS.some((row) => row.includes(oneA) && Math.abs(row.indexOf(oneA) - row.indexOf(oneB)) === 1 && row.includes(oneB));
    return beside ? 0 : 1;
  }
  if (same(restA.slice(1), restB) || same(restA, restB.slice(1))) return 1;
  const swapped = restA.length > 1 && oneA === restB[1] && oneB === restA[1] && same(restA.slice(2), restB.slice(2));
  return swapped ? 1 : null;
}

/**
 * The terms that no document of the asker has as a word or whole: candidates for another spelling.
 *
 * @param {Query} query
 * @param {Map<string, number>} seen
 */
export function unknown(query, seen) {
  const had = (/** @type {Way} */ way) =>
    way.needs.every((token) => seen.has(token)) && (!way.bonus.length || way.bonus.some((token) => seen.has(token)));
  return query.terms.filter((term) => Array.from(term.text).length > 1 && !term.ways.some(had));
}
