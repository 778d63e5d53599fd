"""``python -m examples.phone``: the phone on a terminal."""

import argparse
import getpass
import json
import sys
from collections.abc import Sequence
from typing import Any

from examples.phone.client import NeedsLogin, NoAnswer, Refused, WorkOfAnother
from examples.phone.conflicts import CHOICES, described, shown
from examples.phone.phone import LockedOut, Phone


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    options = parser().parse_args(arguments)
    phone = Phone(options.server, options.store, name=options.name)
    try:
        options.run(phone, options)
    except NeedsLogin as error:
        return complain(f"Log in first ({error}): python -m examples.phone login TENANT LOGIN")
    except NoAnswer:
        return complain("No network. Nothing is lost: sync again later.")
    except Refused as error:
        return complain(f"The server refused: {error.problem.get('detail') or error}")
    except (KeyError, ValueError, WorkOfAnother, LockedOut) as error:
        return complain(str(error.args[0]))
    finally:
        phone.close()
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m examples.phone", description=__doc__)
    top.add_argument("--server", default="http://127.0.0.1:8000", help="address of the server")
    top.add_argument("--store", default="phone.db", help="file of the phone's data; one phone for each")
    top.add_argument("--name", default="Reference phone", help="how the device is called")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    login = commands.add_parser("login", help="register this phone for a person")
    login.add_argument("tenant")
    login.add_argument("login")
    login.set_defaults(run=log_in)

    commands.add_parser("sync", help="send own edits, fetch those of others").set_defaults(run=sync)

    commands.add_parser("check", help="compare this phone with the server, and mend it").set_defaults(
        run=check
    )

    listing = commands.add_parser("list", help="list records, unsent edits included")
    listing.add_argument("entity", help="account, contact, visit …")
    listing.add_argument("--where", nargs="*", default=[], metavar="FIELD=VALUE")
    listing.add_argument("--limit", type=int, default=20)
    listing.set_defaults(run=list_records)

    edit = commands.add_parser("edit", help="change fields; a value is JSON, or else a text")
    edit.add_argument("entity")
    edit.add_argument("id")
    edit.add_argument("changes", nargs="+", metavar="FIELD=VALUE")
    edit.set_defaults(run=edit_record)

    commands.add_parser("queue", help="show what waits to be sent, and the last verdicts").set_defaults(
        run=queue
    )
    commands.add_parser("conflicts", help="show what waits for a decision").set_defaults(run=conflicts)

    resolve = commands.add_parser("resolve", help="decide a conflict")
    resolve.add_argument("id")
    resolve.add_argument("choice", choices=CHOICES)
    resolve.add_argument("value", nargs="?", help="for the choice `value`: JSON, or else a text")
    resolve.set_defaults(run=decide)
    return top


def log_in(phone: Phone, options: argparse.Namespace) -> None:
    """Ask for the password, without showing it."""
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    phone.log_in(options.tenant, options.login, password)


def sync(phone: Phone, _: argparse.Namespace) -> None:
    """Sync, and tell what became of own edits."""
    result = phone.sync()
    if result.wiped:
        print("This phone was locked out. The server has what was done on it; everything here is deleted.")
        return
    print(f"{result.changed} came, {result.removed} left, {phone.waiting()} wait here.")
    for verdict in result.verdicts:
        print(f"  {verdict['status']} {verdict['code'] or ''}".rstrip())
    if "upgrade" in result.directives:
        print("This app is too old: own edits are sent, nothing new is fetched. Install the newer one.")
    if result.warning:
        print(result.warning)
    if phone.conflicts():
        print(f"{len(phone.conflicts())} conflicts wait for a decision.")


def check(phone: Phone, _: argparse.Namespace) -> None:
    """Sync, compare, mend."""
    sync(phone, _)
    mended = phone.check()
    for entity, record_id in mended:
        print(f"  mended {entity} {record_id}")
    print("This phone holds what it should." if not mended else f"{len(mended)} records were put right.")


def list_records(phone: Phone, options: argparse.Namespace) -> None:
    """One line for each record."""
    found = phone.list(options.entity, **dict(_pair(word) for word in options.where))
    for record in found[: options.limit]:
        print(record["id"], "·", record.get("name") or record.get("title") or shown(record))
    if len(found) > options.limit:
        print(f"… {len(found) - options.limit} more")


def edit_record(phone: Phone, options: argparse.Namespace) -> None:
    """Change fields of a record on this phone; the next sync sends it."""
    phone.edit(options.entity, options.id, **dict(_pair(word) for word in options.changes))


def queue(phone: Phone, _: argparse.Namespace) -> None:
    """What waits, and what became of the last ten."""
    for mutation in (one.body for one in phone.store.unsent(100)):
        print(mutation["n"], "waits", mutation["op"], mutation["entity"], shown(mutation["fields"]))
    for mutation in phone.verdicts()[-10:]:
        verdict = mutation["verdict"]
        print(mutation["n"], verdict["status"], mutation["op"], mutation["entity"], verdict["code"] or "")


def conflicts(phone: Phone, _: argparse.Namespace) -> None:
    """Each with base, mine and theirs."""
    for conflict in phone.conflicts():
        print(conflict["id"])
        print(described(conflict, phone.get(conflict["entity"], conflict["record_id"])))


def decide(phone: Phone, options: argparse.Namespace) -> None:
    """Take a decision on this phone; the next sync sends it."""
    conflict = phone.get("conflict", options.id)
    if conflict is None:
        raise KeyError(f"no conflict {options.id} on this phone")
    phone.resolve(conflict, options.choice, None if options.value is None else _value(options.value))


def complain(sentence: str) -> int:
    """Say what went wrong; gives the exit status."""
    print(sentence, file=sys.stderr)
    return 1


def _pair(word: str) -> tuple[str, Any]:
    name, _, text = word.partition("=")
    return name, _value(text)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


if __name__ == "__main__":
    raise SystemExit(main())
