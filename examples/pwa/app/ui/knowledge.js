/** Articles: found without a network, and read. */

/** @import {View} from "./app.js" */
/** @import {Json} from "../engine/types.js" */

import { Search } from "../search/search.js";
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { markdown } from "./markdown.js";
import { gone } from "./parts.js";

const SHOWN = 20;

/** One index a person: made when it is first asked, and kept up with the records. @type {WeakMap<object, Search>} */
const searches = new WeakMap();

/** @type {View} */
export const knowledge = {
  title: "knowledge.title",
  async load(app) {
    const phone = app.own;
    let search = searches.get(phone);
    if (!search) searches.set(phone, (search = new Search(phone.store)));
    const wanted = String(app.form["wanted"] ?? "").trim();
    const today = app.words.date(app.now());
    if (wanted) return { answer: await search.find(wanted, { today, limit: SHOWN }), all: [] };
    const all = (await phone.list("article_version")).filter((one) => one["status"] === "published");
    return { answer: null, all: all.toSorted((a, b) => (a["title"] < b["title"] ? -1 : 1)).slice(0, SHOWN) };
  },
  show(app, { answer, all }) {
    const { words, form } = app;
    const type = (/** @type {Event} */ event) => {
      form["wanted"] = /** @type {HTMLInputElement} */ (event.target).value;
      void app.draw();
    };
    return html`
      <search><label>${words.say("knowledge.search")}
        <input type="search" autocomplete="off" enterkeyhint="search" aria-describedby="hint" .value=${form["wanted"] ?? ""} @input=${type} /></label></search>
      <p id="hint" class="quiet">${words.say("knowledge.hint")}</p>
      ${answer?.meant ? html`<p class="news">${words.say("knowledge.meant", { words: answer.meant })}</p>` : nothing}
      ${answer ? html`<p role="status" class="quiet">${answer.total ? words.say("knowledge.count", { n: answer.total }) : words.say("knowledge.none")}</p>
          <div class="list">${answer.hits.map((/** @type {any} */ hit) => row(hit.id, marked(hit.title, hit.ranges), hit.summary))}</div>`
        : all.length ? html`<h2>${words.say("knowledge.all")}</h2><div class="list">${all.map((/** @type {Json} */ one) => row(one["id"], one["title"], one["summary"]))}</div>`
        : html`<p class="empty">${words.say("knowledge.empty")}</p>`}
    `;
  },
};

/**
 * @param {string} id
 * @param {unknown} title
 * @param {string | null} summary
 */
function row(id, title, summary) {
  return html`<a class="row" href="#/article/${id}"><span class="grow"><b>${title}</b><span>${summary ?? ""}</span></span></a>`;
}

/**
 * @param {string} text
 * @param {[number, number][]} ranges of characters, in order
 */
function marked(text, ranges) {
  const letters = Array.from(text);
  const parts = [];
  let at = 0;
  for (const [from, to] of ranges) {
    parts.push(letters.slice(at, from).join(""), html`<mark>${letters.slice(from, to).join("")}</mark>`);
    at = to;
  }
  return [...parts, letters.slice(at).join("")];
}

/** @type {View} */
export const article = {
  title: "knowledge.title",
  nav: "nav.knowledge",
  inside: true,
  load: (app, id) => app.own.get("article_version", id),
  show(app, version) {
    if (!version) return gone(app, "knowledge.gone");
    const { words } = app;
    return html`<article lang=${version["language"]}>
      <h2 class="name">${version["title"]}</h2>
      <p class="quiet" lang=${words.language}>${version["published_at"] ? words.say("knowledge.published", { day: words.day(version["published_at"]) }) : nothing}</p>
      ${version["summary"] ? html`<p><b>${version["summary"]}</b></p>` : nothing}
      <div class="text">${markdown(version["body"] ?? "")}</div>
    </article>`;
  },
};
