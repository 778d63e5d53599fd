// Drives the published client of RxDB by lines of JSON: a question on stdin, its answer on stdout.
import { createInterface } from 'node:readline'
import { addRxPlugin, createRxDatabase } from 'rxdb/plugins/core'
import { RxDBMigrationSchemaPlugin } from 'rxdb/plugins/migration-schema'
import { replicateRxCollection } from 'rxdb/plugins/replication'
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'

addRxPlugin(RxDBMigrationSchemaPlugin)

const PATH = '/api/v1/sync/rxdb'
const storage = getRxStorageMemory()
const devices = new Map()

class Lost extends Error {}

class Device {
  constructor({ url, token, name, collections, schemaVersion }) {
    Object.assign(this, { url, token, name, collections, schemaVersion })
    Object.assign(this, { appVersion: 0, identifier: 'fieldmerge', tries: 3, batch: 100, resends: false })
    Object.assign(this, { lose: { GET: 0, POST: 0 }, fail: { GET: 0, POST: 0 }, pages: [], pushed: [] })
  }

  async open() {
    this.database = await createRxDatabase({ name: this.name, storage, multiInstance: false })
    const wanted = {}
    for (const [name, schema] of Object.entries(this.collections)) {
      const migrationStrategies = {}
      for (let version = 1; version <= this.appVersion; version += 1) migrationStrategies[version] = (old) => old
      wanted[name] = { schema: { ...schema, version: this.appVersion }, migrationStrategies }
    }
    await this.database.addCollections(wanted)
  }

  async migrate({ collections, schemaVersion }) {
    await this.database.close()
    Object.assign(this, { collections, schemaVersion, appVersion: this.appVersion + 1 })
    this.identifier = `fieldmerge app ${this.appVersion}` // what the app knows now it has to be given
    await this.open()
  }

  async call(method, path, body) {
    if (this.fail[method] > 0) {
      this.fail[method] -= 1
      throw new Lost('the request was lost')
    }
    const response = await fetch(`${this.url}${PATH}/${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' },
      body: body && JSON.stringify(body),
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
    const before = this.identifier
    const chosen = Object.values(this.database.collections).filter(({ name }) => !this.only || this.only.includes(name))
    const found = await Promise.all(chosen.map((one) => this.replicate(one)))
    const error = found.find((one) => one)
    if (error) throw error
    return this.identifier !== before
  }

  async sync() {
    this.rebased = new Map()
    while (await this.once());
    if (this.rebased.size && !this.resends) {
      await this.once() // what was pushed by then has come back
      await this.forget()
    }
  }

  // All that the server has of these collections was given anew, under a higher number; the rest it does not know any more.
  async forget() {
    for (const [name, generation] of this.rebased) {
      await this.database[name].find({ selector: { generation: { $lt: generation } } }).remove()
    }
    await this.once()
  }

  async replicate(collection) {
    const { name } = collection
    const names = ['_deleted', ...Object.keys(this.collections[name].properties)]
    const known = (document) => Object.fromEntries(Object.entries(document).filter(([field]) => names.includes(field)))
    const state = replicateRxCollection({
      collection,
      replicationIdentifier: this.identifier,
      live: true,
      retryTime: 5,
      autoStart: false,
      pull: {
        batchSize: this.batch,
        handler: async (checkpoint, limit) => {
          const asked = { checkpoint: JSON.stringify(checkpoint ?? null), limit, schema_version: this.schemaVersion }
          const page = await this.call('GET', `${name}/pull?${new URLSearchParams(asked)}`)
          this.pages.push([name, page.documents.length])
          if (page.rebase) this.rebased.set(name, page.generation)
          if (page.rebase && this.resends) {
            // A new replication pushes all that the phone holds, so that a restored backup gets back what it lacks.
            // Nothing is taken over before, or it would be lost here too.
            this.identifier = `fieldmerge ${page.epoch} ${this.pages.length}`
            return { documents: [], checkpoint }
          }
          return { documents: page.documents.map(known), checkpoint: page.checkpoint }
        },
      },
      push: {
        batchSize: this.batch,
        handler: async (rows) => {
          this.pushed.push([name, rows])
          const masters = await this.call('POST', `${name}/push?schema_version=${this.schemaVersion}`, rows)
          return masters.map(known)
        },
      },
    })
    let failures = 0
    const givenUp = new Promise((resolve) => {
      state.error$.subscribe((error) => {
        failures += 1
        const told = JSON.stringify(error.parameters?.errors ?? error.message)
        if (failures >= this.tries) resolve(told.includes('was lost') ? new Lost(told) : new Error(`${name} ${told}`))
      })
    })
    await state.start()
    const error = await Promise.race([state.awaitInSync().then(() => null), givenUp])
    await state.cancel()
    return error
  }

  find(table, id) {
    return this.database[table].findOne(id).exec()
  }

  async get(table, id) {
    const found = await this.find(table, id)
    return found && found.toJSON()
  }

  async list(table) {
    return (await this.database[table].find().exec()).map((one) => one.toJSON())
  }

  async create(table, id, values) {
    await this.database[table].insert({ id, ...values })
  }

  async edit(table, id, values) {
    await (await this.find(table, id)).incrementalPatch(values)
  }

  async remove(table, id) {
    await (await this.find(table, id)).incrementalRemove()
  }
}

const verbs = {
  open: async (asked) => {
    const device = new Device(asked)
    devices.set(asked.device, device)
    await device.open()
  },
  close: async ({ device }) => {
    await devices.get(device).database.remove()
    devices.delete(device)
  },
  sync: (one) => one.sync(),
  once: (one) => one.once(),
  get: (one, { table, id }) => one.get(table, id),
  list: (one, { table }) => one.list(table),
  ids: async (one, { table }) => (await one.list(table)).map(({ id }) => id),
  create: (one, { table, id, values }) => one.create(table, id, values),
  edit: (one, { table, id, values }) => one.edit(table, id, values),
  remove: (one, { table, id }) => one.remove(table, id),
  migrate: (one, asked) => one.migrate(asked),
  set: async (one, { values }) => { Object.assign(one, values) },
  pages: async (one) => one.pages.splice(0),
  pushed: async (one) => one.pushed.splice(0),
  identifier: async (one) => one.identifier,
}

async function answer(asked) {
  try {
    const isOfProcess = ['open', 'close'].includes(asked.verb)
    const told = isOfProcess ? await verbs[asked.verb](asked) : await verbs[asked.verb](devices.get(asked.device), asked)
    return { told: told ?? null }
  } catch (error) {
    return error instanceof Lost ? { lost: error.message } : { failed: String(error.stack ?? error) }
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`)
}
process.exit(0)
