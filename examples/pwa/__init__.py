"""A web app for a phone's browser: the files under app/, and a small server for them. Start reading in docs/pwa.md."""
