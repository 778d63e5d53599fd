"""What two doors left is compared row by row, without ids and times."""

import pytest
from flask import Flask

from app.core.db import Database
from app.core.ids import new_id
from tests.doors.left import TABLES, Left, differences, left_in
from tests.world import World


@pytest.fixture
def another_world(served: Flask, pools: Database) -> World:
    return World(served, pools)


def left(**told: list[str]) -> Left:
    return {table: told.get(table, []) for table in TABLES}


class TestDifferences:
    def test_are_rows_that_only_one_of_them_has(self) -> None:
        one = left(accounts=["가", "나", "나"], conflicts=["다"])
        other = left(accounts=["가", "나"], changes=["라"])

        assert differences(one, other) == ["+ accounts 나", "- changes 라", "+ conflicts 다"]

    def test_are_none_between_two_companies_to_which_the_same_happened(
        self, world: World, another_world: World
    ) -> None:
        for each in (world, another_world):
            each.insert("contacts", id=new_id(), account_id=each.account(name="가람상사"), name="윤담당")

        assert differences(left_in(world), left_in(another_world)) == []
        assert len(left_in(world)["contacts"]) == 1

    def test_are_told_of_one_value(self, world: World, another_world: World) -> None:
        world.account(name="가람상사")
        another_world.account(name="나래상사")

        assert [line[:10] for line in differences(left_in(world), left_in(another_world))] == [
            "+ accounts",
            "- accounts",
            "+ changes ",
            "- changes ",
        ]
