"""What came out, as one table that grows over runs: JSON for the harness, Markdown for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

COLUMNS = ("scenario", "ran", "rounds", "acknowledged", "lost", "doubled", "stuck", "unequal", "leaked")
COUNTED = ("rounds", "acknowledged", "lost", "doubled", "stuck", "unequal", "leaked")
MOST_SAID = 12


@dataclass
class Row:
    """One scenario, cumulatively.

    Attributes:
        scenario: Its name.
        ran: ``yes``, or what is missing here.
        rounds: Kills, partition runs …; each scenario says what it counts.
        acknowledged: Mutations whose verdict reached a phone.
        lost: Acknowledged ones, or fields of them, that are nowhere.
        doubled: Mutations with more than one effect, or judged twice.
        stuck: Queues that did not drain, or waits that were too long.
        unequal: Records in which a phone differs from the server, or from a phone of equal scope.
        leaked: Texts of another territory or company that reached a phone.
        seconds: It took.
        notes: Figures of its own, last run.
        said: What was wrong, in words.
    """

    scenario: str
    ran: str = "yes"
    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    unequal: int = 0
    leaked: int = 0
    seconds: float = 0.0
    notes: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.stuck or self.unequal or self.leaked)

    def add(self, other: "Row") -> None:
        """Count another run of the same scenario."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seconds += other.seconds
        self.ran = other.ran
        self.notes |= other.notes
        self.said = [*self.said, *other.said][:MOST_SAID]

    def cells(self) -> list[str]:
        """As the table shows it."""
        return [str(getattr(self, name)) for name in COLUMNS]


class Table:
    """All scenarios; kept in a file, if one is named, so that a later run goes on."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path is not None and path.exists():
            for content in json.loads(path.read_text(encoding="utf-8")):
                self.rows[content["scenario"]] = Row(**content)

    def add(self, row: Row) -> Row:
        """Count a run, and write it down."""
        self.rows.setdefault(row.scenario, Row(row.scenario)).add(row)
        if self.path is not None:
            scratch = self.path.with_suffix(".new")
            content = [asdict(one) for one in self.rows.values()]
            scratch.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            scratch.replace(self.path)
            self.path.with_suffix(".md").write_text(self.markdown(), encoding="utf-8")
        return row

    def done(self, scenario: str) -> int:
        """Rounds so far."""
        return self.rows[scenario].rounds if scenario in self.rows else 0

    def total(self) -> Row:
        """The sum of all."""
        whole = Row("all")
        for row in self.rows.values():
            whole.add(row)
        whole.ran, whole.notes = (
            f"{sum(row.ran == 'yes' for row in self.rows.values())} of {len(self.rows)}",
            {},
        )
        return whole

    def markdown(self) -> str:
        """The table, what was missing, and what was wrong."""
        rows = [*self.rows.values(), self.total()]
        lines = [_line(COLUMNS), _line(["---"] * 2 + ["---:"] * 7), *(_line(row.cells()) for row in rows)]
        notes = [
            f"- {row.scenario}: {', '.join(f'{name} {value}' for name, value in row.notes.items())}"
            for row in self.rows.values()
            if row.notes
        ]
        missing = [row for row in self.rows.values() if row.ran != "yes"]
        if notes:
            lines += ["", *notes]
        if missing:
            lines += ["", "**NOT RUN HERE:**", "", *(f"- {row.scenario}: {row.ran}" for row in missing)]
        wrong = [f"- {row.scenario}: {said}" for row in self.rows.values() for said in row.said]
        if wrong:
            lines += ["", "**WRONG:**", "", *wrong]
        return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
