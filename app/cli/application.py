"""What the `flask` command runs: every command of the product, in one visible list."""

from typing import Any

import click
from flask import Flask

from app.cli import (
    accounts,
    database,
    demo,
    devices,
    doctor,
    openapi,
    sandbox,
    searching,
    seed,
    sequencing,
    serve,
    users,
)
from app.cli.errors import in_words
from app.cli.installation import find_installation
from app.core.db import Database
from app.http.logs import configure_logs
from app.http.services import EXTENSION, Services

COMMANDS: tuple[click.Command, ...] = (
    *demo.COMMANDS,
    *serve.COMMANDS,
    *doctor.COMMANDS,
    *database.COMMANDS,
    *users.COMMANDS,
    *devices.COMMANDS,
    *accounts.COMMANDS,
    *seed.COMMANDS,
    *sandbox.COMMANDS,
    *sequencing.COMMANDS,
    *searching.COMMANDS,
    *openapi.COMMANDS,
)


def create_app() -> Flask:
    """An application that serves nothing and has all commands.

    Settings are read when a command first asks for its services, so that `flask doctor`, `flask demo` and
    every --help work where nothing is set up yet.
    """
    app = Flask("fieldmerge", static_folder=None)
    app.extensions = _Extensions()
    configure_logs("WARNING")
    for command in COMMANDS:
        app.cli.add_command(in_words(command))
    app.teardown_appcontext(lambda _: _close_pools(app))
    return app


def _close_pools(app: Flask) -> None:
    if EXTENSION in app.extensions:
        app.extensions.pop(EXTENSION).db.dispose()


class _Extensions(dict[str, Any]):
    """Finds the installation, and makes its pools, when it is first asked for them."""

    def __missing__(self, name: str) -> Any:
        if name != EXTENSION:
            raise KeyError(name)
        found = find_installation()
        if found.is_local:
            click.echo("(working on the local PostgreSQL of `make demo` and `make serve`)", err=True)
        self[name] = Services(found.config, Database(found.config))
        return self[name]
