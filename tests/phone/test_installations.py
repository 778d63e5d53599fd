"""One person, several installations; several persons, one phone."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.phone import NeedsLogin, Phone, WorkOfAnother
from tests.phone.scripted import ACCOUNT, ScriptedServer, page, tokens, verdict


class TestReinstalled:
    def test_the_restored_queue_goes_out_unchanged_from_a_new_device(
        self, phone: Phone, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        phone.sync()
        phone.edit("account", ACCOUNT, phone="02-3")
        made = phone.store.queue()
        server.logins.append(tokens(device="d2"))

        again = make_phone()
        again.log_in("demo", "rep", "pw")
        again.restore(phone.backup())
        again.create("account", name="새 고객")
        server.script.append(page(directives=["rebase"], has_more=True))
        again.sync()

        sent = server.requests[-1]["mutations"]
        assert [{k: v for k, v in m.items() if k != "age_ms"} for m in sent[:2]] == made
        assert [m["n"] for m in sent] == [1, 2, 3]
        assert [m["age_ms"] for m in sent[:2]] == [None, None]

    def test_nobody_gets_the_queue_of_another(
        self, phone: Phone, make_phone: Callable[..., Phone], server: ScriptedServer
    ) -> None:
        server.logins.append(tokens(user="u2", device="d2"))
        other = make_phone()
        other.log_in("demo", "other", "pw")

        with pytest.raises(ValueError, match="same person"):
            other.restore(phone.backup())

    def test_a_phone_with_a_queue_of_its_own_takes_no_other(self, phone: Phone) -> None:
        backup = phone.backup()
        phone.edit("account", ACCOUNT, phone="02-2")

        with pytest.raises(ValueError, match="empty"):
            phone.restore(backup)


class TestLogin:
    def test_the_same_person_stays_the_same_device_and_keeps_all(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")

        phone.log_in("demo", "rep", "pw")
        phone.sync()

        assert server.logged_in[-1]["device"]["id"] == "d1"
        assert server.requests[-1]["cursor"] == "c1"
        assert len(server.requests[-1]["mutations"]) == 1

    def test_a_device_that_the_server_forgot_gets_everything_anew(
        self, phone: Phone, server: ScriptedServer
    ) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.logins.append(tokens(device="d9"))

        phone.log_in("demo", "rep", "pw")
        server.script.append(page(directives=["rebase"], has_more=True))
        phone.sync()

        assert [r["cursor"] for r in server.requests[-2:]] == [None, "c1"]
        assert len(server.requests[-1]["mutations"]) == 1

    def test_another_person_does_not_send_what_waits_here(self, phone: Phone, server: ScriptedServer) -> None:
        phone.edit("account", ACCOUNT, phone="02-2")
        server.logins.append(tokens(user="u2", device="d2"))

        with pytest.raises(WorkOfAnother):
            phone.log_in("demo", "other", "pw")

        assert phone.store.read("device_id") == "d1"
        assert phone.waiting() == 1

    def test_another_person_sees_nothing_of_the_last_one(self, phone: Phone, server: ScriptedServer) -> None:
        server.logins.append(tokens(user="u2", device="d2"))

        phone.log_in("demo", "other", "pw")

        assert phone.list("account") == []
        assert phone.store.read("cursor") is None


class TestCloned:
    def test_a_copy_of_the_store_sends_the_same_mutations_and_is_told_to_log_in(
        self, make_phone: Callable[..., Phone], server: ScriptedServer, tmp_path: Path
    ) -> None:
        original = make_phone(str(tmp_path / "phone.db"))
        original.log_in("demo", "rep", "pw")
        original.sync()
        original.create("account", name="before")
        (tmp_path / "copy.db").write_bytes((tmp_path / "phone.db").read_bytes())
        original.sync()
        copy = make_phone(str(tmp_path / "copy.db"))
        copy.create("account", name="on the copy")
        replayed, new = (one.body for one in copy.store.unsent(2))
        judged = [verdict(replayed, replayed=True), verdict(new)]
        server.script.append(page(verdicts=judged, directives=["reauth"]))

        with pytest.raises(NeedsLogin):
            copy.sync()

        assert copy.waiting() == 0
        assert copy.store.read("device_id") is None


class TestFile:
    def test_one_of_the_first_version_is_taken_over(
        self, make_phone: Callable[..., Phone], server: ScriptedServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "phone.db"
        with sqlite3.connect(path) as old:
            old.executescript(
                "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL);"
                "CREATE TABLE records (entity TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,"
                " body TEXT NOT NULL, stale INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (entity, id)) WITHOUT ROWID;"
                "CREATE TABLE mutations (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, entity TEXT NOT NULL,"
                " record_id TEXT NOT NULL, body TEXT NOT NULL, boot TEXT NOT NULL, made_ms INTEGER NOT NULL,"
                " verdict TEXT, judged_at TEXT);"
                "INSERT INTO records VALUES ('account', 'a', 3, '{\"id\": \"a\", \"version\": 3}', 0);"
                "INSERT INTO mutations VALUES (7, 'm', 'account', 'b', '{\"n\": 7}', 'b', 0, NULL, NULL);"
            )
        old.close()

        phone = make_phone(str(path))
        phone.create("account", name="next")

        assert phone.get("account", "a") == {"id": "a", "version": 3}
        assert phone.store.queue()[1]["n"] == 8
