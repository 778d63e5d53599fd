"""What the demo prints: the customer history as a timeline, the checks, the logins."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from difflib import ndiff
from itertools import groupby
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.demo.checks import Result
from app.demo.world import World

Json = dict[str, Any]

SEOUL: Final = ZoneInfo("Asia/Seoul")
PLAIN_WIDTH: Final = 100
LONGEST_VALUE: Final = 70
STYLES: Final = {"user": "bold cyan", "sql": "bold magenta", "job": "bold yellow", "import": "bold blue"}
KINDS: Final = {"sql": "in SQL", "job": "job of the server", "import": "import", "cli": "command line"}
NAMING: Final = ("title", "kind", "required")
"""Fields that tell what a task is; a new one is shown by them."""


def console() -> Console:
    """Where to print: colours on a terminal, plain lines of one width elsewhere."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PLAIN_WIDTH, no_color=True)


def show_history(out: Console, title: str, items: Sequence[Json]) -> None:
    """Print a history, oldest first.

    Args:
        out: Where to.
        title: Name of the customer.
        items: Of ``GET /accounts/{id}/history``, newest first.
    """
    out.print(f"\n[bold]{escape(title)}[/bold]: the merged customer history")
    for day, acts in groupby(_acts(items[::-1]), key=lambda act: _local(act[0]["recorded_at"]).date()):
        out.print(f"\n{day}")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for act in acts:
            grid.add_row(f"{_local(act[0]['recorded_at']):%H:%M:%S}", Group(*map(_indented, _lines(act))))
        out.print(grid)


def show_checks(out: Console, results: Iterable[Result]) -> bool:
    """Print each promise as soon as it was checked; gives whether all were kept."""
    out.print("\n[bold]What has to be true afterwards[/bold]")
    all_kept = True
    for result in results:
        mark = "[green]✓[/green]" if result.kept else "[bold red]✗[/bold red]"
        out.print(f" {mark} {escape(result.name)}")
        if not result.kept:
            out.print(f"   [red]{escape(str(result.found))}[/red]")
        all_kept = all_kept and result.kept
    return all_kept


def show_logins(out: Console, world: World, url: str) -> None:
    """Print where to go and who to be."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row("", "[bold]company[/bold]", "[bold]login[/bold]", "[bold]password[/bold]")
    for person in world.people.values():
        grid.add_row("", world.code, person.login, person.password)
    out.print("\n[bold]Look around yourself[/bold]")
    out.print(grid)
    out.print(f"\n  API documents   {url}/api/docs/")
    out.print(f"  A web app       make pwa URL={url}")
    out.print(f"  A phone         python -m examples.phone --server {url} login {world.code} rep")


def _indented(line: str) -> Padding:
    """A line whose continuation keeps its indentation."""
    text = line.lstrip()
    return Padding(Text.from_markup(text), (0, 0, 0, len(line) - len(text)))


def _acts(items: Iterable[Json]) -> Iterator[list[Json]]:
    """Changes of one record that were written as one."""
    for _, group in groupby(
        items, key=lambda item: (item["record_id"], item["version"], item["mutation_id"])
    ):
        yield list(group)


def _lines(act: list[Json]) -> Iterator[str]:
    first = act[0]
    yield f"{_who(first)}  {escape(first['entity'])} {_done(act)}, version {first['version']}"
    if first["occurred_at"]:
        yield f"[dim]{_happened(first)}[/dim]"
    for item in act:
        if item.get("part"):
            yield from _part(item)
        elif item["op"] == "insert":
            told = (f"{f['field']} {_shown(f['new'])}" for f in item["fields"] if _is_telling(f))
            yield f"  {' · '.join(told)}"
        else:
            for field in item["fields"]:
                yield from _change(field)


def _happened(item: Json) -> str:
    happened, recorded = _local(item["occurred_at"]), _local(item["recorded_at"])
    ahead = happened - recorded
    wrong = (
        f", {round(ahead.total_seconds() / 86_400)} days ahead of the server's"
        if ahead > timedelta(days=1)
        else ""
    )
    return f"happened {happened:%m-%d %H:%M} by the phone's clock{wrong}"


def _who(item: Json) -> str:
    actor, device = item["actor"], item.get("device")
    style = STYLES.get(actor["kind"], "bold")
    name = f"[{style}]{escape(str(actor['name']))}[/{style}]"
    if device:
        return f"{name} · {escape(str(device['name']))}"
    return f"{name} ({KINDS.get(actor['kind'], actor['kind'])})"


def _done(act: list[Json]) -> str:
    ops = {item["op"] for item in act if not item.get("part")}
    return {"insert": "made", "delete": "deleted", "restore": "restored"}.get(
        ops.pop() if ops else "", "changed"
    )


def _is_telling(field: Json) -> bool:
    """Whether a field of a new record says anything to people."""
    is_id = field["field"] == "id" or field["field"].endswith("_id")
    return not is_id and field["new"] not in (None, "", [], False)


def _part(item: Json) -> Iterator[str]:
    """A row of a part in one line."""
    fields = {f["field"]: f["new"] for f in item["fields"]}
    if item["op"] == "insert":
        yield f"  + {item['part']}: {escape(str(fields.get('title') or fields))}"
    else:
        told = ", ".join(f"{name} {_shown(value)}" for name, value in fields.items() if name not in NAMING)
        yield f"  {item['part']}: {told}"


def _change(field: Json) -> Iterator[str]:
    name, old, new = escape(field["field"]), field["old"], field["new"]
    lost = " [red](lost)[/red]" if field.get("outcome") not in (None, "applied") else ""
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        yield f"  {name}:{lost}"
        for line in ndiff(old.split("\n"), new.split("\n")):
            if line[:2] in ("+ ", "- "):
                style = "green" if line[0] == "+" else "red"
                yield f"    [{style}]{escape(line)}[/{style}]"
    elif isinstance(new, list) and isinstance(old, list) and all(isinstance(v, str) for v in (*old, *new)):
        moves = [f"[green]+{escape(v)}[/green]" for v in new if v not in old]
        moves += [f"[red]-{escape(v)}[/red]" for v in old if v not in new]
        yield f"  {name}: {' '.join(moves)}{lost}"
    elif old in (None, "", []):
        yield f"  {name}: {_shown(new)}{lost}"
    else:
        yield f"  {name}: {_shown(old)} → {_shown(new)}{lost}"


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = ", ".join(value)
    elif isinstance(value, dict) and value.keys() >= {"lat", "lon"}:
        value = f"{value['lat']:.4f}, {value['lon']:.4f}"
    elif isinstance(value, str) and value[10:11] == "T" and value.endswith("Z"):
        value = f"{_local(value):%m-%d %H:%M}"
    text = " / ".join(str(value).split("\n"))
    return escape(text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…")


def _local(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(SEOUL)
