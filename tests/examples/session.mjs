// The session of the examples, with a network that is made up: run by test_session.py, `node --test`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refused, Session } from '../../examples/javascript/session.mjs'

const reply = (status, body) => new Response(JSON.stringify(body), { status })

// A server that takes the newest access token only, and gives a pair for each refresh token once.
function server() {
  const seen = { renewed: 0, asked: [] }
  let valid = 'a1'
  const network = async (address, init) => {
    const { pathname } = new URL(address)
    const body = init.body && JSON.parse(init.body)
    if (pathname.endsWith('/login')) return reply(200, { access_token: 'a1', refresh_token: 'r1' })
    if (pathname.endsWith('/refresh')) {
      if (body.refresh_token !== `r${seen.renewed + 1}`) return reply(401, { code: 'refresh_token_reused' })
      seen.renewed += 1
      valid = `a${seen.renewed + 1}`
      return reply(200, { access_token: valid, refresh_token: `r${seen.renewed + 1}` })
    }
    seen.asked.push([init.method, init.headers])
    return init.headers.Authorization === `Bearer ${valid}` ? reply(200, { path: pathname }) : reply(401, { code: 'token_expired' })
  }
  return { seen, network, expire: () => { valid = 'none' } }
}

async function loggedIn(options = {}) {
  const one = server()
  return { ...one, session: await Session.logIn('http://server', { login: 'rep' }, { network: one.network, ...options }) }
}

test('many requests that find the token stale renew it once, and all are answered', async () => {
  const kept = []
  const { seen, session, expire } = await loggedIn({ keep: (tokens) => kept.push(tokens.refresh_token) })
  expire()
  const told = await Promise.all(['/a', '/b', '/c'].map((path) => session.ask(path)))
  assert.deepEqual(told.map(({ path }) => path), ['/a', '/b', '/c'])
  assert.equal(seen.renewed, 1)
  assert.deepEqual(kept, ['r2'])
  await session.ask('/d')
  assert.equal(seen.renewed, 1)
})

test('a refresh that got no answer is asked for again with the same token', async () => {
  const one = server()
  let isCut = false
  const network = (address, init) => (isCut && address.toString().endsWith('/refresh') ? Promise.reject(new TypeError('cut')) : one.network(address, init))
  const session = await Session.logIn('http://server', {}, { network })
  one.expire()
  isCut = true
  await assert.rejects(session.ask('/a'), TypeError)
  isCut = false
  assert.deepEqual(await session.ask('/a'), { path: '/a' })
})

test('a session that was ended says so by its code', async () => {
  const { session, expire } = await loggedIn()
  expire()
  session.tokens.refresh_token = 'stolen'
  await assert.rejects(session.ask('/a'), (error) => error instanceof Refused && error.status === 401 && error.code === 'refresh_token_reused')
})

test('the version that was read goes along as If-Match', async () => {
  const { seen, session } = await loggedIn()
  await session.ask('/a', { method: 'PATCH', body: {}, version: 3 })
  const [method, headers] = seen.asked.at(-1)
  assert.equal(method, 'PATCH')
  assert.equal(headers['If-Match'], '"3"')
})
