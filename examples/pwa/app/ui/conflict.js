/** A conflict: what was, what I wrote, what stands; and who decides, the decision, without a network too. */

/** @import {App, View} from "./app.js" */
/** @import {Json} from "../engine/types.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { shown } from "./inbox.js";
import { byId, fieldsOf, gone, orNull } from "./parts.js";

const DECIDERS = ["manager", "admin"];

/** @type {View} */
export const conflict = {
  title: "conflict.title",
  nav: "nav.inbox",
  inside: true,
  async load(app, id) {
    const now = await app.own.open("conflict", id);
    const record = now ? await app.own.get(now.record["entity"], now.record["record_id"]) : null;
    const account = now?.record["account_id"] ? await app.own.get("account", now.record["account_id"]) : null;
    const waits = (await app.own.store.queued()).some((one) => one.record_id === id);
    return { now, record, account, users: await byId(app, "user"), waits };
  },
  show(app, { now, record, account, users, waits }) {
    if (!now) return gone(app, "conflict.gone");
    const { words } = app;
    const item = now.record;
    const isMine = item["author_id"] === app.me?.["id"];
    const author = users.get(item["author_id"])?.["name"] ?? "–";
    const name = record?.["name"] ?? record?.["number"] ?? account?.["name"] ?? words.code("entity", item["entity"]);
    const value = (/** @type {string} */ label, /** @type {any} */ side, /** @type {string} */ kind, /** @type {string} */ note = "") =>
      html`<div class="side ${kind}"><dt>${label}${note ? html` <span class="quiet">${note}</span>` : nothing}</dt><dd class="lines">${shown(app, side)}</dd></div>`;
    return html`
      <h2 class="name">${item["entity"] === "account" ? html`<a href="#/customer/${item["record_id"]}">${name}</a>` : name}</h2>
      <p><b>${item["field"] ? words.code("field", item["field"]) : words.code("conflict.kind", item["kind"])}</b> · ${words.say("conflict.what")}</p>
      <dl class="sides">
        ${value(words.say("conflict.base"), item["base"], "base")}
        ${value(isMine ? words.say("conflict.mine") : words.say("conflict.mine.of", { name: author }), item["mine"], "mine", words.moment(item["happened_at"]))}
        ${value(words.say("conflict.theirs"), item["theirs"], "theirs")}
        ${(item["losers"] ?? []).map((/** @type {Json} */ one) =>
          value(words.say("conflict.also", { name: users.get(one["author_id"])?.["name"] ?? "–" }), one["mine"], "mine"))}
      </dl>
      ${waits ? html`<p class="news">${words.say("conflict.deciding")}</p>` : item["state"] === "open" ? decision(app, now, isMine, author) : html`<p class="news">${words.say("conflict.decided")}</p>`}
    `;
  },
};

/**
 * @param {App} app
 * @param {import("../engine/phone.js").Opened} now
 * @param {boolean} isMine
 * @param {string} author
 */
function decision(app, now, isMine, author) {
  const { words } = app;
  const item = now.record;
  const decides = DECIDERS.includes(app.me?.["role"]) || item["assignee_id"] === app.me?.["id"];
  if (!decides && !isMine) return html`<p class="news">${words.say("conflict.open")}</p>`;
  const isValue = ["field", "text", "row"].includes(item["kind"]);
  const typed = isValue && typeof (item["mine"] ?? item["theirs"]) === "string";
  const mine = isMine ? words.say("conflict.choose.own") : words.say("conflict.choose.mine", { name: author });
  /** @type {[string, string][]} */
  const choices = isValue
    ? [["mine", mine], ["theirs", words.say("conflict.choose.theirs")], ["base", words.say("conflict.choose.base")]]
    : [["apply", words.say("conflict.choose.apply")], ["discard", words.say("conflict.choose.discard")]];
  const allowed = decides ? choices : choices.filter(([choice]) => choice === "theirs" || choice === "discard");
  const decide = async (/** @type {Event} */ event) => {
    const choice = /** @type {HTMLButtonElement} */ (/** @type {SubmitEvent} */ (event).submitter).value;
    const { reason, value } = fieldsOf(event);
    /** @type {Json} */
    const args = { choice, record_version: item["record_version"], reason: orNull(reason) };
    if (choice === "value") args["value"] = orNull(value);
    // The version that was looked at goes with it: if somebody changed the record since, nothing is decided.
    if (await app.save(() => app.own.command(now, "resolve", args))) app.go("#/inbox");
  };
  return html`<form class="card" @submit=${decide}>
    <h3>${words.say("conflict.choose")}</h3>
    ${decides ? nothing : html`<p>${words.say("conflict.wait")}</p>`}
    <label>${words.say("conflict.reason")}<input name="reason" maxlength="500" autocomplete="off" /></label>
    <p class="buttons column">${allowed.map(([choice, label], i) => html`<button class=${i ? "" : "main"} value=${choice}>${label}</button>`)}</p>
    ${typed && decides ? html`<label>${words.say("conflict.value")}<textarea name="value" rows="2" maxlength="20000"></textarea></label>
      <p class="buttons"><button value="value">${words.say("conflict.choose.value")}</button></p>` : nothing}
  </form>`;
}
