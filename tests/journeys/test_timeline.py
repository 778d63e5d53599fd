"""The printed history: who, on what, both times, and what changed."""

import io
from typing import Any

import pytest
from rich.console import Console

from app.demo.checks import Result
from app.demo.timeline import show_checks, show_history


@pytest.fixture
def out() -> Console:
    return Console(file=io.StringIO(), width=100, no_color=True, highlight=False)


class TestShowHistory:
    def test_names_author_device_and_both_times(self, out: Console) -> None:
        show_history(out, "하늘 상사", [entry(phone=("+8220000001", "+8220000002"))])

        assert "18:00:05  김하늘 · 하늘의 갤럭시  account changed, version 7" in printed(out)
        assert "happened 11-21 12:30 by the phone's clock" in printed(out)
        assert "ahead" not in printed(out)
        assert "phone: +8220000001 → +8220000002" in printed(out)

    def test_says_how_wrong_a_clock_is_that_runs_ahead(self, out: Console) -> None:
        show_history(out, "하늘 상사", [entry(occurred_at="2026-11-24T09:00:00Z", phone=("1", "2"))])

        assert "3 days ahead of the server's" in printed(out)

    def test_shows_the_oldest_first(self, out: Console) -> None:
        show_history(
            out, "하늘 상사", [entry(version=8, phone=("2", "3")), entry(version=7, phone=("1", "2"))]
        )

        assert printed(out).index("1 → 2") < printed(out).index("2 → 3")

    def test_names_the_role_of_a_person_who_wrote_sql(self, out: Console) -> None:
        actor = {"kind": "sql", "id": None, "name": "office_jung"}

        show_history(out, "하늘 상사", [entry(actor=actor, device=None, occurred_at=None, tier=("A", "B"))])

        assert "office_jung (in SQL)" in printed(out)

    def test_shows_texts_by_line_and_tags_by_element(self, out: Console) -> None:
        show_history(out, "하늘 상사", [entry(notes=("하나\n둘", "하나\n셋"), tags=(["가"], ["나"]))])

        assert "- 둘" in printed(out)
        assert "+ 셋" in printed(out)
        assert "tags: +나 -가" in printed(out)

    def test_takes_brackets_in_names_for_what_they_are(self, out: Console) -> None:
        show_history(out, "[red]상사[/red]", [entry(phone=("1", "[bold]2"))])

        assert "[red]상사[/red]" in printed(out)
        assert "1 → [bold]2" in printed(out)


class TestShowChecks:
    def test_says_what_was_found_where_a_promise_was_not_kept(self, out: Console) -> None:
        all_kept = show_checks(
            out, [Result("tags are merged"), Result("nothing is doubled", "visits: found 3")]
        )

        assert not all_kept
        assert "✓ tags are merged" in printed(out)
        assert "✗ nothing is doubled\n   visits: found 3" in printed(out)


def entry(**parts: Any) -> dict[str, Any]:
    """An entry of the history; other words are fields, with their old and new values."""
    whole: dict[str, Any] = {
        "entity": "account",
        "record_id": "r",
        "version": 7,
        "op": "update",
        "part": None,
        "occurred_at": "2026-11-21T03:30:00Z",
        "recorded_at": "2026-11-21T09:00:05Z",
        "actor": {"kind": "user", "id": "u", "name": "김하늘"},
        "device": {"id": "d", "name": "하늘의 갤럭시"},
        "mutation_id": "m",
    }
    fields = [
        {"field": name, "old": value[0], "new": value[1], "outcome": "applied"}
        for name, value in parts.items()
        if name not in whole
    ]
    return whole | {name: value for name, value in parts.items() if name in whole} | {"fields": fields}


def printed(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()
