"""The sweep can fail: bugs that are planted into the server or its database are reported, each in a few runs."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psycopg
import pytest
from flask import Response
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core.at_once import Said
from app.core.db import Database
from app.http.services import services
from tests.sweep.faults import Mode, SweptConnection
from tests.sweep.flows import Delta, Drain, Glance, Push, Refresh
from tests.sweep.sweeping import Service, Swept, commits, spread, sweep


@pytest.fixture
def patched() -> Iterator[pytest.MonkeyPatch]:
    """Patches that are taken back before the pools are asked again."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def plant(patched: pytest.MonkeyPatch, around: Callable[[], AbstractContextManager[None]]) -> None:
    """Let every end of a transaction happen inside *around*, whether it is a message or a part of one."""
    end_with = Database.end

    def commit(self: SweptConnection) -> None:
        with around():
            psycopg.Connection.commit(self)

    def end(self: Database, session: Session, said: Sequence[Said], **told: bool) -> list[list[Any]]:
        with around():
            return end_with(self, session, said, **told)
        return [[(1,)]]

    patched.setattr(SweptConnection, "commit", commit)
    patched.setattr(Database, "end", end)


def problems(found: Swept) -> str:
    return "\n".join(found.problems)


class TestIsReported:
    def test_a_commit_that_failed_and_is_called_a_success(
        self, service: Service, patched: pytest.MonkeyPatch
    ) -> None:
        @contextmanager
        def blindly() -> Iterator[None]:
            with suppress(psycopg.Error, DBAPIError):
                yield

        plant(patched, blindly)

        found = sweep(service, Push(service, rich=False), [Mode.DISK_FULL], where=commits)

        assert "I1, I3" in problems(found)

    def test_a_verdict_that_is_not_found_again(self, service: Service, patched: pytest.MonkeyPatch) -> None:
        engine_url = services(service.app).config.database_engine_url

        @contextmanager
        def forgetfully() -> Iterator[None]:
            try:
                yield
            except (psycopg.Error, DBAPIError):
                with psycopg.connect(engine_url, autocommit=True) as forgetful:
                    forgetful.execute("UPDATE sync_mutations SET id = gen_random_uuid()")
                raise

        plant(patched, forgetfully)

        found = sweep(service, Push(service, rich=False), [Mode.LOST_AFTER], where=commits)

        assert "told to ['reauth']" in problems(found)  # judged anew, as the work of another phone

    def test_a_connection_that_is_kept_after_an_error(self, service: Service) -> None:
        kept: list[Any] = []

        def keep(_: Any) -> None:
            if not kept:
                kept.append(service.db.app.raw_connection())

        event.listen(service.db.app, "handle_error", keep)
        try:
            found = sweep(service, Delta(service), [Mode.CANCELLED], where=spread(5))
        finally:
            event.remove(service.db.app, "handle_error", keep)
            for one in kept:
                one.close()

        assert "1 connections of the app pool were not given back" in problems(found)

    def test_an_error_of_the_server_instead_of_a_wait(
        self, service: Service, patched: pytest.MonkeyPatch
    ) -> None:
        handlers = service.app.error_handler_spec[None][None]
        patched.setitem(handlers, DBAPIError, lambda error: Response("bug", 500))

        found = sweep(service, Delta(service), [Mode.DISK_FULL], where=spread(5))

        assert "answered 500" in problems(found)

    def test_a_drain_in_two_transactions(self, service: Service) -> None:
        def tear(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if re.search(r"(INSERT INTO|UPDATE|MERGE INTO|COPY) sync_feed", statement):
                connection.connection.driver_connection.commit()

        event.listen(service.db.engine, "after_cursor_execute", tear)
        try:
            found = sweep(service, Drain(service), [Mode.CANCELLED], where=spread(6))
        finally:
            event.remove(service.db.engine, "after_cursor_execute", tear)

        assert "I15" in problems(found)

    def test_a_lost_answer_that_ends_a_session(self, service: Service, patched: pytest.MonkeyPatch) -> None:
        class Impatient(Refresh):
            """A phone that comes again only after the grace."""

            def unanswered(self, case: Any) -> list[str]:
                self.world.engine_sql(
                    "UPDATE refresh_families SET rotated_at = rotated_at - interval '1 hour'"
                    " WHERE tenant_id = :tenant"
                )
                return []

        found = sweep(service, Impatient(service), [Mode.LOST_AFTER], where=commits)

        assert "answered 401" in problems(found)

    def test_nothing_where_nothing_is_wrong(self, service: Service) -> None:
        found = sweep(service, Glance(service), list(Mode))

        assert found.problems == []
        assert found.runs >= found.statements > 0
