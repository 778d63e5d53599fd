/** Talking to the server: log in, stay logged in. What was not answered is asked again by the next sync. */

/** @import {Json} from "./types.js" */
/** @import {Store} from "./store.js" */

export const API = "/api/v1";
const TIMEOUT_MS = 30_000;

/** The session is over; the queue stays until the person has logged in again. */
export class NeedsLogin extends Error {}

/** The server did not answer, or was too busy. Nothing is lost: try later. */
export class NoAnswer extends Error {
  /** @param {number} [waitS] how long the server wants to be left alone */
  constructor(waitS = 0) {
    super("no answer");
    this.waitS = waitS;
  }
}

/** The server refused the whole request, with a stable code. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {Json} problem
   */
  constructor(status, problem) {
    super(`${status} ${problem["code"] ?? ""}`);
    this.status = status;
    this.code = String(problem["code"] ?? "");
    this.problem = problem;
  }
}

/** @typedef {(path: string, request: RequestInit) => Promise<Response>} Send */

/** @type {Send} */
export const overHttp = (path, request) =>
  fetch(API + path, { ...request, signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store", credentials: "omit" });

/**
 * One request, one answer.
 *
 * @param {Send} send
 * @param {string} method
 * @param {string} path
 * @param {Json | null} body
 * @param {Record<string, string>} [headers]
 * @returns {Promise<Response>} of any status but those that say: later
 */
async function exchange(send, method, path, body, headers = {}) {
  let reply;
  try {
    reply = await send(path, {
      method,
      headers: body === null ? headers : { ...headers, "Content-Type": "application/json" },
      body: body === null ? null : JSON.stringify(body),
    });
  } catch {
    throw new NoAnswer();
  }
  if ([429, 502, 503, 504].includes(reply.status)) throw new NoAnswer(Number(reply.headers.get("retry-after")) || 0);
  return reply;
}

/**
 * @param {Response} reply
 * @returns {Promise<Json>}
 */
async function content(reply) {
  let found;
  try {
    const text = await reply.text();
    found = text ? JSON.parse(text) : {};
  } catch {
    // Cut off on the way, or the page of a hotel's network: no answer of the server's.
    throw new NoAnswer();
  }
  if (!reply.ok) throw new Refused(reply.status, found);
  return found;
}

/**
 * @param {{tenant: string, login: string, password: string, device: Json}} who
 * @param {Send} [send]
 */
export async function logIn(who, send = overHttp) {
  return content(await exchange(send, "POST", "/auth/login", who));
}

/** Sends JSON with the tokens of one person's store. */
export class Client {
  /**
   * @param {Store} store
   * @param {string} name of the store: two tabs with the same never exchange tokens at once
   * @param {Send} [send]
   */
  constructor(store, name, send = overHttp) {
    this.store = store;
    this.name = name;
    this.send = send;
  }

  /**
   * Send as the person who is logged in.
   *
   * @param {string} method
   * @param {string} path below /api/v1
   * @param {() => Promise<Json | null>} [build] makes the body, anew for each try: it says how old each mutation is
   * @returns {Promise<Json>}
   */
  async call(method, path, build = async () => null) {
    const tokens = await this.store.read("tokens");
    if (!tokens) throw new NeedsLogin("log in first");
    let reply = await this.#ask(method, path, build, tokens.access);
    if (reply.status === 401) reply = await this.#ask(method, path, build, await this.#refreshed(tokens.access));
    if (reply.status === 401) throw new NeedsLogin("refused");
    return content(reply);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {() => Promise<Json | null>} build
   * @param {string} token
   */
  async #ask(method, path, build, token) {
    return exchange(this.send, method, path, await build(), { Authorization: `Bearer ${token}` });
  }

  /**
   * Exchange the refresh token; after a lost answer the same one gets the same successor. Of two tabs one does it, and
   * the other finds the new pair.
   *
   * @param {string} refused the access token that did not do
   * @returns {Promise<string>} the one to use now
   */
  #refreshed(refused) {
    return navigator.locks.request(`${this.name} tokens`, async () => {
      const tokens = await this.store.read("tokens");
      if (!tokens) throw new NeedsLogin("logged out");
      if (tokens.access !== refused) return tokens.access;
      const reply = await exchange(this.send, "POST", "/auth/refresh", { refresh_token: tokens.refresh });
      if (reply.status === 401 || reply.status === 403) throw new NeedsLogin("the session is over");
      const answer = await content(reply);
      await this.store.transaction(async (work) => {
        await work.write("tokens", { access: answer["access_token"], refresh: answer["refresh_token"] });
        if (answer["farewell"]) await work.write("locked", "farewell"); // these only let the queue go
      });
      return answer["access_token"];
    });
  }
}
