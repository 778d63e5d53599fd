/** What stands around every view: the head with how it stands with the server, news, and the menu. */

/** @import {App, View} from "./app.js" */
/** @import {Key} from "../words/words.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { icons } from "./icons.js";

/** @type {[string, Key][]} */
const MENU = [
  ["today", "nav.today"],
  ["customers", "nav.customers"],
  ["knowledge", "nav.knowledge"],
  ["inbox", "nav.inbox"],
  ["settings", "nav.settings"],
];
/** A clock that is further off than this is worth a word. */
const CLOCK_OFF_MS = 5 * 60_000;

/**
 * @param {App} app
 * @param {string} name
 * @param {View} view
 * @param {unknown} content
 */
export function frame(app, name, view, content) {
  const say = app.words.say.bind(app.words);
  return html`
    <a class="skip" href="#main" @click=${toMain}>${say("app.skip")}</a>
    <header class="head">
      ${view.inside ? back(app) : nothing}
      <h1 tabindex="-1">${say(view.title)}</h1>
      ${app.phone ? standing(app) : nothing}
    </header>
    <main id="main" tabindex="-1">${news(app)}${content}</main>
    <div class="toast" role="status" aria-live="polite">${notice(app, "status")}</div>
    <div class="toast alarm" role="alert">${notice(app, "alert")}</div>
    ${app.phone ? menu(app, view.nav ?? `nav.${name}`) : nothing}
  `;
}

/** @param {Event} event */
function toMain(event) {
  event.preventDefault(); // the address belongs to the views
  document.getElementById("main")?.focus();
}

/** @param {App} app */
function back(app) {
  return html`<button class="plain icon" @click=${() => (history.length > 1 ? history.back() : app.go("#/today"))}>
    ${icon("back")}<span class="hidden">${app.words.say("back")}</span>
  </button>`;
}

/** @param {App} app */
function standing(app) {
  const { words, keeper, counts } = app;
  const { syncing, reached, page } = keeper?.standing ?? { syncing: false, reached: false, page: null };
  const waiting = counts.unsent ? words.say("sync.waiting", { n: counts.unsent }) : words.say("sync.done");
  let text = reached ? waiting : `${words.say("sync.offline")}${counts.unsent ? ` · ${counts.unsent}` : ""}`;
  if (syncing) text = page?.changed ? words.say("sync.progress", { n: page.changed }) : words.say("sync.syncing");
  return html`<button
    class="standing ${reached ? "" : "cut"}"
    aria-busy=${syncing ? "true" : "false"}
    @click=${() => keeper?.soon()}
    aria-label="${text}. ${words.say("sync.now")}"
  >
    ${icon(reached ? "sync" : "offline")}<span>${text}</span>
  </button>`;
}

/** @param {App} app */
function news(app) {
  const { words, keeper } = app;
  const say = words.say.bind(words);
  const { needsLogin, trouble, upgrade } = keeper?.standing ?? {};
  const off = app.clockAheadMs ?? 0;
  const lines = [];
  if (app.update) {
    lines.push(html`<p>${say("update.ready")}</p>
      <button @click=${() => app.update?.()}>${say("update.take")}</button>`);
  }
  if (needsLogin) {
    lines.push(html`<p>${say("login.again.why")}</p>
      <a class="button" href="#/again">${say("login.again")}</a>`);
  }
  if (trouble) lines.push(html`<p>${said(app, trouble)}</p>`);
  if (upgrade) lines.push(html`<p>${say("sync.upgrade")}</p>`);
  if (app.phone && app.budget?.left_out.length) lines.push(html`<p>${say("sync.left_out")}</p>`);
  if (app.phone && Math.abs(off) > CLOCK_OFF_MS) {
    const direction = say(off > 0 ? "sync.clock.fast" : "sync.clock.slow");
    lines.push(html`<p>${say("sync.clock", { span: words.span(Math.abs(off)), direction })}</p>`);
  }
  return lines.map((line) => html`<div class="news">${line}</div>`);
}

/**
 * @param {App} app
 * @param {string} trouble
 */
function said(app, trouble) {
  if (trouble === "storage_full") return app.words.say("sync.storage_full");
  return app.words.say("sync.trouble", { code: app.words.code("code", trouble) });
}

/**
 * @param {App} app
 * @param {"status" | "alert"} kind
 */
function notice(app, kind) {
  if (app.notice?.kind !== kind) return nothing;
  return html`<span>${app.notice.text}</span>
    <button class="plain" @click=${() => app.hush()}>${app.words.say("close")}</button>`;
}

/**
 * @param {App} app
 * @param {string} current
 */
function menu(app, current) {
  return html`<nav class="menu" aria-label=${app.words.say("nav.label")}>
    ${MENU.map(
      ([name, key]) => html`<a href="#/${name}" aria-current=${key === current ? "page" : nothing}>
        ${icon(name)}<span>${app.words.say(key)}</span>
        ${name === "inbox" && app.counts.inbox ? html`<span class="count">${app.counts.inbox}</span>` : nothing}
      </a>`,
    )}
  </nav>`;
}

/** @param {string} name */
function icon(name) {
  return html`<svg viewBox="0 0 24 24" aria-hidden="true">${icons[name]}</svg>`;
}
