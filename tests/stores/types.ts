// An app's use of the generated types: compiled in strict mode by test_in_the_libraries.py, and never run.
import { Database as Melon, type DatabaseAdapter } from '@nozbe/watermelondb'
import { collections, replications, type Account as Customer, type Database } from './older/rxdb/collections'
import { migrations } from './older/watermelon/migrations'
import { modelClasses, type Account, type Order, type Visit } from './older/watermelon/models'
import { schema } from './older/watermelon/schema'

export const open = (adapter: DatabaseAdapter) => new Melon({ adapter, modelClasses })

export async function watermelon(visit: Visit, order: Order) {
  const account: Account = await visit.account.fetch()
  const visits: Visit[] = await account.visits.fetch()
  const tags: string[] | null = account.tags
  const total: string | null = order.total
  account.legalName = null
  // @ts-expect-error It is the server's.
  order.status = 'draft'
  // @ts-expect-error Money is no number.
  order.manualPercent = 3
  return [visits, tags, total, schema.version, migrations.maxVersion]
}

export async function rxdb(database: Database) {
  await database.addCollections(collections)
  const made = await database.account.insert({ id: 'x', name: '가람상사' })
  // @ts-expect-error A contact hangs on an account.
  await database.contact.insert({ id: 'x', name: '윤담당' })
  // @ts-expect-error There is no such field.
  const wrong: Customer = { id: 'x', name: '가람상사', nickname: '가람' }
  return [made.name, wrong, replications[0]?.pushes]
}
