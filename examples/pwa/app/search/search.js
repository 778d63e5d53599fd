/**
 * Search without a network, over what the phone holds: the server's rules, and the same answers. The tokens of an
 * article come with its record; here they are an index in memory, made anew from the records whenever the app starts,
 * so that nothing is left of what was wiped.
 */

/** @import {Held, Json} from "../engine/types.js" */
/** @import {Store} from "../engine/store.js" */
/** @import {Candidate} from "./ranking.js" */
/** @import {Query} from "./terms.js" */

import { SEEN_AT_MOST, highlight, isSpelled, near, rank, spellingKeys, unknown } from "./ranking.js";
import { WORD, analyse, corrected, thesaurus, tokensOf, widen } from "./terms.js";

/**
 * @typedef {{version: number, head: number, body: Json, priority: number, tokens: Map<string, number>}} Document
 * @typedef {{id: string, title: string, summary: string | null, ranges: [number, number][]}} Hit
 */

export class Search {
  /** @param {Store} store whose records are searched */
  constructor(store) {
    this.store = store;
    /** @type {Map<string, Document>} */
    this.documents = new Map();
    /** Ids of documents by token. @type {Map<string, Set<string>>} */
    this.having = new Map();
    /** Words by their spelling keys. @type {Map<string, Set<string>>} */
    this.words = new Map();
    this.synonyms = thesaurus([]);
  }

  /**
   * The articles that answer, best first.
   *
   * @param {string} q
   * @param {{today: string, limit?: number, language?: string}} options
   * @returns {Promise<{hits: Hit[], total: number, meant: string | null}>}
   */
  async find(q, { today, limit = 5, language }) {
    await this.catchUp();
    let query = widen(analyse(q), this.synonyms);
    let seen = this.#seen(query);
    const better = this.#better(query, seen);
    let meant = null;
    if (better.size) {
      meant = query.terms.map((term) => better.get(term.text) ?? term.text).join(" ");
      query = widen(corrected(query, better), this.synonyms);
      seen = this.#seen(query);
    }
    const ranked = rank(query, this.#candidates(query, language), { seen, today });
    const hits = ranked.slice(0, limit).map(({ key }) => {
      const { title, summary } = /** @type {any} */ (this.documents.get(key)?.body);
      return { id: key, title, summary, ranges: highlight(query, title) };
    });
    return { hits, total: ranked.length, meant };
  }

  /** Take in what synced since the last search: new articles, changed ones, those that are gone. */
  async catchUp() {
    const [articles, versions, groups] = await Promise.all(
      ["article", "article_version", "synonym_group"].map((entity) => this.store.records(entity)),
    );
    const meaning = (/** @type {string} */ how) =>
      (groups ?? []).filter((held) => held.body["meaning"] === how).map((held) => held.body["words"]);
    this.synonyms = thesaurus(meaning("same"), meaning("similar"));
    const heads = new Map((articles ?? []).map((held) => [held.id, held]));
    const wanted = new Set((versions ?? []).map((held) => held.id));
    for (const id of [...this.documents.keys()]) if (!wanted.has(id)) this.#forget(id);
    for (const held of versions ?? []) {
      const head = heads.get(held.body["article_id"]);
      const known = this.documents.get(held.id);
      // A new rank of the article alone changes its order too.
      if (known?.version === held.version && known.head === (head?.version ?? 0)) continue;
      this.#forget(held.id);
      this.#take(held, head);
    }
  }

  /** @param {string} id */
  #forget(id) {
    for (const token of this.documents.get(id)?.tokens.keys() ?? []) this.having.get(token)?.delete(id);
    this.documents.delete(id);
  }

  /**
   * @param {Held} held
   * @param {Held | undefined} head
   */
  #take({ id, version, body }, head) {
    // Versions that a visit used stay on the phone; only what is out is found.
    const out = body["status"] === "published" ? (body["tokens"] ?? {}) : {};
    /** @type {Map<string, number>} */
    const tokens = new Map(Object.entries(out));
    this.documents.set(id, { version, head: head?.version ?? 0, body, priority: head?.body["priority"] ?? 0, tokens });
    for (const token of tokens.keys()) {
      into(this.having, token, id);
      const word = token.slice(1);
      if (token[0] === WORD && isSpelled(word)) for (const key of spellingKeys(word)) into(this.words, key, word);
    }
  }

  /**
   * Of how many articles each token is, those that have none left out.
   *
   * @param {Query} query
   */
  #seen(query) {
    /** @type {Map<string, number>} */
    const seen = new Map();
    for (const token of tokensOf(query)) {
      const count = this.having.get(token)?.size ?? 0;
      if (count) seen.set(token, Math.min(count, SEEN_AT_MOST));
    }
    return seen;
  }

  /**
   * For words that no article has: the word that was probably meant.
   *
   * @param {Query} query
   * @param {Map<string, number>} seen
   */
  #better(query, seen) {
    /** @type {Map<string, string>} */
    const found = new Map();
    for (const term of unknown(query, seen)) {
      const offered = new Set(spellingKeys(term.text).flatMap((key) => [...(this.words.get(key) ?? [])]));
      const [best] = near(term.text, [...offered].filter((word) => this.having.get(WORD + word)?.size));
      if (best !== undefined) found.set(term.text, best);
    }
    return found;
  }

  /**
   * Every article with any token of the query, with those that it has.
   *
   * @param {Query} query
   * @param {string | undefined} language
   */
  #candidates(query, language) {
    /** @type {Map<string, Candidate>} */
    const found = new Map();
    for (const token of tokensOf(query)) {
      for (const key of this.having.get(token) ?? []) {
        const { body, priority, tokens } = /** @type {Document} */ (this.documents.get(key));
        if (language !== undefined && body["language"] !== language) continue;
        const one = found.get(key) ?? {
          key, tokens: new Map(), published_on: body["published_at"]?.slice(0, 10) ?? null, rating: body["rating"] ?? 0, priority,
        };
        one.tokens.set(token, tokens.get(token) ?? 0);
        found.set(key, one);
      }
    }
    return found.values();
  }
}

/**
 * @param {Map<string, Set<string>>} sets
 * @param {string} key
 * @param {string} value
 */
function into(sets, key, value) {
  const found = sets.get(key);
  if (found) found.add(value);
  else sets.set(key, new Set([value]));
}
