import { v7 as uuidv7 } from 'uuid'
import { Q } from '@nozbe/watermelondb/index.js'
import { change, logIn, network, say, tell, until } from '../javascript/story.mjs'
import { openDatabase } from './database.mjs'
import { pings, sync } from './sync.mjs'

tell('Log in, and fill the tables')
const { phone, desk } = await logIn('WatermelonDB')
const { events } = await phone.ask('/api/v1/sync/schema')
const database = openDatabase('fieldmerge')
const accounts = database.get('account')
await sync(database, phone)
for (const table of ['account', 'contact', 'product', 'visit']) {
  say(`${table}: ${await database.get(table).query().fetchCount()}`)
}

tell('A new customer with a contact, made on the phone')
const [territory] = await database.get('territory').query().fetch()
const customer = await database.write(async () => {
  const made = await accounts.create((account) => {
    account.name = '누리상사'
    account.legalName = '(주)누리'
    account.territoryId = territory.id
    account.tags = ['신규']
  })
  await database.get('contact').create((contact) => {
    contact.account.set(made)
    contact.name = '윤담당'
  })
  return made
})
await sync(database, phone)
// A new row gets its version with the sync that follows its push.
await sync(database, phone)
say(`${customer.name} is version ${customer.version} on the server`)

tell('The office adds a telephone number, and the phone shows it')
const stream = pings(phone, events, () => sync(database, phone).catch(() => {})) // the next ping tries again
await change(desk, `/api/v1/accounts/${customer.id}`, { phone: '02-555-0100' })
await until('the number', async () => {
  if (!events) await sync(database, phone)
  return customer.phone
})
say(`${events ? 'told by a ping' : 'found by the next sync'}: ${customer.phone}`)
stream?.close()

tell('In the cellar there is no network')
network.cut()
const [product] = await database.get('product').query(Q.take(1)).fetch()
const order = await database.write(async () => {
  await customer.update((account) => {
    account.legalName = '(주)누리그룹'
    account.tags = [...account.tags, '저유소']
  })
  return database.get('order').create((draft) => {
    draft.account.set(customer)
    draft.lines = [{ id: uuidv7(), product_id: product.id, unit: product.baseUnit, quantity: '12.000000', position: 0 }]
    draft.note = '화요일 오전 배송'
  })
})
say(`the rep: legal name (주)누리그룹, a tag, and an order of 12 ${product.name}`)
await sync(database, phone).catch((error) => say(`no sync: ${error.message}`))
await change(desk, `/api/v1/accounts/${customer.id}`, { legal_name: '(주)누리홀딩스', tags: ['신규', '우수'] })
say('the office meanwhile: legal name (주)누리홀딩스, another tag')

tell('Back in the network: what does not contradict is merged')
network.mend()
const verdicts = await sync(database, phone)
await sync(database, phone)
say(`tags: ${customer.tags.join(', ')}; legal name: ${customer.legalName}`)
say(`the order is a ${order.status} of the server, version ${order.version}`)

tell('Two legal names are for a person to decide; both stand in the inbox, which is a table too')
say(`the push was told: ${verdicts.map(({ table, status }) => `${table}: ${status}`).join(', ')}`)
const [conflict] = await database.get('conflict').query(Q.where('record_id', customer.id)).fetch()
say(`before: ${conflict.base}, the rep: ${conflict.mine}, the office: ${conflict.theirs}`)
await desk.ask(`/api/v1/conflicts/${conflict.id}/resolution`, {
  method: 'POST', body: { choice: 'mine', record_version: customer.version, reason: '등기부 확인' }, version: conflict.version,
})
await until('the decision', async () => {
  await sync(database, phone)
  return customer.legalName === '(주)누리그룹'
})
say(`the manager decides for the rep, and the phone shows ${customer.legalName}`)

tell('Commands go over REST: the order is submitted')
const submitted = await phone.ask(`/api/v1/orders/${order.id}/submit`, { method: 'POST', body: {}, version: order.version })
await until('the new state', async () => {
  await sync(database, phone)
  return order.status === submitted.status
})
say(`status ${order.status}, total ${order.total} ${order.currency}`)
process.exit(0) // the store has timers
