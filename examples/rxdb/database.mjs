import { createRxDatabase } from 'rxdb/plugins/core'
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'
import { collections } from './generated/rxdb/collections.js'

// In an app: IndexedDB by Dexie, or SQLite. The memory is enough for a story.
export async function openDatabase(name) {
  const database = await createRxDatabase({ name, storage: getRxStorageMemory(), multiInstance: false })
  await database.addCollections(collections)
  return database
}
