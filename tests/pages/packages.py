"""The packages that the app stands on, as its lock file names them.

``python -m tests.pages.packages`` copies those that the app is served with into ``examples/pwa/app/vendor``: the app
needs neither npm nor a build to run, and a test compares the copies with what npm installs.
"""

import shutil
from pathlib import Path

from localnode import installed

APP = Path(__file__).parents[2] / "examples" / "pwa"
VENDOR = APP / "app" / "vendor"
COPIED = {
    "idb/build/index.js": "idb.js",
    "idb/LICENSE": "idb.LICENSE",
    "lit-html/lit-html.js": "lit-html/lit-html.js",
    "lit-html/directive.js": "lit-html/directive.js",
    "lit-html/directive-helpers.js": "lit-html/directive-helpers.js",
    "lit-html/directives/repeat.js": "lit-html/directives/repeat.js",
    "lit-html/LICENSE": "lit-html/LICENSE",
    "marked/lib/marked.esm.js": "marked.js",
    "marked/LICENSE": "marked.LICENSE",
}
"""What is copied, by its name in ``node_modules``."""


def modules() -> Path:
    """The folder ``node_modules``."""
    return installed(APP) / "node_modules"


def copy() -> None:
    """Bring the copies to the versions of the lock file."""
    for name, copied in COPIED.items():
        target = VENDOR / copied
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules() / name, target)


if __name__ == "__main__":
    copy()
