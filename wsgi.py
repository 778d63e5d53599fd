"""The application: `gunicorn wsgi:app` serves the product, the `flask` command finds its commands here."""

import gc

import click

# What is loaded here stays for good: to look through it for garbage takes nearly a fifth of the start.
gc.disable()

# The group of `flask` asks before it has chosen a command. Our commands must work while there is no
# configuration, to say what it lacks; what serves, and `flask routes` and `flask shell`, must not.
context = click.get_current_context(silent=True)
if context is not None and context.parent is None:
    from app.cli.application import create_app
else:
    from app.factory import create_app

app = create_app()
gc.freeze()
gc.enable()
