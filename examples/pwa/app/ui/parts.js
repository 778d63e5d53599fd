/** Small pieces of which views are made. */

/** @import {Json} from "../engine/types.js" */
/** @import {App} from "./app.js" */
/** @import {Key} from "../words/words.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";

/**
 * What a form holds: by the names of its fields.
 *
 * @param {Event} event
 * @returns {Record<string, string>}
 */
export function fieldsOf(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  return Object.fromEntries(Array.from(new FormData(form), ([name, value]) => [name, String(value)]));
}

/**
 * A text as the wire has it: nothing is null.
 *
 * @param {string | undefined} value
 */
export function orNull(value) {
  const trimmed = (value ?? "").trim();
  return trimmed === "" ? null : trimmed;
}

/**
 * @param {App} app
 * @param {string} entity
 * @param {string} status
 */
export function badge(app, entity, status) {
  return html`<span class="badge ${entity}-${status}">${app.words.code(`${entity}.status`, status)}</span>`;
}

/**
 * @param {App} app
 * @param {Set<string>} unsent ids of records with work that was not sent
 * @param {string} id
 */
export function unsentMark(app, unsent, id) {
  return unsent.has(id) ? html`<span class="badge unsent">${app.words.say("unsent")}</span>` : nothing;
}

/**
 * @param {App} app
 * @returns {Promise<Set<string>>} ids of records with work that was not sent
 */
export async function unsentIds(app) {
  return new Set((await app.own.store.queued()).map((one) => one.record_id));
}

/**
 * @param {App} app
 * @param {string} entity
 * @returns {Promise<Map<string, Json>>} by id
 */
export async function byId(app, entity) {
  return new Map((await app.own.list(entity)).map((one) => [one["id"], one]));
}

/**
 * A row of a record's page; left out where there is nothing.
 *
 * @param {App} app
 * @param {Key} label
 * @param {unknown} value
 */
export function fact(app, label, value) {
  if (value === null || value === undefined || value === "" || (Array.isArray(value) && !value.length)) return nothing;
  return html`<div>
    <dt>${app.words.say(label)}</dt>
    <dd>${value}</dd>
  </div>`;
}

/**
 * @param {App} app
 * @param {Key} key
 */
export function gone(app, key) {
  return html`<p class="empty">${app.words.say(key)}</p>`;
}

/**
 * That somebody has to decide about this record.
 *
 * @param {App} app
 * @param {string} recordId
 */
export async function openConflicts(app, recordId) {
  const all = await app.own.list("conflict");
  return all.filter((one) => one["state"] === "open" && one["record_id"] === recordId);
}

/**
 * @param {App} app
 * @param {Json[]} conflicts
 */
export function conflictNews(app, conflicts) {
  return conflicts.map(
    (one) => html`<a class="row warning" href="#/conflict/${one["id"]}">
      <span class="grow">
        <b>${app.words.say("conflict.here")}</b>
        <span>${app.words.code("field", one["field"])}</span>
      </span>
    </a>`,
  );
}

/**
 * A row of a list of visits.
 *
 * @param {App} app
 * @param {Json} visit
 * @param {Json | undefined} account
 * @param {Set<string>} unsent
 * @param {boolean} [withDay]
 */
export function visitRow(app, visit, account, unsent, withDay = false) {
  const { words } = app;
  const time = visit["planned_start"] ?? visit["checked_in_at"];
  return html`<a class="row" href="#/visit/${visit["id"]}">
    <span class="time">${withDay ? words.day(time) : nothing} <b>${words.clock(time)}</b></span>
    <span class="grow">
      <b>${account?.["name"] ?? words.say("entity.visit")}</b>
      <span>${words.code("visit.purpose", visit["purpose"])}${account?.["sigungu"] ? ` · ${account["sigungu"]}` : ""}</span>
    </span>
    ${badge(app, "visit", visit["status"])}${unsentMark(app, unsent, visit["id"])}
  </a>`;
}

/**
 * A row of a list of orders.
 *
 * @param {App} app
 * @param {Json} order
 * @param {Json | undefined} account
 * @param {Set<string>} unsent
 */
export function orderRow(app, order, account, unsent) {
  const { words } = app;
  const lines = order["lines"]?.length ?? 0;
  return html`<a class="row" href="#/order/${order["id"]}">
    <span class="grow">
      <b>${order["number"] ?? account?.["name"] ?? words.say("order.unnumbered")}</b>
      <span>${words.say("order.products", { n: lines })}${order["total"] ? ` · ${words.money(order["total"], order["currency"])}` : ""}</span>
    </span>
    ${badge(app, "order", order["status"])}${unsentMark(app, unsent, order["id"])}
  </a>`;
}
