"""Two phones offline, one customer history: the story of the demo, with all its promises."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from app.config import Config
from app.core.db import Database
from app.demo.checks import CHECKS, checked
from app.demo.office import SqlPerson
from app.demo.story import Story, played
from app.demo.world import World, dismiss_sql_person, seed
from app.sample.customers import write_sample_csv

CUSTOMERS = 200
"""About eight in each territory, and a little dirt."""


@pytest.fixture(scope="module")
def company(migrated: Config, pools: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A company like that of the demo, with fewer customers."""
    customers = tmp_path_factory.mktemp("customers") / "customers.csv"
    write_sample_csv(customers, CUSTOMERS, seed=7)
    world = seed(migrated, pools, code=f"story-{uuid4().hex[:8]}", customers=customers)
    yield world
    dismiss_sql_person(migrated, world.sql_name)


@pytest.fixture(scope="module")
def story(base_url: str, company: World, pools: Database, psql: Path | None) -> Iterator[Story]:
    """The story, played once for all promises."""
    with played(base_url, company, pools, SqlPerson(company.sql_name, company.sql_url, psql)) as story:
        yield story


@pytest.fixture(scope="module")
def found(story: Story) -> dict[str, str | None]:
    """By promise what was found instead, if it was not kept."""
    return {result.name: result.found for result in checked(story)}


class TestMainJob:
    @pytest.mark.parametrize("promise", [name for name, _ in CHECKS])
    def test_keeps_the_promise_that(self, promise: str, found: dict[str, str | None]) -> None:
        assert found[promise] is None

    def test_can_be_played_again(
        self, base_url: str, company: World, pools: Database, psql: Path | None, story: Story
    ) -> None:
        sql = SqlPerson(company.sql_name, company.sql_url, psql)

        with played(base_url, company, pools, sql) as again:
            broken = [result.name for result in checked(again) if not result.kept]

        assert again.account_id != story.account_id
        assert broken == []


class TestChecks:
    """A check that nothing could fail would prove nothing."""

    def test_notice_a_change_that_did_not_reach_the_phones(self, story: Story, found: object) -> None:
        story.desk.patch(f"/accounts/{story.account_id}", {"website": "https://www.example.com"})

        assert {
            "both phones equal a fresh phone of the same person",
            "both phones equal what REST shows the same person",
        } <= broken(story)

    def test_notice_a_byte_of_the_credit_terms(self, story: Story, found: object) -> None:
        record = story.technician.record
        record.received.append(f'{{"notes":"{story.token}"}}'.encode())
        try:
            assert "no byte of the credit terms reached the technician" in broken(story)
        finally:
            record.received.pop()

    def test_notice_a_visit_too_many(self, story: Story, found: object) -> None:
        story.desk.post(
            "/visits",
            {
                "account_id": str(story.account_id),
                "planned_start": "2026-01-05T01:00:00Z",
                "purpose": "sales",
            },
        )

        assert "nothing is doubled" in broken(story)

    def test_notice_that_nothing_was_lost_on_the_way(self, story: Story, found: object) -> None:
        calm = replace(story.rep, network=type(story.rep.network)(story.rep.record))

        assert "after the lost answer everything was sent again, and replayed" in broken(
            replace(story, rep=calm)
        )


def broken(story: Story) -> set[str]:
    return {result.name for result in checked(story) if not result.kept}
