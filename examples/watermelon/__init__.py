"""An app on WatermelonDB, in Node.js."""
