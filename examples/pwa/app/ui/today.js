/** The visits of the day, and what comes next. */

/** @import {View} from "./app.js" */
/** @import {Json} from "../engine/types.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { byId, orderRow, unsentIds, visitRow } from "./parts.js";

const SHOWN = 20;

/** @type {View} */
export const today = {
  title: "today.title",
  async load(app) {
    const accounts = await byId(app, "account");
    const own = (await app.own.list("visit")).filter((one) => (one["assignee_id"] ?? app.me?.["id"]) === app.me?.["id"]);
    // A manager's day is the team's.
    const visits = app.me?.["role"] === "manager" ? await app.own.list("visit") : own;
    const day = app.words.date(app.now());
    const dayOf = (/** @type {Json} */ one) => app.words.date(one["planned_start"] ?? one["checked_in_at"] ?? app.now());
    const sorted = visits.toSorted((a, b) => (start(a) < start(b) ? -1 : 1));
    const orders = (await app.own.list("order")).filter((one) => one["status"] === "draft");
    return {
      accounts,
      unsent: await unsentIds(app),
      now: sorted.filter((one) => dayOf(one) === day),
      next: sorted.filter((one) => dayOf(one) > day).slice(0, SHOWN),
      past: sorted.filter((one) => dayOf(one) < day).toReversed().slice(0, SHOWN),
      orders,
      day,
    };
  },
  show(app, { accounts, unsent, now, next, past, orders }) {
    const { words } = app;
    const rows = (/** @type {Json[]} */ list, /** @type {boolean} */ withDay) =>
      repeat(list, (one) => one["id"], (one) => visitRow(app, one, accounts.get(one["account_id"]), unsent, withDay));
    return html`
      <p class="day">${words.day(new Date(app.now()).toISOString())}</p>
      ${now.length ? html`<div class="list">${rows(now, false)}</div>` : html`<p class="empty">${words.say("today.none")}</p>`}
      ${orders.length ? html`<section><h2>${words.say("today.orders")}</h2>
        <div class="list">${orders.map((/** @type {Json} */ one) => orderRow(app, one, accounts.get(one["account_id"]), unsent))}</div></section>` : nothing}
      ${next.length ? html`<section><h2>${words.say("today.next")}</h2><div class="list">${rows(next, true)}</div></section>` : nothing}
      ${past.length ? html`<section><h2>${words.say("today.recent")}</h2><div class="list">${rows(past, true)}</div></section>` : nothing}
    `;
  },
};

/** @param {Json} visit */
const start = (visit) => visit["planned_start"] ?? visit["checked_in_at"] ?? "";
