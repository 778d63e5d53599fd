/** An order: written down anywhere, submitted once, priced by the office. */

/** @import {App, View} from "./app.js" */
/** @import {Json} from "../engine/types.js" */

import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { badge, conflictNews, fact, fieldsOf, gone, openConflicts, orNull, unsentIds, unsentMark } from "./parts.js";

/** @type {View} */
export const newOrder = {
  title: "order.new",
  nav: "nav.customers",
  inside: true,
  async load(app, accountId) {
    app.form["lines"] ??= [emptyLine(app)];
    return { opened: null, account: await app.own.get("account", accountId), products: await goods(app), conflicts: [], unsent: new Set() };
  },
  show: (app, data) => (data.account ? draft(app, data) : gone(app, "customer.gone")),
};

/** @type {View} */
export const order = {
  title: "order.title",
  nav: "nav.today",
  inside: true,
  async load(app, id) {
    const now = await app.own.open("order", id);
    if (now && now.record["status"] === "draft") {
      app.form["opened"] ??= now;
      app.form["lines"] ??= structuredClone(now.record["lines"] ?? []);
    }
    return {
      now,
      opened: app.form["opened"] ?? null,
      account: now ? await app.own.get("account", now.record["account_id"]) : null,
      products: await goods(app),
      conflicts: await openConflicts(app, id),
      unsent: await unsentIds(app),
    };
  },
  show(app, data) {
    if (!data.now) return gone(app, "order.gone");
    return data.now.record["status"] === "draft" ? draft(app, data) : finished(app, data);
  },
};

/**
 * @param {App} app
 * @returns {Promise<Json[]>}
 */
async function goods(app) {
  const all = await app.own.list("product");
  return all.toSorted((a, b) => (a["name"] < b["name"] ? -1 : 1));
}

/** @param {App} app */
const emptyLine = (app) => ({ id: app.own.mint(), product_id: null, unit: "", quantity: "1.000000" });

/**
 * @param {App} app
 * @param {Json | undefined} product
 */
const nameOf = (app, product) => (app.words.language === "en" && product?.["name_en"]) || product?.["name"] || "–";

/**
 * @param {App} app
 * @param {any} data
 */
function draft(app, { opened, account, products, conflicts, unsent }) {
  const { words, form } = app;
  const record = opened?.record ?? {};
  const submit = async (/** @type {Event} */ event) => {
    const then = /** @type {HTMLButtonElement} */ (/** @type {SubmitEvent} */ (event).submitter).value;
    const typed = fieldsOf(event);
    const complaint = wrongWith(form["lines"]);
    if (complaint) return app.tell(words.say(complaint), "alert");
    if (then === "submit" && !confirm(words.say("order.submit.ask"))) return;
    await keep(app, opened, account, typed, then === "submit");
  };
  return html`
    <h2 class="name"><a href="#/customer/${account?.["id"]}">${account?.["name"] ?? "–"}</a></h2>
    ${opened ? html`<p class="badges">${badge(app, "order", "draft")} ${unsentMark(app, unsent, opened.id)}</p>` : nothing}
    ${conflictNews(app, conflicts)}
    <form @submit=${submit}>
      ${repeat(form["lines"], (/** @type {Json} */ one) => one["id"], (one, i) => line(app, one, i, products))}
      <p class="buttons"><button type="button" @click=${() => { form["lines"].push(emptyLine(app)); void app.draw(); }}>${words.say("order.line.add")}</button></p>
      <div class="card">
        <label>${words.say("field.requested_on")}<input name="requested_on" type="date" value=${record["requested_on"] ?? ""} /></label>
        <label>${words.say("field.note")}<textarea name="note" rows="2" maxlength="20000" .defaultValue=${record["note"] ?? ""}></textarea></label>
      </div>
      <p class="news">${words.say("order.price")}</p>
      <p class="buttons"><button class="main" name="then" value="draft">${words.say("order.draft")}</button>
        <button name="then" value="submit">${words.say("order.submit")}</button></p>
    </form>
  `;
}

/**
 * @param {App} app
 * @param {Json} one
 * @param {number} i
 * @param {Json[]} products
 */
function line(app, one, i, products) {
  const { words, form } = app;
  const product = products.find((each) => each["id"] === one["product_id"]);
  const units = product ? unitsOf(product) : [];
  const choose = (/** @type {Event} */ event) => {
    one["product_id"] = /** @type {HTMLSelectElement} */ (event.target).value || null;
    const chosen = products.find((each) => each["id"] === one["product_id"]);
    one["unit"] = chosen ? (unitsOf(chosen)[0] ?? "") : "";
    void app.draw();
  };
  const drop = () => {
    form["lines"] = form["lines"].filter((/** @type {Json} */ each) => each !== one);
    void app.draw();
  };
  return html`<fieldset class="card">
    <legend>${words.say("order.line", { n: i + 1 })}</legend>
    <label>${words.say("order.product")}
      <select required @change=${choose}>
        <option value="" ?selected=${!product}>${words.say("order.product.choose")}</option>
        ${products.filter((each) => each["status"] !== "discontinued" || each === product).map(
          (each) => html`<option value=${each["id"]} ?selected=${each === product}>${nameOf(app, each)}</option>`)}
      </select></label>
    <div class="two">
      <label>${words.say("order.quantity")}
        <input inputmode="decimal" required autocomplete="off" value=${trimmed(one["quantity"])}
          @input=${(/** @type {Event} */ event) => { one["quantity"] = /** @type {HTMLInputElement} */ (event.target).value; }} /></label>
      <label>${words.say("order.unit")}
        <select ?disabled=${!units.length} @change=${(/** @type {Event} */ event) => { one["unit"] = /** @type {HTMLSelectElement} */ (event.target).value; }}>
          ${units.map((unit) => html`<option ?selected=${unit === one["unit"]}>${unit}</option>`)}
        </select></label>
    </div>
    ${form["lines"].length > 1
      ? html`<button type="button" class="plain" @click=${drop}>${words.say("order.line.remove", { name: product ? nameOf(app, product) : words.say("order.line", { n: i + 1 }) })}</button>`
      : nothing}
  </fieldset>`;
}

/**
 * @param {Json} product
 * @returns {string[]} its base unit first
 */
function unitsOf(product) {
  return [...new Set([product["base_unit"], ...(product["units"] ?? []).map((/** @type {Json} */ one) => one["unit"])])];
}

/**
 * @param {string} quantity
 * @returns {string} 12.000000 → 12
 */
function trimmed(quantity) {
  return quantity.includes(".") ? quantity.replace(/\.?0+$/, "") : quantity;
}

/**
 * A quantity as the wire has it: a decimal string of six places, never a float.
 *
 * @param {string} typed
 * @returns {string | null}
 */
export function quantityOf(typed) {
  const found = /^\s*(\d{1,12})(?:[.,](\d{1,6}))?\s*$/.exec(typed);
  if (!found) return null;
  const text = `${Number(found[1])}.${(found[2] ?? "").padEnd(6, "0")}`;
  return /[1-9]/.test(text) ? text : null;
}

/**
 * @param {Json[]} lines
 * @returns {"order.empty" | "order.quantity.bad" | null}
 */
function wrongWith(lines) {
  if (!lines.length || lines.some((one) => !one["product_id"])) return "order.empty";
  return lines.some((one) => quantityOf(one["quantity"]) === null) ? "order.quantity.bad" : null;
}

/**
 * @param {App} app
 * @param {import("../engine/phone.js").Opened | null} opened
 * @param {Json} account
 * @param {Record<string, string>} typed
 * @param {boolean} submits
 */
async function keep(app, opened, account, typed, submits) {
  const lines = app.form["lines"].map((/** @type {Json} */ one, /** @type {number} */ position) => ({
    ...one, quantity: quantityOf(one["quantity"]), position,
  }));
  const fields = { lines, requested_on: orNull(typed["requested_on"]), note: orNull(typed["note"]) };
  let id = opened?.id ?? "";
  const saved = await app.save(async () => {
    if (opened) await app.own.edit(opened, fields);
    else id = await app.own.create("order", { account_id: account["id"], ...fields });
    const now = submits ? await app.own.open("order", id) : null;
    // Nobody saw a price here, so none is sent: the server's is taken.
    if (now) await app.own.command(now, "submit");
  });
  if (!saved) return;
  app.form = {};
  if (opened) void app.draw();
  else location.replace(`#/order/${id}`);
}

/**
 * @param {App} app
 * @param {any} data
 */
function finished(app, { now, account, products, conflicts, unsent }) {
  const { words } = app;
  const { record } = now;
  return html`
    <h2 class="name"><a href="#/customer/${record["account_id"]}">${account?.["name"] ?? "–"}</a></h2>
    <p class="badges">${badge(app, "order", record["status"])} ${unsentMark(app, unsent, now.id)} <span>${record["number"] ?? ""}</span></p>
    ${conflictNews(app, conflicts)}
    ${goodsTable(app, record, products)}
    ${record["total"] ? nothing : html`<p class="news">${words.say("order.price")}</p>`}
    <dl class="card">
      ${fact(app, "order.held", (record["hold_reasons"] ?? []).map((/** @type {string} */ one) => words.code("order.hold", one)).join(", "))}
      ${fact(app, "field.requested_on", record["requested_on"])}
      ${fact(app, "field.note", record["note"])}
    </dl>
  `;
}

/**
 * Lines and sums of an order, or of the document that an approval is asked for.
 *
 * @param {App} app
 * @param {Json} document
 * @param {Json[]} products
 */
export function goodsTable(app, document, products) {
  const { words } = app;
  const priced = new Map((document["priced"]?.["lines"] ?? []).map((/** @type {Json} */ one) => [one["id"], one]));
  const product = (/** @type {Json} */ one) => products.find((each) => each["id"] === one["product_id"]);
  const sum = (/** @type {import("../words/words.js").Key} */ key, /** @type {string} */ name) =>
    document[name] ? html`<tr><th scope="row" colspan="2">${words.say(key)}</th><td>${words.money(document[name], document["currency"])}</td></tr>` : nothing;
  return html`<table>
    <caption class="hidden">${words.say("field.lines")}</caption>
    <thead><tr><th scope="col">${words.say("order.product")}</th><th scope="col">${words.say("order.quantity")}</th><th scope="col">${words.say("order.total")}</th></tr></thead>
    <tbody>${document["lines"].map((/** @type {Json} */ one) => html`<tr>
      <td>${nameOf(app, product(one))}${one["manual_value"] ? html` <span class="badge">−${words.quantity(one["manual_value"])}${one["manual_kind"] === "percent" ? "%" : ""}</span>` : nothing}</td>
      <td>${words.quantity(one["quantity"])} ${one["unit"]}</td>
      <td>${words.money(priced.get(one["id"])?.["total"], document["currency"])}</td></tr>`)}</tbody>
    <tfoot>${sum("order.net", "net")}${sum("order.tax", "tax")}${sum("order.total", "total")}</tfoot>
  </table>`;
}
