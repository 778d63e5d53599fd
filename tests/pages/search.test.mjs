/** The published vectors of search, through the web app's copy of the rules. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { highlight, isSpelled, near, rank, spellingKeys, unknown } from "../../examples/pwa/app/search/ranking.js";
import { WORD, analyse, corrected, thesaurus, tokensOf, widen } from "../../examples/pwa/app/search/terms.js";

const read = (name) => JSON.parse(readFileSync(`${process.env.VECTORS}/${name}`, "utf-8"));
const queries = read("search-queries.json");
const ranking = read("search-ranking.json");
const known = thesaurus(ranking.synonyms.same, ranking.synonyms.similar);
const tokens = JSON.parse(readFileSync(process.env.TOKENS, "utf-8"));

for (const { q, synonyms, expected } of queries.vectors) {
  test(`a query is taken apart as on the server: ${q}`, () => {
    assert.deepEqual(widen(analyse(q), thesaurus(synonyms.same, synonyms.similar)), expected);
  });
}

/** As the server searches documents that are nowhere but here. */
function search(q) {
  const seenOf = (query) => {
    const counts = tokensOf(query).map((token) => [token, Object.values(tokens).filter((one) => token in one).length]);
    return new Map(counts.filter(([, count]) => count));
  };
  let query = widen(analyse(q), known);
  let seen = seenOf(query);
  const words = new Set(Object.values(tokens).flatMap((one) => Object.keys(one)).filter((token) => token[0] === WORD));
  const offered = [...words].map((token) => token.slice(1)).filter(isSpelled);
  const better = new Map();
  for (const term of unknown(query, seen)) {
    const [best] = near(term.text, offered);
    if (best) better.set(term.text, best);
  }
  if (better.size) {
    query = widen(corrected(query, better), known);
    seen = seenOf(query);
  }
  const candidates = Object.entries(ranking.documents)
    .map(([key, { published_on, rating, priority }]) => ({
      key, published_on, rating, priority,
      tokens: new Map(Object.entries(tokens[key]).filter(([token]) => tokensOf(query).includes(token))),
    }))
    .filter((one) => one.tokens.size);
  return rank(query, candidates, { seen, today: ranking.today });
}

for (const { q, expected } of ranking.searches) {
  test(`documents come in the server's order with its scores: ${q}`, () => {
    assert.deepEqual(search(q), expected.order);
  });
}

for (const { q, text, expected } of ranking.highlights) {
  test(`the words are found where they stand: ${q}`, () => {
    assert.deepEqual(highlight(analyse(q), text), expected);
  });
}

for (const [word, keys] of Object.entries(ranking.spelling_keys)) {
  test(`a word is spelled by the same keys: ${word}`, () => assert.deepEqual(spellingKeys(word), keys));
}
