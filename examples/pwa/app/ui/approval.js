/** What somebody asks approval for, whole; and the decision about exactly that. */

/** @import {View} from "./app.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { goodsTable } from "./order.js";
import { badge, byId, fact, fieldsOf, gone, orNull } from "./parts.js";

/** @type {View} */
export const approval = {
  title: "approval.title",
  nav: "nav.inbox",
  inside: true,
  async load(app, id) {
    const now = await app.own.open("approval", id);
    return {
      now,
      account: now?.record["account_id"] ? await app.own.get("account", now.record["account_id"]) : null,
      users: await byId(app, "user"),
      products: await app.own.list("product"),
      waits: (await app.own.store.queued()).some((one) => one.record_id === id),
    };
  },
  show(app, { now, account, users, products, waits }) {
    if (!now) return gone(app, "approval.gone");
    const { words } = app;
    const request = now.record;
    const requester = users.get(request["requester_id"])?.["name"] ?? "–";
    const decide = async (/** @type {Event} */ event) => {
      const verb = /** @type {HTMLButtonElement} */ (/** @type {SubmitEvent} */ (event).submitter).value;
      const comment = orNull(fieldsOf(event)["comment"]);
      if (verb === "return" && comment === null) return app.tell(words.say("approval.comment.needed"), "alert");
      // The hash of the document that is shown here: should it have changed, nothing is approved.
      const args = { document_hash: request["document_hash"], ...(comment ? { comment } : {}) };
      if (await app.save(() => app.own.command(now, verb, args))) app.go("#/inbox");
    };
    const metrics = Object.entries(request["metrics"] ?? {}).filter(([, value]) => value !== null);
    return html`
      <h2 class="name">${account?.["name"] ?? request["title"]}</h2>
      <p class="badges">${badge(app, "approval", request["status"])} <span>${request["title"]}</span></p>
      <p>${words.say("approval.asks", { name: requester })} <span class="quiet">${words.moment(request["requested_at"])}</span></p>
      <dl class="card">
        ${fact(app, "approval.reasons", request["reasons"].map((/** @type {string} */ one) => words.code("approval.reason", one)).join(", "))}
        ${fact(app, "approval.metrics", metrics.map(([name, value]) => `${words.code("approval.reason", name)} ${isNaN(Number(value)) ? value : words.quantity(String(value))}`).join(" · "))}
      </dl>
      ${request["snapshot"] ? goodsTable(app, request["snapshot"], products) : nothing}
      <p class="quiet">${words.say("approval.document", { hash: String(request["document_hash"]).slice(0, 12) })}</p>
      ${waits ? html`<p class="news">${words.say("approval.deciding")}</p>` : app.isAsked(request) ? html`<form class="card" @submit=${decide}>
        <label>${words.say("approval.comment")}<input name="comment" maxlength="500" autocomplete="off" /></label>
        <p class="buttons"><button class="main" value="approve">${words.say("approval.approve")}</button>
          <button value="return">${words.say("approval.return")}</button></p>
      </form>` : nothing}
    `;
  },
};
