import { EventSource } from 'eventsource'
import { replicateRxCollection } from 'rxdb/plugins/replication'
import { Subject } from 'rxjs'
import { replications, schemaVersion } from './generated/rxdb/collections.js'

// Every collection that phones of this shape hold, live. `shape` and `events` are of `GET /api/v1/sync/schema`, asked
// once after the login and kept with the tokens: an app also starts without a network.
export function replicate(database, session, { shape, events }) {
  const resync$ = new Subject()
  const rebased = []
  const states = replications
    .filter(({ collection, shapes }) => shapes.includes(shape) && database[collection])
    .map((one) => replication(database[one.collection], session, one, resync$, (page) => rebased.push(page.generation)))
  return { states, rebased, stream: live(session, events, resync$) }
}

function replication(collection, session, { replicationIdentifier, pushes }, stream$, onRebase) {
  const at = `/api/v1/sync/rxdb/${collection.name}`
  return replicateRxCollection({
    collection,
    replicationIdentifier,
    retryTime: 2000,
    pull: {
      batchSize: 500,
      stream$,
      async handler(checkpoint, limit) {
        const query = { checkpoint: JSON.stringify(checkpoint ?? null), limit, schema_version: schemaVersion }
        const page = await session.ask(`${at}/pull?${new URLSearchParams(query)}`)
        if (page.rebase) onRebase(page)
        return { documents: page.documents, checkpoint: page.checkpoint }
      },
    },
    push: pushes && {
      batchSize: 100,
      handler: (rows) => session.ask(`${at}/push?schema_version=${schemaVersion}`, { method: 'POST', body: rows }),
    },
  })
}

// The server says RESYNC when something of this user's has changed, and once with each connection.
function live(session, events, resync$) {
  if (!events) return null
  const address = new URL('/api/v1/sync/rxdb/events', new URL(events, session.server))
  const stream = new EventSource(address, { fetch: session.fetch })
  stream.addEventListener('message', ({ data }) => resync$.next(data))
  return stream
}

export const inSync = ({ states }) => Promise.all(states.map((state) => state.awaitInSync()))

// After the server was restored from a backup: what it does not know any more leaves the phone too.
export async function followServer(database, running) {
  if (running.rebased.length === 0) return
  await inSync(running)
  running.states.forEach((state) => state.reSync())
  await inSync(running)
  const generation = Math.max(...running.rebased.splice(0))
  for (const { collection } of running.states) {
    await collection.find({ selector: { generation: { $lt: generation } } }).remove()
  }
}

export async function stop({ states, stream }) {
  stream?.close()
  await Promise.all(states.map((state) => state.cancel()))
}
