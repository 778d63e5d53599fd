"""`flask openapi`: the committed API document."""

import click

from app.factory import create_app
from app.http.finishing import REFUSALS_PATH
from app.http.openapi import PATH, offline_config, written
from app.http.tracing import written_refusals


@click.group("openapi")
def openapi() -> None:
    """The committed document of the API."""


@openapi.command("write")
def write() -> None:
    """Write it anew from the code."""
    app = create_app(offline_config())
    refusals = written_refusals(app)
    if REFUSALS_PATH.read_text(encoding="utf-8") != refusals:
        REFUSALS_PATH.write_text(refusals, encoding="utf-8")
    text = written(app)
    changed = not PATH.exists() or PATH.read_text(encoding="utf-8") != text
    if changed:
        PATH.parent.mkdir(exist_ok=True)
        PATH.write_text(text, encoding="utf-8")
    click.echo(f"{PATH.name} {'was written' if changed else 'was up to date'}.")


@openapi.command("check")
def check() -> None:
    """Compare it with the code; exit status 1 if they differ."""
    app = create_app(offline_config())
    same = REFUSALS_PATH.read_text(encoding="utf-8") == written_refusals(app)
    if not same or not PATH.exists() or PATH.read_text(encoding="utf-8") != written(app):
        raise click.ClickException(f"{PATH.name} is not that of this code: flask openapi write")
    click.echo(f"{PATH.name} is up to date.")


COMMANDS = (openapi,)
