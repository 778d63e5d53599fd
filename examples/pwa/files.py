"""The files of the app as a browser gets them, and the list of them that makes it work without a network."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

APP: Final = Path(__file__).parent / "app"
TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json; charset=utf-8",
}
FIRST: Final = "index.html"
WORKER: Final = "sw.js"
LIST: Final = "precache.js"

# No script, style, picture or connection but those of this server, none in the page itself, no frame around it.
# Texts become scripts or markup by two named policies only: lit-html's templates, and the address of the worker.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types lit-html fieldmerge",
    )
)
# The worker runs under its own policy: it takes in one script by name, the list of the files.
WORKERS_POLICY: Final = "default-src 'none'; script-src 'self'; connect-src 'self'"
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Where somebody checks in is asked at that moment; nothing else of the device is.
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=(), payment=(), usb=()",
    # Always asked for anew (and answered 304): the worker decides when a version takes over, not a cache.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class File:
    """One file, plain and compressed."""

    content: bytes
    packed: bytes
    type: str
    etag: str


def load(folder: Path = APP) -> Mapping[str, File]:
    """The files by their paths, and the list for the service worker among them."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in TYPES and path.is_file()
    }
    found[LIST] = _list(found)
    return {name: _file(name, content) for name, content in found.items()}


def headers_of(name: str) -> Mapping[str, str]:
    """What is sent along with a file."""
    return {**HEADERS, "Content-Security-Policy": WORKERS_POLICY if name == WORKER else POLICY}


def write(target: Path, folder: Path = APP) -> int:
    """Write them all out, for any other web server; gives how many.

    The server has to send the headers that this module names.
    """
    files = load(folder)
    for name, file in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(file.content)
    return len(files)


def _list(files: Mapping[str, bytes]) -> bytes:
    """What the worker keeps, and a version that changes with any byte of it."""
    kept = sorted(files.keys() - {WORKER})
    digest = hashlib.sha256()
    for name in [*kept, WORKER]:
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    listed = {"version": digest.hexdigest()[:16], "files": ["./" if n == FIRST else n for n in kept]}
    return f"self.PRECACHE = {json.dumps(listed)};\n".encode()


def _file(name: str, content: bytes) -> File:
    tag = hashlib.sha256(content).hexdigest()[:32]
    return File(content, gzip.compress(content, mtime=0), TYPES[Path(name).suffix], f'"{tag}"')
