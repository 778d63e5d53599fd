import { EventSource } from 'eventsource'
import { replicateRxCollection } from 'rxdb/plugins/replication'
import { Subject } from 'rxjs'
import { replications, schemaVersion } from './generated/rxdb/collections.js'

// Every collection that phones of this shape hold, live. `shape` and `events` are of `GET /api/v1/sync/schema`, asked
// once after the login and kept with the tokens: an app also starts without a network.
export function replicate(database, session, { shape, events }) {
  const resync$ = new Subject()
  const running = { states: [], stream: live(session, events, resync$) }
  const rebased = new Map()
  let following = null
  const onRebase = (collection, { generation }) => {
    rebased.set(collection, generation)
    following ??= followServer(running, rebased).finally(() => { following = null })
  }
  for (const one of replications) {
    const collection = database[one.collection]
    if (collection && one.shapes.includes(shape)) {
      running.states.push(replication(collection, session, one, resync$, onRebase))
    }
  }
  return running
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
        if (page.rebase) onRebase(collection, page)
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

// A collection was given anew, under a higher number. What the server does not know any more leaves the phone too.
async function followServer(running, rebased) {
  await inSync(running)
  running.states.forEach((state) => state.reSync())
  await inSync(running)
  for (const [collection, generation] of rebased) {
    rebased.delete(collection)
    await collection.find({ selector: { generation: { $lt: generation } } }).remove()
  }
}

export async function stop({ states, stream }) {
  stream?.close()
  await Promise.all(states.map((state) => state.cancel()))
}
