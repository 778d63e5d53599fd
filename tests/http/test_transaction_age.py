"""How old the oldest transaction is, as a number for those who watch the server."""

import re
import time

from flask import Flask
from sqlalchemy import text

from app.config import Config
from app.core.db import Database
from app.factory import create_app


class TestAgeOfTheOldestTransaction:
    def test_grows_with_a_request_that_hangs(self, served: Flask, pools: Database) -> None:
        with pools.app.begin() as connection:
            connection.execute(text("SELECT 1"))
            time.sleep(0.2)

            assert 0.2 <= age(served) < 60

    def test_sees_the_engine_too(self, served: Flask, pools: Database) -> None:
        with pools.engine.begin() as connection:
            connection.execute(text("SELECT 1"))
            time.sleep(0.2)

            assert 0.2 <= age(served) < 60

    def test_the_other_numbers_are_shown_while_the_database_does_not_answer(self, migrated: Config) -> None:
        away = Config(
            database_url="postgresql://app@/none?host=/nowhere",
            database_engine_url="postgresql://engine@/none?host=/nowhere",
            database_owner_url="postgresql://owner@/none?host=/nowhere",
            secret_key=migrated.secret_key,
        )

        shown = create_app(away).test_client().get("/metrics")

        assert shown.status_code == 200
        assert "fieldmerge_http_requests" in shown.text
        assert "fieldmerge_oldest_transaction" not in shown.text


def age(app: Flask) -> float:
    found = re.search(
        r"^fieldmerge_oldest_transaction_seconds (\S+)$", app.test_client().get("/metrics").text, re.MULTILINE
    )
    assert found is not None
    return float(found[1])
