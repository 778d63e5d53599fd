/** What waits for a person: approvals, conflicts, and own work that was refused. */

/** @import {App, View} from "./app.js" */
/** @import {Json, Judged} from "../engine/types.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { byId, unsentIds, unsentMark } from "./parts.js";

/** @type {View} */
export const inbox = {
  title: "inbox.title",
  async load(app) {
    const approvals = await app.own.list("approval");
    const conflicts = await app.own.list("conflict");
    return {
      approvals: approvals.filter((one) => app.isAsked(one)),
      conflicts: conflicts.filter((one) => one["state"] === "open").toReversed(),
      refused: await app.own.refusals(),
      accounts: await byId(app, "account"),
      users: await byId(app, "user"),
      unsent: await unsentIds(app),
    };
  },
  show(app, { approvals, conflicts, refused, accounts, users, unsent }) {
    const { words } = app;
    if (!approvals.length && !conflicts.length && !refused.length) return html`<p class="empty">${words.say("inbox.none")}</p>`;
    return html`
      ${approvals.length ? html`<section><h2>${words.say("inbox.approvals")}</h2><div class="list">
        ${approvals.map((/** @type {Json} */ one) => html`<a class="row" href="#/approval/${one["id"]}">
          <span class="grow"><b>${one["title"]}</b><span>${users.get(one["requester_id"])?.["name"] ?? ""} · ${words.moment(one["requested_at"])}</span></span>
          <span>${one["snapshot"]?.["total"] ? words.money(one["snapshot"]["total"], one["snapshot"]["currency"]) : nothing}</span>${unsentMark(app, unsent, one["id"])}
        </a>`)}</div></section>` : nothing}
      ${conflicts.length ? html`<section><h2>${words.say("inbox.conflicts")}</h2><div class="list">
        ${conflicts.map((/** @type {Json} */ one) => html`<a class="row" href="#/conflict/${one["id"]}">
          <span class="grow"><b>${accounts.get(one["account_id"])?.["name"] ?? words.code("entity", one["entity"])}</b>
            <span>${words.code("entity", one["entity"])} · ${one["field"] ? words.code("field", one["field"]) : words.code("conflict.kind", one["kind"])}</span></span>
          <small>${words.moment(one["happened_at"])}</small>${unsentMark(app, unsent, one["id"])}
        </a>`)}</div></section>` : nothing}
      ${refused.length ? html`<section><h2>${words.say("inbox.rejected")}</h2>
        ${refused.map((/** @type {Judged} */ one) => refusal(app, one))}</section>` : nothing}
    `;
  },
};

/**
 * @param {App} app
 * @param {Judged} one
 */
function refusal(app, one) {
  const { words } = app;
  const { verdict, body } = one;
  const errors = verdict.detail?.["errors"] ?? [];
  return html`<div class="card">
    <p><b>${words.code("entity", one.entity)} · ${words.code("inbox.rejected.op", body.op)}</b> <span class="quiet">${words.moment(body.occurred_at)}</span></p>
    <p>${words.say("inbox.rejected.why", { code: words.code("code", verdict.code) })}</p>
    ${errors.length ? html`<ul class="plain-list">${errors.map((/** @type {Json} */ error) => html`<li>${error["pointer"] ?? error["path"] ?? ""} ${words.code("code", error["code"])}</li>`)}</ul>` : nothing}
    <dl>${Object.entries(body.fields).map(([name, value]) => html`<div><dt>${words.code("field", name)}</dt><dd class="lines">${shown(app, value)}</dd></div>`)}</dl>
    <p class="buttons"><button @click=${() => app.own.markSeen(one.n)}>${words.say("inbox.seen")}</button></p>
  </div>`;
}

/**
 * A value of the wire for people.
 *
 * @param {App} app
 * @param {any} value
 * @returns {string}
 */
export function shown(app, value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "✓" : "✗";
  if (Array.isArray(value)) return value.map((one) => shown(app, one)).join(value.some((one) => typeof one === "object") ? "\n" : ", ");
  if (typeof value === "object") {
    const told = Object.entries(value).filter(([name, one]) => name !== "id" && one !== null);
    return told.map(([name, one]) => `${app.words.code("field", name)}: ${shown(app, one)}`).join("\n");
  }
  return String(value);
}
