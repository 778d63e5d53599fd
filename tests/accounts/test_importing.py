"""Customer lists: what is read, refused, written, and left alone."""

import csv
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.accounts import service
from app.accounts.columns import header_key, kinds_of
from app.accounts.importing import ImportUnreadable, Options, Summary, detect_encoding, import_accounts
from app.cli.accounts import TerritoryNames, import_command
from app.core.clock import utc_now
from app.core.scope import Role
from app.sample.customers import SHIPPED_CSV, SHIPPED_ROWS, SHIPPED_SEED, expected, write_sample_csv
from tests.world import World

ROW = {"거래처코드": "C1", "거래처명": "(주)가람상사", "전화번호": "02-000-0100"}
Row = Mapping[str, str]


def write(path: Path, *rows: Row, encoding: str = "cp949") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(world: World, path: Path, *, create: bool = False, **options: Any) -> Summary:
    made = Options(**{"system": "erp", **options})
    territories = TerritoryNames(world.db, world.id, create=create, dry_run=made.dry_run)
    return import_accounts(world.db, world.id, path, path.with_suffix(".rejects.csv"), made, territories)


def rejects(path: Path, encoding: str = "cp949") -> list[dict[str, str]]:
    with path.with_suffix(".rejects.csv").open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def stored(world: World, code: str = "C1") -> Any:
    [row] = world.sql("SELECT * FROM accounts WHERE tenant_id = :tenant AND code = :code", code=code)
    return row


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.created, summary.updated, summary.unchanged, summary.rejected


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "customers.csv"


class TestSampleFile:
    def test_comes_out_as_its_makers_say(self, world: World, tmp_path: Path) -> None:
        told = expected(SHIPPED_ROWS, SHIPPED_SEED)
        path = tmp_path / "customers.csv"
        path.write_bytes(SHIPPED_CSV.read_bytes())

        summary = read(world, path, create=True)

        assert summary.encoding == "cp949"
        assert (summary.rows, summary.created, summary.masked) == (told.rows, told.accepted, told.masked)
        assert summary.reasons == told.rejected
        assert len(rejects(path)) == summary.rejected == told.rows - told.accepted
        assert not summary.unplaced

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_is_the_same_in(self, world: World, file: Path, encoding: str) -> None:
        write_sample_csv(file, 300, SHIPPED_SEED, encoding=encoding)

        summary = read(world, file, create=True)

        assert (summary.encoding, summary.created) == (encoding, expected(300, SHIPPED_SEED).accepted)
        names = world.sql(
            "SELECT count(*) FROM accounts WHERE tenant_id = :tenant AND name IS NOT NFC NORMALIZED"
        )
        assert names == [(0,)]

    def test_changes_nothing_the_second_time(self, world: World, file: Path) -> None:
        write_sample_csv(file, 300, SHIPPED_SEED)
        read(world, file, create=True)
        before = world.sql("SELECT count(*) FROM changes WHERE tenant_id = :tenant")

        summary = read(world, file, create=True)

        assert (summary.created, summary.updated) == (0, 0)
        assert summary.unchanged == expected(300, SHIPPED_SEED).accepted
        assert world.sql("SELECT count(*) FROM changes WHERE tenant_id = :tenant") == before

    def test_comes_back_from_its_rejects_once_they_are_mended(self, world: World, file: Path) -> None:
        read(world, write(file, {**ROW, "전화번호": "전화없음"}))
        [row] = rejects(file)

        again = write(file.with_name("mended.csv"), {**row, "전화번호": "010-0000-0001"})

        assert counts(read(world, again)) == (1, 0, 0, 0)


class TestRow:
    def test_becomes_an_account(self, world: World, file: Path) -> None:
        row = ROW | {
            "사업자 등록번호": "1234567891",
            "구분": "대리점",
            "시도": "강원도",
            "우편번호": "4524",
            "여신한도": "₩1,234,500",
            "태그": "겨울; 겨울;단골",
            "위도": "37.5",
            "경도": "127.01",
            "영업구역": "서울북부",
        }

        read(world, write(file, row, encoding="utf-8"))

        found = stored(world)
        assert (found.name, found.phone, found.business_number) == (
            "(주)가람상사",
            "+8220000100",
            "123-45-67891",
        )
        assert (found.kinds, found.tags) == (["customer", "partner"], ["대리점", "겨울", "단골"])
        assert (found.sido, found.postcode, found.location) == ("강원특별자치도", "04524", [37.5, 127.01])
        assert (found.credit_limit, found.credit_currency) == (Decimal(1234500), "KRW")
        assert found.territory_id == world.north

    @pytest.mark.parametrize(
        ("cells", "told"),
        [
            ({"거래처코드": " "}, "거래처코드: code_missing"),
            ({"거래처명": ""}, "거래처명: name_missing"),
            ({"거래처명": "가" * 201}, "거래처명: too_long"),
            ({"전화번호": "02-12"}, "전화번호: phone_invalid"),
            ({"사업자등록번호": "123-45-67890"}, "사업자등록번호: business_number_invalid"),
            ({"시도": "미지도"}, "시도: province_unknown"),
            ({"여신한도": "1,2,34"}, "여신한도: amount_invalid"),
            ({"여신한도": "-5"}, "여신한도: value_out_of_range"),
            ({"여신한도": "5", "통화": "WON"}, "통화: currency_unknown"),
            ({"이메일": "없음"}, "이메일: email_invalid"),
            ({"위도": "37.5", "경도": ""}, "경도: location_invalid"),
            ({"위도": "97.5", "경도": "127"}, "위도: location_invalid"),
            ({"영업구역": "달나라"}, "영업구역: territory_unknown"),
        ],
    )
    def test_is_refused_with_its_reason(self, world: World, file: Path, cells: Row, told: str) -> None:
        read(world, write(file, ROW | cells))

        [row] = rejects(file)
        assert told in row["import_errors"].split("; ")
        assert row["import_line"] == "2"

    def test_is_told_all_that_is_wrong_with_it(self, world: World, file: Path) -> None:
        read(world, write(file, ROW | {"거래처명": "", "전화번호": "?"}))

        assert rejects(file)[0]["import_errors"] == "전화번호: phone_invalid; 거래처명: name_missing"

    def test_of_the_wrong_length_is_refused(self, world: World, file: Path) -> None:
        file.write_text("code,name\nC1,가람,1\nC2\nC3,다람,\n", encoding="utf-8")

        assert counts(read(world, file)) == (1, 0, 0, 2)
        assert {row["import_errors"] for row in rejects(file, "utf-8")} == {"column_count_wrong"}

    def test_with_bytes_of_another_encoding_is_refused_alone(self, world: World, file: Path) -> None:
        file.write_bytes("code,name\r\nC1,가람\r\n".encode("cp949") + b"C2,\xff\xfe\r\nC3,x\r\n")

        summary = read(world, file)

        assert counts(summary) == (2, 0, 0, 1)
        assert summary.reasons == {"char_not_decodable": 1}

    def test_with_a_key_that_came_before_is_refused(self, world: World, file: Path) -> None:
        summary = read(world, write(file, ROW, ROW | {"거래처명": "나"}))

        assert (summary.created, summary.reasons) == (1, {"code_repeated": 1})

    def test_keeps_no_national_id_number_even_among_the_rejects(self, world: World, file: Path) -> None:
        row = ROW | {"비고": "보증인 900101-1234567"}

        summary = read(world, write(file, row, row | {"거래처코드": "C2", "거래처명": ""}))

        assert (stored(world).notes, summary.masked) == ("보증인 900101-*******", 1)
        assert rejects(file)[0]["비고"] == "보증인 900101-*******"
        assert world.sql(
            "SELECT count(*) FROM external_refs WHERE tenant_id = :tenant AND last_values::text LIKE '%1234567%'"
        ) == [(0,)]


class TestSecondRun:
    def test_leaves_what_was_edited_here(self, world: World, file: Path) -> None:
        read(world, write(file, ROW | {"등급": "A"}))
        rep = world.person(Role.ADMIN)
        with world.acting(rep) as (session, actor):
            account = service.update_account(
                session, actor, stored(world).id, {"phone": "+821000000001"}, now=utc_now()
            )

        summary = read(world, write(file, ROW | {"등급": "B"}))

        assert counts(summary) == (0, 1, 0, 0)
        found = stored(world)
        assert (found.phone, found.tier, found.version) == ("+821000000001", "B", account.version + 1)

    def test_writes_what_the_source_changed_over_what_was_edited_here(self, world: World, file: Path) -> None:
        read(world, write(file, ROW))
        world.sql("UPDATE accounts SET phone = '+821000000001' WHERE tenant_id = :tenant")

        read(world, write(file, ROW | {"전화번호": "02-000-0200"}))

        assert stored(world).phone == "+8220000200"

    def test_sees_no_change_in_another_spelling(self, world: World, file: Path) -> None:
        read(world, write(file, ROW | {"여신한도": "1,000"}))

        assert counts(read(world, write(file, ROW | {"전화번호": "020000100", "여신한도": "1000원"}))) == (
            0,
            0,
            1,
            0,
        )

    def test_empties_what_the_source_emptied(self, world: World, file: Path) -> None:
        read(world, write(file, ROW | {"태그": "겨울", "등급": "A"}))

        read(world, write(file, ROW | {"태그": "", "등급": "", "전화번호": ""}))

        assert (stored(world).tags, stored(world).tier, stored(world).phone) == ([], None, None)

    def test_leaves_fields_alone_whose_column_is_gone(self, world: World, file: Path) -> None:
        read(world, write(file, ROW | {"등급": "A"}))

        assert counts(read(world, write(file, ROW))) == (0, 0, 1, 0)
        assert stored(world).tier == "A"

    def test_does_not_bring_back_what_was_deleted_here(self, world: World, file: Path) -> None:
        read(world, write(file, ROW))
        world.sql("UPDATE accounts SET deleted_at = now() WHERE tenant_id = :tenant")

        summary = read(world, write(file, ROW | {"등급": "B"}))

        assert summary.reasons == {"record_deleted": 1}
        assert stored(world).tier is None

    def test_names_its_source_in_the_history(self, world: World, file: Path) -> None:
        read(world, write(file, ROW))

        told = world.sql(
            "SELECT actor_kind, actor_name FROM changes WHERE tenant_id = :tenant AND entity = 'account'"
        )
        assert told == [("import", "erp")]


class TestSources:
    def test_do_not_take_over_a_code_that_is_in_use(self, world: World, file: Path) -> None:
        world.account(code="C1", name="앱에서 만든 고객")

        summary = read(world, write(file, ROW))

        assert summary.reasons == {"account.code_taken": 1}
        assert stored(world).name == "앱에서 만든 고객"

    def test_may_share_keys_with_a_prefix(self, world: World, file: Path) -> None:
        read(world, write(file, ROW))

        assert read(world, file, system="legacy", code_prefix="L-").created == 1
        assert stored(world, "L-C1").name == "(주)가람상사"


class TestParents:
    def test_may_come_before_or_after(self, world: World, file: Path) -> None:
        rows = [("C1", "C3"), ("C2", "C1"), ("C3", "")]

        summary = read(world, write(file, *({**ROW, "거래처코드": c, "상위거래처코드": p} for c, p in rows)))

        assert not summary.unplaced
        assert stored(world, "C1").parent_id == stored(world, "C3").id
        assert stored(world, "C2").parent_id == stored(world, "C1").id

    def test_that_are_unknown_are_told_and_tried_again(self, world: World, file: Path) -> None:
        row = ROW | {"상위거래처코드": "C9"}

        summary = read(world, write(file, row))

        assert (summary.created, summary.unplaced) == (1, {"parent_unknown": 1})
        assert rejects(file)[0]["import_errors"] == "상위거래처코드: parent_unknown"
        again = read(world, write(file, row, ROW | {"거래처코드": "C9", "상위거래처코드": ""}))
        assert (counts(again), dict(again.unplaced)) == ((1, 0, 1, 0), {})
        assert stored(world).parent_id == stored(world, "C9").id

    def test_never_make_a_circle(self, world: World, file: Path) -> None:
        rows = [("C1", "C3"), ("C2", "C1"), ("C3", "C2")]

        summary = read(world, write(file, *({**ROW, "거래처코드": c, "상위거래처코드": p} for c, p in rows)))

        assert summary.unplaced == {"account.parent_cycle": 1}

    def test_go_when_the_source_says_so(self, world: World, file: Path) -> None:
        rows = [{**ROW, "거래처코드": c, "상위거래처코드": p} for c, p in (("C1", ""), ("C2", "C1"))]
        read(world, write(file, *rows))

        read(world, write(file, rows[0], rows[1] | {"상위거래처코드": ""}))

        assert stored(world, "C2").parent_id is None


class TestDryRun:
    def test_counts_and_keeps_nothing(self, world: World, file: Path) -> None:
        path = write(file, ROW | {"영업구역": "새구역"}, ROW | {"거래처코드": "", "영업구역": "새구역"})

        summary = read(world, path, create=True, dry_run=True)

        assert counts(summary) == (1, 0, 0, 1)
        for table in ("accounts", "external_refs", "changes"):
            rows = world.sql(f"SELECT count(*) FROM {table} WHERE tenant_id = :tenant AND {REAL[table]}")
            assert rows == [(0,)]


REAL = {"accounts": "true", "external_refs": "true", "changes": "entity = 'account'"}


class TestDetectEncoding:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
    def test_finds(self, file: Path, encoding: str) -> None:
        write(file, ROW, encoding=encoding)

        assert detect_encoding(file) == encoding

    def test_looks_to_the_end(self, file: Path) -> None:
        file.write_bytes(b"code,name\n" * 300_000 + "C1,가람\n".encode("cp949"))

        assert detect_encoding(file) == "cp949"


class TestUnreadable:
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "nothing"),
            ("이름,주소\n가,나\n".encode(), "code and name"),
            (b"PK\x03\x04rest", "spreadsheet"),
            (b"code,name,company\n", "Two columns for name"),
        ],
    )
    def test_says_why(self, world: World, file: Path, content: bytes, told: str) -> None:
        file.write_bytes(content)

        with pytest.raises(ImportUnreadable, match=told):
            read(world, file)

    def test_never_writes_over_its_own_input(self, world: World, tmp_path: Path) -> None:
        path = write(tmp_path / "customers.rejects.csv", ROW)
        options = Options("erp")
        territories = TerritoryNames(world.db, world.id, create=False, dry_run=False)

        with pytest.raises(ImportUnreadable):
            import_accounts(world.db, world.id, path, path, options, territories)


class TestColumns:
    @pytest.mark.parametrize("header", ["거래처 코드", "거래처_코드", " 거래처코드 ", "거래처코드*"])
    def test_are_known_in_other_spellings(self, header: str) -> None:
        assert header_key(header) == "거래처코드"

    @pytest.mark.parametrize(
        ("word", "kinds"), [("주유소", ["customer"]), ("매입처", ["supplier"]), (None, ["customer"])]
    )
    def test_say_what_an_account_is_to_us(self, word: str | None, kinds: Sequence[str]) -> None:
        assert kinds_of(word) == kinds

    def test_in_english_separated_by_semicolons(self, world: World, file: Path) -> None:
        file.write_text("Customer No.;Company Name;Zip\nC1;Garam;04524\n", encoding="utf-8")

        read(world, file)

        assert (stored(world).name, stored(world).postcode) == ("Garam", "04524")


class TestCommand:
    def invoke(self, served: Flask, world: World, path: Path, *args: str) -> Any:
        arguments = [str(path), "--tenant", world.code, "--system", "ERP", *args]
        return served.test_cli_runner().invoke(import_command, arguments)

    def test_tells_what_came_of_it(self, served: Flask, world: World, file: Path) -> None:
        result = self.invoke(served, world, write(file, ROW, ROW | {"거래처코드": "C2", "전화번호": "?"}))

        assert result.exit_code == 0
        assert "created             1" in result.output
        assert "phone_invalid" in result.output
        assert str(file.with_suffix(".rejects.csv")) in result.output

    def test_fails_when_nothing_can_be_read(self, served: Flask, world: World, file: Path) -> None:
        result = self.invoke(served, world, file)

        assert result.exit_code == 2
        assert "cannot be read" in result.output

    def test_makes_territories_if_told_to(self, served: Flask, world: World, file: Path) -> None:
        self.invoke(served, world, write(file, ROW | {"영업구역": "새구역"}), "--create-territories")

        assert isinstance(stored(world).territory_id, UUID)
        assert world.sql("SELECT code FROM territories WHERE tenant_id = :tenant AND name = '새구역'") == [
            ("새구역",)
        ]
