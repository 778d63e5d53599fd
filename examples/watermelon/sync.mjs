import { EventSource } from 'eventsource'
import { hasUnsyncedChanges, synchronize } from '@nozbe/watermelondb/sync/index.js'

const PATH = '/api/v1/sync/watermelon'

let last = Promise.resolve()

// One sync after the other: the library refuses two at once. Gives what was not taken as it was sent, for the user.
export function sync(database, session) {
  last = last.catch(() => {}).then(() => pages(database, session))
  return last
}

async function pages(database, session) {
  const verdicts = []
  let hasMore
  do {
    const pending = Number(await hasUnsyncedChanges({ database }))
    await synchronize({
      database,
      sendCreatedAsUpdated: true,
      migrationsEnabledAtVersion: 1,
      onDidPullChanges: ({ has_more }) => { hasMore = has_more },
      pullChanges: ({ lastPulledAt, schemaVersion, migration }) => session.ask(`${PATH}?${new URLSearchParams({
        last_pulled_at: lastPulledAt, schema_version: schemaVersion, migration: JSON.stringify(migration), pending,
      })}`),
      async pushChanges({ changes, lastPulledAt }) {
        const query = new URLSearchParams({ last_pulled_at: lastPulledAt, sent_at: Date.now() })
        const answer = await session.ask(`${PATH}?${query}`, { method: 'POST', body: changes })
        verdicts.push(...answer.verdicts)
      },
    })
  } while (hasMore)
  return verdicts
}

// Calls back when a sync is worth while. `events` is of `GET /api/v1/sync/schema`, kept with the tokens.
export function pings(session, events, onPing) {
  if (!events) return null
  const stream = new EventSource(new URL(events, session.server), { fetch: session.fetch })
  stream.addEventListener('changed', onPing)
  return stream
}
