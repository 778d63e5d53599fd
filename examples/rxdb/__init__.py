"""An app on RxDB, in Node.js."""
