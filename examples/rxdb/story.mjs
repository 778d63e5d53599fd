import { v7 as uuidv7 } from 'uuid'
import { change, logIn, network, say, tell, until } from '../javascript/story.mjs'
import { openDatabase } from './database.mjs'
import { inSync, replicate, stop } from './replication.mjs'

tell('Log in, and fill the collections')
const { phone, desk } = await logIn('RxDB')
const { shape, events } = await phone.ask('/api/v1/sync/schema')
const database = await openDatabase('fieldmerge')
const running = replicate(database, phone, { shape, events })
await inSync(running)
for (const { collection } of running.states) {
  say(`${collection.name}: ${await collection.count().exec()}`)
}

tell('A new customer, made on the phone')
const territory = await until('a territory', () => database.territory.findOne().exec())
const customer = await database.account.insert({
  id: uuidv7(),
  name: '다솜상사',
  legal_name: '(주)다솜',
  territory_id: territory.id,
  tags: ['신규'],
})
say(`${customer.name} is here at once, without a version of the server`)
await inSync(running)
const latest = () => customer.getLatest()
await until('the version', () => latest().version)
say(`and on the server, as version ${latest().version}`)

tell('The office adds a telephone number, and the phone shows it')
const seen = until('the number', () => latest().phone)
await change(desk, `/api/v1/accounts/${customer.id}`, { phone: '02-555-0100' })
say(`${events ? 'told by a ping' : 'found by the next pull'}: ${await seen}`)

tell('In the cellar there is no network')
network.cut()
await latest().incrementalPatch({ legal_name: '(주)다솜그룹', tags: ['신규', '저유소'] })
await database.contact.insert({ id: uuidv7(), account_id: customer.id, name: '윤담당' })
const product = await database.product.findOne().exec()
const order = await database.order.insert({
  id: uuidv7(),
  account_id: customer.id,
  lines: [{ id: uuidv7(), product_id: product.id, unit: product.base_unit, quantity: '12.000000', position: 0 }],
  note: '화요일 오전 배송',
})
say(`the rep: legal name (주)다솜그룹, a tag, a contact, and an order of 12 ${product.name}`)
await change(desk, `/api/v1/accounts/${customer.id}`, { legal_name: '(주)다솜홀딩스', tags: ['신규', '우수'] })
say('the office meanwhile: legal name (주)다솜홀딩스, another tag')

tell('Back in the network: what does not contradict is merged')
network.mend()
await until('both tags', () => ['저유소', '우수'].every((tag) => latest().tags.includes(tag)))
await inSync(running)
say(`tags: ${latest().tags.join(', ')}; legal name: ${latest().legal_name}`)
const draft = () => order.getLatest()
await until('the draft on the server', () => draft().status)
say(`the order is a ${draft().status} of the server, version ${draft().version}`)

tell('Two legal names are for a person to decide; both stand in the inbox, which is a collection too')
const conflict = await until('the conflict', () =>
  database.conflict.findOne({ selector: { record_id: customer.id, field: 'legal_name' } }).exec())
say(`before: ${conflict.base}, the rep: ${conflict.mine}, the office: ${conflict.theirs}`)
await desk.ask(`/api/v1/conflicts/${conflict.id}/resolution`, {
  method: 'POST', body: { choice: 'mine', record_version: latest().version, reason: '등기부 확인' }, version: conflict.version,
})
await until('the decision', () => latest().legal_name === '(주)다솜그룹')
say(`the manager decides for the rep, and the phone shows ${latest().legal_name}`)

tell('Commands go over REST: the order is submitted')
const submitted = await phone.ask(`/api/v1/orders/${order.id}/submit`, { method: 'POST', body: {}, version: draft().version })
await until('the new state', () => draft().status === submitted.status)
say(`status ${draft().status}, total ${draft().total} ${draft().currency}`)

await stop(running)
await database.close()
