// Works with generated definitions in the published client: `node watermelon.mjs OLDER NEWER`, both folders.
import { Database } from '@nozbe/watermelondb/index.js'
import loki from '@nozbe/watermelondb/adapters/lokijs/index.js'
import logger from '@nozbe/watermelondb/utils/common/logger/index.js'
import { hasUnsyncedChanges, synchronize } from '@nozbe/watermelondb/sync/index.js'

const told = {}
const complaints = []
for (const level of ['error', 'warn']) logger.default[level] = (...words) => complaints.push(words.join(' '))
logger.default.log = () => {}

async function definitions(folder) {
  const [{ schema }, { migrations }, models] =
    await Promise.all(['schema', 'migrations', 'models'].map((name) => import(`${folder}/watermelon/${name}.js`)))
  return { schema, migrations, models }
}

const [older, newer] = await Promise.all(process.argv.slice(2).map(definitions))
const adapter = new loki.default({
  dbName: 'stores', schema: older.schema, migrations: older.migrations, useWebWorker: false, useIncrementalIndexedDB: true,
})
const database = new Database({ adapter, modelClasses: older.models.modelClasses })
told.tables = Object.keys(older.schema.tables).length

await database.write(async () => {
  const account = await database.get('account').create((one) => { one.name = '가람상사'; one.tags = ['겨울', '저유소'] })
  const visit = await database.get('visit').create((one) => {
    one.accountId = account.id
    one.tasks = [{ id: crypto.randomUUID(), title: '설문' }]
  })
  await visit.update((one) => { one.outcome = '견적 요청' })
  told.tags = account.tags
  told.raw = { tags: account._raw.tags, tasks: typeof visit._raw.tasks, changed: visit._raw._changed }
  told.parent = (await visit.account.fetch()).name
  told.children = (await account.visits.fetch()).length
  told.isDated = visit.updatedAt instanceof Date && Date.now() - visit.updatedAt < 10_000
  told.owned = (() => { try { visit.status = 'completed'; return 'written' } catch (error) { return error.message } })()
})

const grown = await adapter.testClone({ schema: newer.schema, migrations: newer.migrations })
const after = new Database({ adapter: grown, modelClasses: newer.models.modelClasses })
const [account] = await after.get('account').query().fetch()
await after.write(() => account.update((one) => { one.nickname = '가람' }))
told.after = [account.name, account.nickname, await after.get('shipment').query().fetchCount()]
told.waits = await hasUnsyncedChanges({ database: after })

// What the client asks its server after it has migrated.
await synchronize({
  database: after,
  sendCreatedAsUpdated: true,
  migrationsEnabledAtVersion: 1,
  pullChanges: async ({ migration, schemaVersion }) => {
    told.asked ??= []
    told.asked.push({ migration, schemaVersion })
    return { changes: {}, timestamp: 1 }
  },
  pushChanges: async ({ changes }) => { told.pushed = Object.keys(changes).filter((table) => changes[table].updated.length || changes[table].created.length) },
})
told.complaints = complaints
console.log(JSON.stringify(told))
process.exit(0)
