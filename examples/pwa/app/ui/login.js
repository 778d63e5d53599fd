/** Who is here. Needs the network; everything after it does not. */

/** @import {App, View} from "./app.js" */
/** @import {Json} from "../engine/types.js" */

import { NoAnswer, Refused } from "../engine/client.js";
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { fieldsOf } from "./parts.js";

/** @type {View} */
export const login = {
  title: "login.title",
  async load(app) {
    const people = await app.people.all();
    return { waiting: people.filter((one) => one.unsent > 0), again: null };
  },
  show,
};

/** The same for somebody whose session is over: their work is still here. @type {View} */
export const again = {
  title: "login.title",
  nav: "nav.settings",
  inside: true,
  async load(app) {
    const userId = await app.own.store.read("user_id");
    const people = await app.people.all();
    return { waiting: [], again: people.find((one) => one.user_id === userId) };
  },
  show,
};

/**
 * @param {App} app
 * @param {Json} data
 */
function show(app, data) {
  const say = app.words.say.bind(app.words);
  const known = data["again"];
  return html`
    ${known ? html`<p>${say("login.again.why")}</p>` : nothing}
    <form class="card" @submit=${(/** @type {Event} */ event) => enter(app, event)}>
      <label>${say("login.tenant")}
        <input name="tenant" required autocomplete="organization" autocapitalize="none" spellcheck="false"
          value=${known?.["tenant"] ?? ""} ?readonly=${Boolean(known)} /></label>
      <label>${say("login.login")}
        <input name="login" required autocomplete="username" autocapitalize="none" spellcheck="false"
          value=${known?.["login"] ?? ""} ?readonly=${Boolean(known)} /></label>
      <label>${say("login.password")}
        <input name="password" type="password" required autocomplete="current-password" /></label>
      <button class="main" ?disabled=${app.form["busy"]}>${say(app.form["busy"] ? "login.busy" : "login.go")}</button>
    </form>
    ${data["waiting"].length ? html`<section>
      <h2>${say("login.people")}</h2>
      <ul class="plain-list">
        ${data["waiting"].map((/** @type {Json} */ one) => html`<li>${say("login.unsent", { login: one["login"], n: one["unsent"] })}</li>`)}
      </ul>
    </section>` : nothing}
    ${app.phone ? nothing : html`<div class="languages">
      <button lang="ko" aria-pressed=${app.words.language === "ko"} @click=${() => app.speak("ko")}>한국어</button>
      <button lang="en" aria-pressed=${app.words.language === "en"} @click=${() => app.speak("en")}>English</button>
    </div>`}
  `;
}

/**
 * @param {App} app
 * @param {Event} event
 */
async function enter(app, event) {
  const { tenant = "", login = "", password = "" } = fieldsOf(event);
  app.form["busy"] = true;
  app.hush();
  try {
    const phone = await app.people.logIn(tenant.trim(), login.trim(), password, deviceName());
    // What is kept here is the only copy of unsent work: the browser is asked not to clear it away.
    await navigator.storage?.persist?.().catch(() => false);
    location.hash = "#/today";
    await app.begin(phone);
  } catch (error) {
    app.tell(complaint(app, error), "alert");
  } finally {
    app.form["busy"] = false;
    void app.draw();
  }
}

/**
 * @param {App} app
 * @param {unknown} error
 */
function complaint(app, error) {
  if (error instanceof NoAnswer) return app.words.say(error.waitS ? "login.many" : "login.no_answer");
  if (error instanceof Refused && error.status === 401) return app.words.say("login.failed");
  if (error instanceof Refused) return app.words.say("login.refused", { code: error.code || error.status });
  console.error(error);
  return app.words.say("login.refused", { code: "?" });
}

/** @returns {string} how the device is called in lists and in the history */
function deviceName() {
  const agent = navigator.userAgent;
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac", "Linux"].find((one) => agent.includes(one));
  return `${system ?? "Web"} · Fieldmerge PWA`;
}
