/**
 * Articles are Markdown. Its tokens become templates, never markup out of a text: what somebody wrote cannot run here.
 * The server allows no raw HTML and no pictures in articles; should there be any, it is shown as the text that it is.
 */

/** @import {Token, Tokens} from "../vendor/marked.js" */

import { Lexer } from "../vendor/marked.js";
import { html } from "../vendor/lit-html/lit-html.js";

const ALLOWED = /^(https?:|mailto:|tel:)/i;

/**
 * @param {string} text
 * @returns {unknown}
 */
export function markdown(text) {
  return Lexer.lex(text).map(block);
}

/** @param {Token} token @returns {unknown} */
function block(token) {
  switch (token.type) {
    case "heading":
      return heading(/** @type {Tokens.Heading} */ (token));
    case "paragraph":
      return html`<p>${inside(token)}</p>`;
    case "list":
      return list(/** @type {Tokens.List} */ (token));
    case "blockquote":
      return html`<blockquote>${(token.tokens ?? []).map(block)}</blockquote>`;
    case "code":
      return html`<pre tabindex="0"><code>${token["text"]}</code></pre>`;
    case "table":
      return table(/** @type {Tokens.Table} */ (token));
    case "hr":
      return html`<hr />`;
    case "space":
      return "";
    default:
      return token.type === "text" ? inside(token) : token.raw;
  }
}

/** The page has its own first two levels. @param {Tokens.Heading} token */
function heading(token) {
  if (token.depth <= 2) return html`<h3>${inside(token)}</h3>`;
  return token.depth === 3 ? html`<h4>${inside(token)}</h4>` : html`<h5>${inside(token)}</h5>`;
}

/** @param {Tokens.List} token */
function list(token) {
  const items = token.items.map((item) => html`<li>${item.tokens.map(block)}</li>`);
  return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
}

/** @param {Tokens.Table} token */
function table(token) {
  const cells = (/** @type {Tokens.TableCell[]} */ row) => row.map((cell) => html`<td>${cell.tokens.map(inline)}</td>`);
  return html`<div class="wide" tabindex="0" role="group"><table>
    <thead><tr>${token.header.map((cell) => html`<th scope="col">${cell.tokens.map(inline)}</th>`)}</tr></thead>
    <tbody>${token.rows.map((row) => html`<tr>${cells(row)}</tr>`)}</tbody>
  </table></div>`;
}

/** @param {Token} token @returns {unknown} */
function inside(token) {
  return "tokens" in token && token.tokens ? token.tokens.map(inline) : plain(token);
}

/** @param {Token} token @returns {unknown} */
function inline(token) {
  switch (token.type) {
    case "strong":
      return html`<strong>${inside(token)}</strong>`;
    case "em":
      return html`<em>${inside(token)}</em>`;
    case "del":
      return html`<s>${inside(token)}</s>`;
    case "codespan":
      return html`<code>${plain(token)}</code>`;
    case "br":
      return html`<br />`;
    case "link":
      return ALLOWED.test(token["href"]) ? html`<a href=${token["href"]} rel="noreferrer" target="_blank">${inside(token)}</a>` : inside(token);
    case "text":
    case "escape":
      return inside(token);
    default:
      return token.raw;
  }
}

/** @param {Token} token @returns {string} */
function plain(token) {
  return "text" in token ? String(token["text"]) : token.raw;
}
