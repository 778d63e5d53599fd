/** Who is here, in which language, what is kept, and the way out. */

/** @import {App, View} from "./app.js" */

import { APP_VERSION } from "../engine/phone.js";
import { html } from "../vendor/lit-html/lit-html.js";
import { fact } from "./parts.js";

/** @type {View} */
export const settings = {
  title: "settings.title",
  async load(app) {
    const { store } = app.own;
    const space = await navigator.storage?.estimate?.().catch(() => null);
    const kept = await navigator.storage?.persisted?.().catch(() => false);
    return { records: await store.recordCount(), space, kept, unsent: await store.unsentCount() };
  },
  show(app, { records, space, kept, unsent }) {
    const { words, me } = app;
    const heard = app.heardAt ? words.say("sync.last", { time: words.moment(app.heardAt) }) : words.say("sync.never");
    return html`
      <dl class="card">
        ${fact(app, "settings.person", me ? `${me["name"]} · ${words.code("role", me["role"])}` : null)}
        ${fact(app, "settings.records", html`${words.say("settings.records.count", { n: words.number(records) })}<br /><span class="quiet">${heard}</span>`)}
        ${fact(app, "settings.waiting", unsent ? words.say("sync.waiting", { n: unsent }) : words.say("sync.done"))}
        ${fact(app, "settings.storage", space ? html`${words.say("settings.storage.used", { used: words.megabytes(space.usage ?? 0), quota: words.megabytes(space.quota ?? 0) })}<br />
          <span class="quiet">${words.say(kept ? "settings.storage.kept" : "settings.storage.maybe")}</span>` : null)}
      </dl>
      <fieldset class="languages"><legend>${words.say("settings.language")}</legend>
        <button lang="ko" aria-pressed=${words.language === "ko"} @click=${() => app.speak("ko")}>한국어</button>
        <button lang="en" aria-pressed=${words.language === "en"} @click=${() => app.speak("en")}>English</button>
      </fieldset>
      <p class="buttons"><button @click=${() => app.keeper?.soon()}>${words.say("sync.now")}</button>
        <button @click=${() => leave(app, unsent)}>${words.say("settings.logout")}</button></p>
      <p class="quiet">${words.say("settings.version", { v: APP_VERSION })}</p>
    `;
  },
};

/**
 * @param {App} app
 * @param {number} unsent
 */
async function leave(app, unsent) {
  const { words } = app;
  const waits = unsent ? `\n${words.say("settings.logout.unsent", { n: unsent })}` : "";
  if (!confirm(words.say("settings.logout.ask") + waits)) return;
  const phone = app.own;
  app.keeper?.stop();
  await app.people.logOut(phone);
  location.hash = "";
  await app.begin(null);
}
