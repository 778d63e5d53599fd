// What both stories need besides their library: who plays, and how it is told.
import { parseArgs } from 'node:util'
import { Network } from './network.mjs'
import { Session } from './session.mjs'

const { positionals: [server = 'http://127.0.0.1:8000'] } = parseArgs({ allowPositionals: true })
const { TENANT = 'demo', REP = 'rep', REP_PASSWORD, MANAGER = 'manager', MANAGER_PASSWORD } = process.env

let chapter = 0
export const tell = (title) => console.log(`\n${chapter += 1}. ${title}`)
export const say = (...words) => console.log('  ', ...words)

export const network = new Network()

// The rep's phone, whose network can be cut, and the manager at a desk.
export async function logIn(app) {
  for (const [name, value] of Object.entries({ REP_PASSWORD, MANAGER_PASSWORD })) {
    if (!value) throw new Error(`${name} is not set; make demo prints the logins.`)
  }
  const device = (name) => ({ name, platform: 'web', app_version: '1.0.0' })
  const phone = await Session.logIn(
    server, { tenant: TENANT, login: REP, password: REP_PASSWORD, device: device(`Phone with ${app}`) }, { network: network.fetch })
  const desk = await Session.logIn(
    server, { tenant: TENANT, login: MANAGER, password: MANAGER_PASSWORD, device: device(`Desk beside ${app}`) })
  return { phone, desk }
}

// A change that the office makes over REST, on the record as it is by now.
export async function change(desk, path, fields) {
  const { version } = await desk.ask(path)
  return desk.ask(path, { method: 'PATCH', body: fields, version })
}

export async function until(what, found, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await new Promise((go) => setTimeout(go, 100))) {
    const value = await found()
    if (value) return value
  }
  throw new Error(`It did not come within ${seconds} s: ${what}`)
}
