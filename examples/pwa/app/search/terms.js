/** What somebody typed, taken apart as the server does it; see app/textindex/tokens.py, whose copy this is. */

import { ENDINGS, SAYS_NOTHING, AFTER_ANY, AFTER_FINAL, AFTER_VOWEL } from "./word_lists.js";

/**
 * Tokens that together are one way of having a term: all it takes, what makes it better, and what it is worth beside the
 * best way, in percent.
 *
 * @typedef {{needs: string[], bonus: string[], percent: number}} Way
 * @typedef {{text: string, ways: Way[]}} Term
 * @typedef {{text: string, terms: Term[]}} Query
 * @typedef {Map<string, {words: string[], percent: number}[]>} Thesaurus groups by each of their words
 * @typedef {{value: string, start: number, end: number}} Run
 */

export const MAX_QUERY = 200;
export const MAX_TERMS = 16;
/** So many words of a query are looked up as one word of a group of synonyms. */
const LONGEST_SPAN = 4;
/** What a word of a group is worth beside the word that was typed, in percent; and the one that was probably meant. */
const SAME = 95;
const SIMILAR = 75;
export const CORRECTED = 90;

// The first character of a token is its class.
export const PAIR = "2";
export const WORD = "=";
export const INITIALS = "^";
export const CODE = "#";

const LETTERS = [..."ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"];
const VOWELS = [..."ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"];
const FINALS = [..." ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"];
// NFKC turns the consonants that people type alone into parts of syllables; this turns them back.
/** @type {Map<string, string>} */
const ALONE = new Map([
  ...LETTERS.map((letter, i) => /** @type {[string, string]} */ ([String.fromCharCode(0x1100 + i), letter])),
  ...VOWELS.map((letter, i) => /** @type {[string, string]} */ ([String.fromCharCode(0x1161 + i), letter])),
  ...FINALS.slice(1).map((letter, i) => /** @type {[string, string]} */ ([String.fromCharCode(0x11a8 + i), letter])),
]);
/** @type {Record<string, string>} */
const SINGLE = {
  "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ",
  "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
};
/** @type {Record<string, string>} */
const COMPOUND = { "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ" };

// Runs of one kind: Korean syllables, consonants alone, Latin letters and digits, any other letters.
const RUN = /[가-힣]+|[ㄱ-ㅎ]+|[0-9a-z\u00df-\u024f]+|(?:(?![가-힣ㄱ-ㅣ0-9a-z\u00df-\u024f])[\p{L}\p{N}])+/gu;
const LATIN = /^[0-9a-z\u00df-\u024f]/;
const CONSONANT = /^[ㄱ-ㅎ]/;

const SUFFIXES = [...new Set([...AFTER_FINAL, ...AFTER_VOWEL, ...AFTER_ANY, ...ENDINGS])].sort(
  (a, b) => b.length - a.length || (a < b ? -1 : 1),
);

/**
 * @param {string[]} needs
 * @param {string[]} [bonus]
 * @param {number} [percent]
 * @returns {Way}
 */
const way = (needs, bonus = [], percent = 100) => ({ needs, bonus, percent });

/**
 * @param {Query} query
 * @returns {string[]} all tokens, each once, in order
 */
export function tokensOf(query) {
  return [...new Set(query.terms.flatMap((term) => term.ways.flatMap((one) => [...one.needs, ...one.bonus])))];
}

/**
 * The one form in which texts are compared: compatible characters alike, no case, syllables composed.
 *
 * @param {string} value
 */
export function normalise(value) {
  const folded = value.normalize("NFKC").toLowerCase().replace(/[ßẞ]/g, "ss").replace(/ς/g, "σ");
  return folded.normalize("NFC").replace(/[\u1100-\u11ff]/g, (part) => ALONE.get(part) ?? part);
}

/**
 * Take apart what somebody typed; of more than `MAX_QUERY` characters the first count.
 *
 * @param {string} query
 * @returns {Query}
 */
export function analyse(query) {
  const text = first(normalise(first(query)));
  const runs = runsOf(text);
  const number = national(text, runs.map((run) => run.value).join(""));
  if (number.length >= 7 && /^\p{Nd}+$/u.test(number)) {
    return { text, terms: [{ text: number, ways: [way([CODE + number]), way([WORD + number])] }] };
  }
  const terms = runs.map((run, i) => termOf(run, runs, i)).filter((term) => term.ways.length);
  const telling = terms.filter((term) => !SAYS_NOTHING.has(term.text));
  const once = new Map((telling.length ? telling : terms).map((term) => [term.text, term]));
  return { text, terms: [...once.values()].slice(0, MAX_TERMS) };
}

/** @param {string} text */
const first = (text) => Array.from(text).slice(0, MAX_QUERY).join("");

/**
 * Groups of words that mean the same, and groups of words that are about the same.
 *
 * @param {Iterable<string[]>} same
 * @param {Iterable<string[]>} similar
 * @returns {Thesaurus}
 */
export function thesaurus(same, similar = []) {
  /** @type {Thesaurus} */
  const found = new Map();
  for (const { percent, groups } of [{ percent: SAME, groups: same }, { percent: SIMILAR, groups: similar }]) {
    for (const words of groups) {
      for (const key of new Set(words.map(keyOf))) {
        if (key) found.set(key, [...(found.get(key) ?? []), { words, percent }]);
      }
    }
  }
  return found;
}

/**
 * The query with the other words of the groups of which it has one, whatever the spaces in it. What was said in several
 * words is one term where a group has it as a whole: from the left, the longest first.
 *
 * @param {Query} query
 * @param {Thesaurus} known
 * @returns {Query}
 */
export function widen(query, known) {
  const terms = [];
  for (let start = 0; start < query.terms.length; ) {
    let length = Math.min(LONGEST_SPAN, query.terms.length - start);
    while (length > 1 && !known.has(textOf(query.terms.slice(start, start + length)))) length--;
    const span = query.terms.slice(start, start + length);
    terms.push(withSynonyms(span, known.get(textOf(span)) ?? []));
    start += length;
  }
  return { ...query, terms };
}

/**
 * The query with what its words probably were meant to be.
 *
 * @param {Query} query
 * @param {Map<string, string>} better by the word typed
 * @returns {Query}
 */
export function corrected(query, better) {
  const terms = query.terms.map((term) => {
    const meant = better.get(term.text);
    if (meant === undefined) return term;
    return { ...term, ways: [...term.ways, ...analyseWord(meant).map((one) => ({ ...one, percent: CORRECTED }))] };
  });
  return { ...query, terms };
}

/**
 * @param {string} word
 * @returns {Way[]}
 */
export function analyseWord(word) {
  return analyse(word).terms.flatMap((term) => term.ways);
}

/**
 * A Korean word without its particle or ending (윤활유는 → 윤활유), an English one without its plural.
 *
 * @param {string} word
 * @returns {string}
 */
export function stem(word) {
  if (LATIN.test(word)) {
    if (word.length > 4 && word.endsWith("ies")) return `${word.slice(0, -3)}y`;
    return word.length > 3 && word.endsWith("s") && !/(ss|us|is)$/.test(word) ? word.slice(0, -1) : word;
  }
  for (const suffix of SUFFIXES) {
    if (!word.endsWith(suffix)) continue;
    const rest = word.slice(0, -suffix.length);
    if (rest.length >= 2 && mayFollow(rest, suffix)) return rest;
  }
  return word;
}

/**
 * A pattern for one syllable that begins with a consonant: ㅇ → [아-잏].
 *
 * @param {string} letter
 */
export function beginningWith(letter) {
  const place = LETTERS.indexOf(letter);
  if (place < 0) return escaped(letter);
  const start = 0xac00 + 588 * place;
  return `[${String.fromCharCode(start)}-${String.fromCharCode(start + 587)}]`;
}

/**
 * @param {string} text
 * @returns {string} for a regular expression
 */
export const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/**
 * The keys that are pressed for a word: 윤활유 → ㅇㅠㄴㅎㅗㅏㄹㅇㅠ.
 *
 * @param {string} word
 */
export function strokes(word) {
  return Array.from(word, (c) => {
    if (c < "가" || c > "힣") return c;
    const place = c.charCodeAt(0) - 0xac00;
    const vowel = /** @type {string} */ (VOWELS[Math.floor((place % 588) / 28)]);
    const final = /** @type {string} */ (FINALS[place % 28]);
    return LETTERS[Math.floor(place / 588)] + (COMPOUND[vowel] ?? vowel) + (SINGLE[final] ?? final).trim();
  }).join("");
}

/**
 * @param {string} text
 * @returns {Run[]}
 */
function runsOf(text) {
  // Places are counted in characters; those of two code units are between words, or shift what follows alike.
  const even = text.replace(/[^\p{L}\p{N}\u0000-\uffff]/gu, " ");
  return Array.from(even.matchAll(RUN), (found) => ({
    value: found[0],
    start: found.index,
    end: found.index + found[0].length,
  }));
}

/** @param {string} word */
function pairs(word) {
  const letters = Array.from(word);
  return letters.slice(1).map((letter, i) => PAIR + letters[i] + letter);
}

/**
 * `5W-30`, `5w 30` and `ISO VG 46` as one word: with the one or two that follow, if a digit is in it.
 *
 * @param {Run[]} runs
 * @param {number} i
 */
function joined(runs, i) {
  /** @type {string[]} */
  const found = [];
  let last = /** @type {Run} */ (runs[i]);
  let { value } = last;
  for (const run of runs.slice(i + 1, i + 3)) {
    if (run.start !== last.end + 1 || !LATIN.test(run.value)) break;
    value += run.value;
    last = run;
    if (/\p{Nd}/u.test(value)) found.push(value);
  }
  return found;
}

/**
 * @param {Run} run
 * @param {Run[]} runs
 * @param {number} i
 * @returns {Term}
 */
function termOf(run, runs, i) {
  const word = run.value;
  if (CONSONANT.test(word)) return { text: word, ways: initialWays(runs, i) };
  if (LATIN.test(word)) return { text: word, ways: latinWays(runs, i) };
  const kept = stem(word);
  if (Array.from(kept).length === 1) return { text: kept, ways: [way([WORD + kept])] };
  return { text: kept, ways: [...new Set([kept, word])].map((form) => way(pairs(form), [WORD + kept])) };
}

/**
 * @param {Run[]} runs
 * @param {number} i
 */
function initialWays(runs, i) {
  const word = /** @type {Run} */ (runs[i]).value;
  const ways = word.length > 1 ? [way([INITIALS + word.slice(0, 8)], [`${INITIALS}${word}$`])] : [];
  // Spaces between consonants may stand where the text has none: ㅇㅈ ㅇㅇ is 엔진오일 too.
  let whole = word;
  for (const run of runs.slice(i + 1)) {
    if (!CONSONANT.test(run.value)) break;
    whole += run.value;
    ways.push(way([INITIALS + whole.slice(0, 8)]));
  }
  return ways;
}

/**
 * @param {Run[]} runs
 * @param {number} i
 */
function latinWays(runs, i) {
  const word = /** @type {Run} */ (runs[i]).value;
  /** @type {string[]} */
  const wholes = [];
  for (let k = Math.max(0, i - 2); k <= i; k++) {
    if (!runs.slice(k, i + 1).every((run) => LATIN.test(run.value))) continue;
    joined(runs, k).forEach((whole, n) => {
      if (k + n + 1 >= i) wholes.push(whole);
    });
  }
  const ways = [way([WORD + stem(word)], [], wholes.length ? 50 : 100), ...wholes.map((whole) => way([WORD + whole]))];
  const codes = new Set([word, ...wholes, ...whole(runs)]);
  return [...ways, ...Array.from(codes, (code) => way([CODE + code])).filter((one) => (one.needs[0] ?? "").length > 3)];
}

/**
 * A query of nothing but letters and digits, as the one code it may be (010-1234-5678).
 *
 * @param {Run[]} runs
 */
function whole(runs) {
  const all = runs.map((run) => run.value).join("");
  return runs.every((run) => LATIN.test(run.value)) && /\p{Nd}/u.test(all) ? [all] : [];
}

/**
 * +82 10 … as it is dialled at home, 010 …
 *
 * @param {string} value
 * @param {string} code
 */
function national(value, code) {
  return value.trim().startsWith("+82") ? `0${code.slice(2)}` : code;
}

/** @param {Term[]} terms */
const textOf = (terms) => terms.map((term) => term.text).join("");

/** The words of editors come with every query again. @type {Map<string, string>} */
const keys = new Map();

/** @param {string} word */
function keyOf(word) {
  let key = keys.get(word);
  if (key === undefined) keys.set(word, (key = textOf(analyse(word).terms)));
  return key;
}

/**
 * @param {Term[]} span
 * @param {{words: string[], percent: number}[]} groups
 * @returns {Term}
 */
function withSynonyms(span, groups) {
  const only = /** @type {Term} */ (span[0]);
  if (!groups.length) return only;
  const own = textOf(span);
  const ways = span.length === 1 ? [...only.ways] : [together(span, 100)];
  for (const { words, percent } of groups) {
    for (const word of words) if (keyOf(word) !== own) ways.push(together(analyse(word).terms, percent));
  }
  const once = new Map(ways.map((one) => [JSON.stringify(one), one]));
  return { text: own, ways: [...once.values()] };
}

/**
 * Several terms as one way of having what they say together.
 *
 * @param {Term[]} terms
 * @param {number} percent
 */
function together(terms, percent) {
  const firsts = terms.map((term) => /** @type {Way} */ (term.ways[0]));
  return way([...new Set(firsts.flatMap((one) => one.needs))], firsts.flatMap((one) => one.bonus), percent);
}

/**
 * Whether a particle agrees with the final consonant before it; endings follow anything.
 *
 * @param {string} rest
 * @param {string} suffix
 */
function mayFollow(rest, suffix) {
  const final = (((rest.charCodeAt(rest.length - 1) - 0xac00) % 28) + 28) % 28;
  if (suffix === "로") return final === 0 || final === 8;
  if (AFTER_FINAL.includes(suffix)) return final !== 0;
  return !AFTER_VOWEL.includes(suffix) || final === 0;
}
