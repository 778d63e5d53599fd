"""``python -m localpg``: start, stop, look at and delete the local PostgreSQL by hand."""

import argparse
import shlex
import sys

import localpg

_COMMANDS = {
    "start": "start it (made on the first call) and leave it running",
    "stop": "stop it; its data stays",
    "status": "say whether it runs, which version, and where its files are",
    "reset": "stop it and delete its data",
    "urls": "print `export DATABASE_URL=…` lines for a shell, while it runs",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit status: 0, or 1 with a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="python -m localpg", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--name", default="demo", help="which server: demo (default), test, or one of your own"
        )
        if name == "start":
            command.add_argument("--tcp-port", type=int, help="also listen on this port of 127.0.0.1")
            command.add_argument(
                "--throwaway", action="store_true", help="no fsync: faster, and lost if the machine fails"
            )
        if name == "urls":
            command.add_argument(
                "--admin",
                action="store_true",
                help="print the superuser's too, for backups and for looking around",
            )
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except localpg.LocalPostgresError as error:
        _tell(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    name: str = options.name
    match options.command:
        case "start":
            server = localpg.start(
                name, progress=_tell, durable=not options.throwaway, tcp_port=options.tcp_port
            )
            _tell(f"PostgreSQL {server.version} runs for {name!r} (process {server.pid}).")
        case "stop":
            stopped = localpg.stop(name, progress=_tell)
            _tell(f"The {name} database server {'was stopped' if stopped else 'was not running'}.")
        case "reset":
            localpg.reset(name, progress=_tell)
            _tell(f"The data of the {name} database server is deleted.")
        case "status":
            return _print_status(localpg.status(name))
        case _:
            return _print_urls(name, admin=options.admin)
    return 0


def _print_status(status: localpg.Status) -> int:
    lines = {
        "server": status.name,
        "running": f"yes, process {status.pid}" if status.running else "no",
        "PostgreSQL": status.version or "never started",
        "data": status.data,
        "socket": status.socket_directory,
        "programs": status.programs,
        "log": status.log,
    }
    for label, value in lines.items():
        if value is not None:
            sys.stdout.write(f"{label + ':':12}{value}\n")
    return 0 if status.running else 1


def _print_urls(name: str, *, admin: bool) -> int:
    urls = localpg.running_urls(name)
    if urls is None:
        _tell(
            f"The {name} database server is not running: `python -m localpg start --name {name}` starts it."
        )
        return 1
    variables = {
        "DATABASE_URL": urls.app,
        "DATABASE_ENGINE_URL": urls.engine,
        "DATABASE_OWNER_URL": urls.owner,
    }
    if admin:
        variables["DATABASE_ADMIN_URL"] = urls.admin
    for variable, url in variables.items():
        sys.stdout.write(f"export {variable}={shlex.quote(url)}\n")
    return 0


def _tell(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
