/** One visit: where it stands, what is to be done, what was found. */

/** @import {App, View} from "./app.js" */
/** @import {Json} from "../engine/types.js" */
/** @import {Key} from "../words/words.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { badge, conflictNews, fact, fieldsOf, gone, openConflicts, orNull, unsentIds, unsentMark } from "./parts.js";

/** What can be done next, by where the visit stands. @type {Record<string, string[]>} */
const STEPS = {
  planned: ["check_in", "start_travel"],
  en_route: ["check_in"],
  missed: ["check_in"],
  checked_in: ["check_out"],
  checked_out: ["complete"],
};
const WITH_POSITION = ["check_in", "check_out"];
const FIX_MS = 4_000;

/** @type {View} */
export const visit = {
  title: "visit.title",
  nav: "nav.today",
  inside: true,
  async load(app, id) {
    const now = await app.own.open("visit", id);
    // What is typed is based on what stood there when the form was opened.
    app.form["opened"] ??= now;
    return {
      now,
      account: now ? await app.own.get("account", now.record["account_id"]) : null,
      conflicts: await openConflicts(app, id),
      unsent: await unsentIds(app),
    };
  },
  show(app, { now, account, conflicts, unsent }) {
    if (!now) return gone(app, "visit.gone");
    const { words } = app;
    const { record } = now;
    const steps = STEPS[record["status"]] ?? [];
    return html`
      <h2 class="name"><a href="#/customer/${record["account_id"]}">${account?.["name"] ?? words.say("visit.at")}</a></h2>
      <p class="badges">${badge(app, "visit", record["status"])} ${unsentMark(app, unsent, now.id)}
        <span class="badge">${words.code("visit.purpose", record["purpose"])}</span></p>
      ${conflictNews(app, conflicts)}
      <dl class="card">
        ${fact(app, "field.planned_start", words.moment(record["planned_start"]))}
        ${fact(app, "field.address", account?.["address"])}
        ${fact(app, "field.instructions", record["instructions"] && html`<span class="lines">${record["instructions"]}</span>`)}
      </dl>
      ${steps.length ? html`<p class="buttons">
        ${steps.map((step, i) => html`<button class=${i ? "" : "main"} @click=${() => take(app, now, step)}>${words.say(/** @type {Key} */ (`visit.do.${step}`))}</button>`)}
      </p>` : nothing}
      ${steps.some((step) => WITH_POSITION.includes(step)) ? html`<p class="quiet">${words.say("visit.position")}</p>` : nothing}
      ${tasks(app, now)}
      ${report(app)}
    `;
  },
};

/**
 * @param {App} app
 * @param {import("../engine/phone.js").Opened} now
 */
function tasks(app, now) {
  /** @type {Json[]} */
  const rows = (now.record["tasks"] ?? []).toSorted((/** @type {Json} */ a, /** @type {Json} */ b) => a["position"] - b["position"]);
  if (!rows.length) return nothing;
  const tick = (/** @type {Json} */ row, /** @type {boolean} */ done) =>
    app.save(() =>
      app.own.edit(now, { tasks: now.record["tasks"].map((/** @type {Json} */ one) => (one["id"] === row["id"] ? { ...one, done } : one)) }),
    );
  return html`<section><h2>${app.words.say("field.tasks")}</h2><div class="list">
    ${repeat(rows, (row) => row["id"], (row) => html`<label class="row tick">
      <input type="checkbox" .checked=${Boolean(row["done"])} @change=${(/** @type {Event} */ event) => tick(row, /** @type {HTMLInputElement} */ (event.target).checked)} />
      <span class="grow"><b>${row["title"]}</b>${row["required"] ? html`<span>${app.words.say("visit.required")}</span>` : nothing}</span>
    </label>`)}
  </div></section>`;
}

/** @param {App} app */
function report(app) {
  const { words } = app;
  const opened = app.form["opened"];
  if (!opened) return nothing;
  const save = async (/** @type {Event} */ event) => {
    const typed = fieldsOf(event);
    const changes = {
      outcome: orNull(typed["outcome"]),
      next_step: orNull(typed["next_step"]),
      report: typed["report"] === "" ? null : (typed["report"]?.replace(/\r\n/g, "\n") ?? null),
    };
    if (await app.save(() => app.own.edit(opened, changes))) {
      app.form["opened"] = await app.own.open("visit", opened.id); // the next edit goes on from here
      void app.draw();
    }
  };
  const { record } = opened;
  return html`<form class="card" @submit=${save}>
    <label>${words.say("field.outcome")}<input name="outcome" maxlength="500" autocomplete="off" value=${record["outcome"] ?? ""} /></label>
    <label>${words.say("field.report")}<textarea name="report" rows="5" maxlength="20000" .defaultValue=${record["report"] ?? ""}></textarea></label>
    <label>${words.say("field.next_step")}<input name="next_step" maxlength="500" autocomplete="off" value=${record["next_step"] ?? ""} /></label>
    <p class="buttons"><button class="main">${words.say("save")}</button></p>
  </form>`;
}

/**
 * @param {App} app
 * @param {import("../engine/phone.js").Opened} now
 * @param {string} step
 */
async function take(app, now, step) {
  if (app.form["stepping"]) return; // a second tap while the position is looked for
  app.form["stepping"] = true;
  const args = WITH_POSITION.includes(step) ? { location: await position() } : {};
  await app.save(() => app.own.command(now, step, args));
  app.form["stepping"] = false;
}

/** @returns {Promise<Json | null>} where the phone is; null where it may not or cannot say so in time */
function position() {
  return new Promise((resolve) => {
    if (!navigator.geolocation) return resolve(null);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude, accuracy_m: Math.min(coords.accuracy, 100_000) }),
      () => resolve(null),
      { timeout: FIX_MS, maximumAge: 60_000, enableHighAccuracy: true },
    );
  });
}
