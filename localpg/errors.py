"""The one error of the managed local PostgreSQL; its text is written for whoever runs the command."""


class LocalPostgresError(Exception):
    """The local server cannot be found, made, started or stopped; the message says what to do."""
