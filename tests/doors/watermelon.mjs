// Drives the published client of WatermelonDB by lines of JSON: a question on stdin, its answer on stdout.
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
process.env.NODE_ENV = 'production'
const { Database, Model, appSchema, tableSchema } = require('@nozbe/watermelondb')
const { default: LokiJSAdapter } = require('@nozbe/watermelondb/adapters/lokijs')
const { schemaMigrations, createTable, addColumns } = require('@nozbe/watermelondb/Schema/migrations')
const { synchronize, hasUnsyncedChanges } = require('@nozbe/watermelondb/sync')
const { setGenerator } = require('@nozbe/watermelondb/utils/common/randomId')
const { default: logger } = require('@nozbe/watermelondb/utils/common/logger')

const said = []
logger.error = (...words) => said.push(words.join(' '))
logger.log = logger.warn = () => {}

const PATH = '/api/v1/sync/watermelon'
const devices = new Map()
let nextId = null
setGenerator(() => nextId ?? crypto.randomUUID())

const columns = (described) =>
  Object.entries(described).map(([name, told]) => ({ name, ...told, isOptional: name !== 'updated_at' }))

function schemaOf(version, tables) {
  const known = Object.entries(tables)
  return appSchema({
    version,
    tables: known.map(([name, described]) => tableSchema({ name, columns: columns(described) })),
  })
}

function databaseOf(adapter, tables) {
  const modelClasses = Object.keys(tables).map((table) => {
    const one = class extends Model {}
    one.table = table
    return one
  })
  return new Database({ adapter, modelClasses })
}

class Lost extends Error {}

class Device {
  constructor({ url, token, name, tables }) {
    const adapter = new LokiJSAdapter({
      dbName: name,
      schema: schemaOf(1, tables),
      migrations: schemaMigrations({ migrations: [] }),
      useWebWorker: false,
      useIncrementalIndexedDB: true,
    })
    Object.assign(this, { url, token, tables, adapter, lose: { GET: 0, POST: 0 }, fail: { GET: 0, POST: 0 } })
    this.database = databaseOf(adapter, tables)
    this.tellsPending = false
    this.limit = null
    this.pulls = 0
    this.pages = []
  }

  async migrate({ tables, steps }) {
    const migrations = schemaMigrations({
      migrations: [{
        toVersion: 2,
        steps: steps.map(({ type, table, columns: names }) => {
          const added = columns(tables[table]).filter(({ name }) => names.includes(name))
          return type === 'create_table' ? createTable({ name: table, columns: added }) : addColumns({ table, columns: added })
        }),
      }],
    })
    this.adapter = await this.adapter.testClone({ schema: schemaOf(2, tables), migrations })
    this.database = databaseOf(this.adapter, tables)
    this.tables = tables
    this.migrated = true
  }

  async call(method, query, body) {
    if (this.fail[method] > 0) {
      this.fail[method] -= 1
      throw new Lost('the request was lost')
    }
    const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined))
    const response = await fetch(`${this.url}${PATH}?${asked}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' },
      body,
    })
    const text = await response.text()
    if (this.lose[method] > 0) {
      this.lose[method] -= 1
      throw new Lost('the answer was lost')
    }
    if (!response.ok) throw new Error(`${response.status} ${text}`)
    return JSON.parse(text)
  }

  async once() {
    let more = false
    const pending = this.tellsPending ? Number(await hasUnsyncedChanges({ database: this.database })) : undefined
    await synchronize({
      database: this.database,
      sendCreatedAsUpdated: true,
      migrationsEnabledAtVersion: this.migrated ? 1 : undefined,
      onDidPullChanges: (rest) => { more = rest.has_more === true },
      pullChanges: async ({ lastPulledAt, schemaVersion, migration }) => {
        const answer = await this.call('GET', {
          last_pulled_at: lastPulledAt,
          schema_version: schemaVersion,
          migration: JSON.stringify(migration),
          pending,
          limit: this.limit ?? undefined,
        })
        this.pulls += 1
        return answer
      },
      pushChanges: async ({ changes, lastPulledAt }) => {
        this.answer = await this.call('POST', { last_pulled_at: lastPulledAt }, JSON.stringify(changes))
      },
    })
    return more
  }

  async sync() {
    this.answer = null
    while (await this.once());
    return this.answer
  }

  find(table, id) {
    return this.database.get(table).find(id).catch(() => null)
  }

  async get(table, id) {
    const found = await this.find(table, id)
    return found && { ...found._raw }
  }

  async create(table, id, values) {
    await this.database.write(async () => {
      nextId = id
      try {
        await this.database.get(table).create((one) => {
          for (const [name, value] of Object.entries(values)) one._setRaw(name, value)
        })
      } finally {
        nextId = null
      }
    })
  }

  async edit(table, id, values) {
    const found = await this.database.get(table).find(id)
    await this.database.write(() => found.update((one) => {
      for (const [name, value] of Object.entries(values)) one._setRaw(name, value)
    }))
  }

  async remove(table, id) {
    const found = await this.database.get(table).find(id)
    await this.database.write(() => found.markAsDeleted())
  }

  async list(table) {
    const found = await this.database.get(table).query().fetch()
    return found.map((one) => ({ ...one._raw }))
  }
}

const verbs = {
  open: async (asked) => { devices.set(asked.device, new Device(asked)) },
  close: async ({ device }) => { devices.delete(device) },
  sync: (one) => one.sync(),
  once: (one) => one.once(),
  get: (one, { table, id }) => one.get(table, id),
  list: (one, { table }) => one.list(table),
  create: (one, { table, id, values }) => one.create(table, id, values),
  edit: (one, { table, id, values }) => one.edit(table, id, values),
  remove: (one, { table, id }) => one.remove(table, id),
  migrate: (one, asked) => one.migrate(asked),
  set: async (one, { values }) => { Object.assign(one, values) },
  pulls: async (one) => one.pulls,
  waits: (one) => hasUnsyncedChanges({ database: one.database }),
  said: async () => said.splice(0),
}

async function answer(asked) {
  try {
    const isOfProcess = ['open', 'close', 'said'].includes(asked.verb)
    const told = isOfProcess ? await verbs[asked.verb](asked) : await verbs[asked.verb](devices.get(asked.device), asked)
    return { told: told ?? null }
  } catch (error) {
    return error instanceof Lost ? { lost: error.message } : { failed: String(error.stack ?? error) }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`)
}
process.exit(0) // the store of a client may have timers
