"""`flask openapi`: the committed API document."""

import click

from app.factory import create_app
from app.http.openapi import PATH, offline_config, written


@click.group("openapi")
def openapi() -> None:
    """The committed document of the API."""


@openapi.command("write")
def write() -> None:
    """Write it anew from the code."""
    text = written(create_app(offline_config()))
    changed = not PATH.exists() or PATH.read_text(encoding="utf-8") != text
    if changed:
        PATH.parent.mkdir(exist_ok=True)
        PATH.write_text(text, encoding="utf-8")
    click.echo(f"{PATH.name} {'was written' if changed else 'was up to date'}.")


@openapi.command("check")
def check() -> None:
    """Compare it with the code; exit status 1 if they differ."""
    if not PATH.exists() or PATH.read_text(encoding="utf-8") != written(create_app(offline_config())):
        raise click.ClickException(f"{PATH.name} is not that of this code: flask openapi write")
    click.echo(f"{PATH.name} is up to date.")


COMMANDS = (openapi,)
