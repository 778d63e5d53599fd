// The login of one device. Its access token lives for minutes; `fetch` renews it when the server says so.

export class Refused extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.code ?? problem.title}: ${problem.detail ?? ''}`)
    Object.assign(this, { status, code: problem.code, problem })
  }
}

async function answer(response) {
  const body = response.status === 204 ? null : await response.json()
  if (!response.ok) throw new Refused(response.status, body)
  return body
}

const json = (body) => ({ method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })

export class Session {
  #renewing = null

  // `tokens` are what `logIn` was given, or what `keep` was told last: an app puts them into the phone's keystore.
  constructor(server, tokens, { keep = () => {}, network = fetch } = {}) {
    Object.assign(this, { server, tokens, keep, network })
  }

  static async logIn(server, { tenant, login, password, device }, options = {}) {
    const network = options.network ?? fetch
    const tokens = await answer(await network(`${server}/api/v1/auth/login`, json({ tenant, login, password, device })))
    return new Session(server, tokens, options)
  }

  // As `fetch`, with this device's token; for libraries that want one.
  fetch = async (address, init = {}) => {
    const send = (token) =>
      this.network(new URL(address, this.server), { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } })
    const used = this.tokens.access_token
    const response = await send(used)
    if (response.status !== 401) return response
    await response.body?.cancel()
    return send(await this.#renewed(used))
  }

  // The answer's JSON; throws what the server refused.
  async ask(path, { method = 'GET', body, version } = {}) {
    const headers = { 'Content-Type': 'application/json', ...(version && { 'If-Match': `"${version}"` }) }
    return answer(await this.fetch(path, { method, headers, body: body && JSON.stringify(body) }))
  }

  // Of many requests that find the token stale, one renews it. The same refresh token, sent again because no answer
  // came, gives the same successor.
  async #renewed(used) {
    if (this.tokens.access_token === used) {
      this.#renewing ??= this.#renew().finally(() => { this.#renewing = null })
      await this.#renewing
    }
    return this.tokens.access_token
  }

  async #renew() {
    const body = json({ refresh_token: this.tokens.refresh_token })
    this.tokens = await answer(await this.network(`${this.server}/api/v1/auth/refresh`, body))
    await this.keep(this.tokens)
  }
}
