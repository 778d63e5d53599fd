/** Customers: the list, one of them, and the form to change them. */

/** @import {App, View} from "./app.js" */
/** @import {Json} from "../engine/types.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import {
  conflictNews, fact, fieldsOf, gone, openConflicts, orNull, orderRow, unsentIds, unsentMark, visitRow,
} from "./parts.js";

const SHOWN = 40;

/** @type {View} */
export const customers = {
  title: "customers.title",
  async load(app) {
    const all = await app.own.list("account");
    return { all: all.toSorted((a, b) => (a["name"] < b["name"] ? -1 : 1)), unsent: await unsentIds(app) };
  },
  show(app, { all, unsent }) {
    const { words, form } = app;
    const wanted = String(form["wanted"] ?? "").normalize("NFC").toLowerCase();
    const digits = wanted.replace(/\D/g, "");
    const fits = (/** @type {Json} */ one) =>
      [one["name"], one["legal_name"], one["address"], one["sigungu"], one["code"]].some((text) => text?.toLowerCase().includes(wanted)) ||
      (digits.length > 3 && one["phone"]?.replace(/^\+82/, "0").includes(digits));
    const found = wanted ? all.filter(fits) : all;
    const shown = found.slice(0, form["shown"] ?? SHOWN);
    const type = (/** @type {Event} */ event) => {
      form["wanted"] = /** @type {HTMLInputElement} */ (event.target).value;
      form["shown"] = SHOWN;
      void app.draw();
    };
    return html`
      <search><label>${words.say("customers.search")}
        <input type="search" autocomplete="off" enterkeyhint="search" .value=${form["wanted"] ?? ""} @input=${type} /></label></search>
      <p role="status" class="quiet">${found.length ? words.say("customers.count", { n: words.number(found.length) }) : words.say("customers.none")}</p>
      <div class="list">${repeat(shown, (one) => one["id"], (one) => row(app, one, unsent))}</div>
      ${found.length > shown.length
        ? html`<button @click=${() => { form["shown"] = shown.length + SHOWN; void app.draw(); }}>${words.say("more")}</button>`
        : nothing}
    `;
  },
};

/**
 * @param {App} app
 * @param {Json} account
 * @param {Set<string>} unsent
 */
function row(app, account, unsent) {
  const place = [account["sido"], account["sigungu"]].filter(Boolean).join(" ");
  return html`<a class="row" href="#/customer/${account["id"]}">
    <span class="grow"><b>${account["name"]}</b><span>${place}</span></span>
    ${account["tier"] ? html`<span class="badge">${account["tier"]}</span>` : nothing}${unsentMark(app, unsent, account["id"])}
  </a>`;
}

/** @type {View} */
export const customer = {
  title: "entity.account",
  nav: "nav.customers",
  inside: true,
  async load(app, id) {
    const account = await app.own.get("account", id);
    const of = async (/** @type {string} */ entity) =>
      (await app.own.list(entity)).filter((one) => one["account_id"] === id);
    const byTime = (/** @type {string} */ name) => (/** @type {Json} */ a, /** @type {Json} */ b) => ((a[name] ?? "") < (b[name] ?? "") ? 1 : -1);
    return {
      account,
      contacts: await of("contact"),
      visits: (await of("visit")).toSorted(byTime("planned_start")).slice(0, 10),
      orders: (await of("order")).toSorted(byTime("taken_at")).slice(0, 10),
      sells: (await app.own.list("product")).length > 0 && app.me?.["role"] !== "technician",
      conflicts: await openConflicts(app, id),
      unsent: await unsentIds(app),
    };
  },
  show(app, { account, contacts, visits, orders, sells, conflicts, unsent }) {
    if (!account) return gone(app, "customer.gone");
    const { words } = app;
    const phone = account["phone"];
    return html`
      <h2 class="name">${account["name"]} ${unsentMark(app, unsent, account["id"])}</h2>
      ${conflictNews(app, conflicts)}
      <dl class="card">
        ${fact(app, "field.legal_name", account["legal_name"])}
        ${fact(app, "field.phone", phone && html`<a href="tel:${phone}">${phone}</a>`)}
        ${fact(app, "field.address", account["address"])}
        ${fact(app, "field.opening_hours", account["opening_hours"])}
        ${fact(app, "field.payment_terms", account["payment_terms"])}
        ${fact(app, "field.tags", account["tags"]?.length ? account["tags"].map((/** @type {string} */ tag) => html`<span class="tag">${tag}</span> `) : null)}
        ${fact(app, "field.notes", account["notes"] && html`<span class="lines">${account["notes"]}</span>`)}
        ${contacts.map((/** @type {Json} */ one) => fact(app, "customer.contact", html`${one["name"]} ${one["job_title"] ?? ""} ${one["phone"] ? html`<a href="tel:${one["phone"]}">${one["phone"]}</a>` : nothing}`))}
      </dl>
      <p class="buttons">
        <a class="button" href="#/edit/${account["id"]}">${words.say("customer.edit")}</a>
        ${sells ? html`<a class="button" href="#/new-order/${account["id"]}">${words.say("customer.order")}</a>` : nothing}
      </p>
      ${visits.length ? html`<section><h2>${words.say("customer.visits")}</h2>
        <div class="list">${visits.map((/** @type {Json} */ one) => visitRow(app, one, account, unsent, true))}</div></section>` : nothing}
      ${orders.length ? html`<section><h2>${words.say("customer.orders")}</h2>
        <div class="list">${orders.map((/** @type {Json} */ one) => orderRow(app, one, account, unsent))}</div></section>` : nothing}
    `;
  },
};

/** The form. It is based on what it showed when it was opened, whatever comes meanwhile. @type {View} */
export const editCustomer = {
  title: "customer.edit",
  nav: "nav.customers",
  inside: true,
  async load(app, id) {
    app.form["opened"] ??= await app.own.open("account", id);
    return app.form["opened"];
  },
  show(app, opened) {
    if (!opened) return gone(app, "customer.gone");
    const { words } = app;
    const { record } = opened;
    const field = (/** @type {import("../words/words.js").Key} */ key, /** @type {string} */ name, /** @type {string} */ type = "text") =>
      html`<label>${words.say(key)}<input name=${name} type=${type} maxlength="500" autocomplete="off" value=${record[name] ?? ""} /></label>`;
    const save = async (/** @type {Event} */ event) => {
      const typed = fieldsOf(event);
      /** @type {Json} */
      const changes = {};
      for (const name of ["legal_name", "phone", "opening_hours"]) changes[name] = orNull(typed[name]);
      changes["notes"] = typed["notes"] === "" ? null : (typed["notes"]?.replace(/\r\n/g, "\n") ?? null);
      changes["tags"] = [...new Set((typed["tags"] ?? "").split(",").map((tag) => tag.trim()).filter(Boolean))];
      // What nobody touched is no change, whatever a form makes of it (empty texts, orders of tags).
      for (const name of Object.keys(changes)) if (changes[name] === null && !record[name]) delete changes[name];
      if (String(changes["tags"]) === String(record["tags"] ?? [])) delete changes["tags"];
      if (await app.save(() => app.own.edit(opened, changes))) history.back();
    };
    return html`<form class="card" @submit=${save}>
      <p><b>${record["name"]}</b></p>
      ${field("field.phone", "phone", "tel")}
      ${field("field.legal_name", "legal_name")}
      ${field("field.opening_hours", "opening_hours")}
      <label>${words.say("field.tags")} <small>${words.say("field.tags.hint")}</small>
        <input name="tags" maxlength="2000" autocomplete="off" value=${(record["tags"] ?? []).join(", ")} /></label>
      <label>${words.say("field.notes")}<textarea name="notes" rows="7" maxlength="20000" .defaultValue=${record["notes"] ?? ""}></textarea></label>
      <p class="buttons"><button class="main">${words.say("save")}</button>
        <button type="button" @click=${() => history.back()}>${words.say("cancel")}</button></p>
    </form>`;
  },
};

