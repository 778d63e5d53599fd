// Works with generated collections in the published client, with all checks that it has: `node rxdb.mjs OLDER NEWER`.
import { addRxPlugin, createRxDatabase } from 'rxdb/plugins/core'
import { RxDBDevModePlugin, disableWarnings } from 'rxdb/plugins/dev-mode'
import { RxDBMigrationSchemaPlugin } from 'rxdb/plugins/migration-schema'
import { replicateRxCollection } from 'rxdb/plugins/replication'
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'
import { wrappedValidateAjvStorage } from 'rxdb/plugins/validate-ajv'

addRxPlugin(RxDBDevModePlugin)
addRxPlugin(RxDBMigrationSchemaPlugin)
disableWarnings()

const storage = wrappedValidateAjvStorage({ storage: getRxStorageMemory() })
const [older, newer] = await Promise.all(process.argv.slice(2, 4).map((folder) => import(`${folder}/rxdb/collections.js`)))
const bodies = JSON.parse(process.argv[4])
const told = {}

async function open({ collections }, names) {
  const database = await createRxDatabase({ name: 'stores', storage, multiInstance: false, closeDuplicates: true })
  const wanted = names ? Object.fromEntries(names.map((name) => [name, collections[name]])) : collections
  await database.addCollections(wanted)
  return database
}

// The open edition of the library opens 13 collections at once: all of them are looked at, in turns.
const all = Object.keys(newer.collections)
for (let at = 0; at < all.length; at += 13) await (await open(older, all.slice(at, at + 13).filter((name) => name in older.collections))).close()
told.collections = all.length

const names = ['account', 'contact', 'order']
let database = await open(older, names)

// All that a server gives is taken, a record that is gone too.
const account = { ...bodies.account, generation: 1, _deleted: false }
const pages = [[account, { id: crypto.randomUUID(), _deleted: true }], []]
const replication = replicateRxCollection({
  collection: database.account,
  replicationIdentifier: older.replications.find(({ collection }) => collection === 'account').replicationIdentifier,
  live: false,
  pull: { handler: async () => ({ documents: pages.shift() ?? [], checkpoint: { c: 'x' } }) },
})
replication.error$.subscribe((error) => { told.error = JSON.stringify(error.parameters).slice(0, 800) })
await replication.awaitInitialReplication()
told.held = (await database.account.findOne(account.id).exec()).name

const contact = await database.contact.insert({ id: crypto.randomUUID(), account_id: account.id, name: '윤담당' })
told.parent = (await contact.populate('account_id')).name
const query = database.contact.find({ selector: { account_id: account.id }, index: ['account_id'] })
told.children = (await query.exec()).length
await database.order.insert({ id: crypto.randomUUID(), account_id: account.id, lines: [], manual_percent: '3.0000' })
told.refused = await database.contact.insert({ id: crypto.randomUUID(), account_id: 7, name: '윤담당' }).then(() => 'taken', (error) => error.code)
await database.close()

database = await open(newer, names)
const moved = await database.account.findOne(account.id).exec()
await moved.incrementalPatch({ nickname: '가람' })
told.moved = [moved.name, (await database.account.findOne(account.id).exec()).nickname]
told.identifiers = names.map((name) => newer.replications.find(({ collection }) => collection === name).replicationIdentifier)
console.log(JSON.stringify(told))
process.exit(0)
