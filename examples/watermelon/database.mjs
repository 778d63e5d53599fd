import { v7 as uuidv7 } from 'uuid'
import loki from '@nozbe/watermelondb/adapters/lokijs/index.js'
import { Database } from '@nozbe/watermelondb/index.js'
import logger from '@nozbe/watermelondb/utils/common/logger/index.js'
import { setGenerator } from '@nozbe/watermelondb/utils/common/randomId/index.js'
import { migrations } from './generated/watermelon/migrations.js'
import { modelClasses } from './generated/watermelon/models.js'
import { schema } from './generated/watermelon/schema.js'

setGenerator(uuidv7) // records are known by UUIDs
logger.default.silence()

// In an app: SQLiteAdapter, with the same schema and migrations.
export function openDatabase(dbName) {
  const adapter = new loki.default({ dbName, schema, migrations, useWebWorker: false, useIncrementalIndexedDB: true })
  return new Database({ adapter, modelClasses })
}
