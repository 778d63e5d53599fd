"""Customer lists as ERPs write them, read row by row; see docs/import.md."""

import codecs
import csv
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, ClassVar, Final, Protocol, TypeVar
from uuid import UUID

import orjson
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.accounts.columns import FIELDS_OF_HEADERS, IGNORED_HEADERS, header_key, kinds_of
from app.accounts.service.imports import (
    CODE_TAKEN,
    CREATED,
    PARENT_CODE,
    TERRITORY,
    UNCHANGED,
    UPDATED,
    ImportedAccount,
    Written,
    hang_below,
    upsert_imported,
)
from app.accounts.service.rules import mask_free_text, wrong_fields
from app.core.business_numbers import parse_business_number
from app.core.db import Database
from app.core.money import currency_precision, parse_amount
from app.core.phones import parse_phone
from app.core.text import mask_national_ids, nfc
from app.sample.regions import find_province

Result = TypeVar("Result")

MOST_ROWS_A_BATCH: Final = 5_000  # a drain takes a batch whole, and phones wait for it
TRIES: Final = 5
_RETRYABLE: Final = ("40001", "40P01", "23505")  # serialization, deadlock, and a code taken in between
_LONGEST_CELL: Final = 1_000_000
_CHUNK: Final = 1 << 20

LINE_HEADER: Final = "import_line"
ERRORS_HEADER: Final = "import_errors"


class ImportUnreadable(Exception):
    """Nothing of the file could be read; the message says why."""


class CellInvalid(ValueError):
    """A cell is not as it must be."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is to be read and written.

    Attributes:
        system: Name of the source; its keys are unique within it.
        encoding: A Python codec, or ``auto``.
        currency: Of amounts without one.
        code_prefix: Put before the source's key to make the account's code, when sources share keys.
        batch: Rows in one transaction.
        dry_run: Check and count everything, and keep nothing.
    """

    system: str
    encoding: str = "auto"
    currency: str = "KRW"
    code_prefix: str = ""
    batch: int = 2_000
    dry_run: bool = False


@dataclass(slots=True)
class Summary:
    """What came of a file. ``reasons`` counts each reason once for a row; ``unplaced`` rows were taken
    in without the parent that they name."""

    encoding: str = ""
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    masked: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unplaced: Counter[str] = field(default_factory=Counter)
    ignored_columns: tuple[str, ...] = ()


class Territories(Protocol):
    """Finds, or makes, the territory that a source names; None when there is none."""

    def __call__(self, name: str) -> UUID | None: ...


def import_accounts(
    database: Database,
    tenant_id: UUID,
    path: Path,
    rejects: Path,
    options: Options,
    territories: Territories,
    on_progress: Callable[[int, int, Summary], None] = lambda read, total, summary: None,
) -> Summary:
    """Read a customer list and write it in batches; may be run again at any time.

    Args:
        database: Pool of the app role.
        tenant_id: Whose accounts.
        path: The CSV file.
        rejects: Where rejected rows go, in the input's encoding; written only if there are any.
        options: How to read and write.
        territories: Finds territories by name or code.
        on_progress: Told after each batch how many bytes of how many were read.

    Raises:
        ImportUnreadable: No such file, no text, or no columns that could be a customer list.
    """
    if rejects.resolve() == path.resolve():
        raise ImportUnreadable("Rejected rows would overwrite the file that is read.")
    with ExitStack() as stack:
        source = stack.enter_context(Source.open(path, options.encoding))
        summary = Summary(encoding=source.encoding, ignored_columns=source.ignored)
        refused = stack.enter_context(Rejects(rejects, source))
        later = stack.enter_context(Later())
        reader = RowReader(source, options, territories)
        run = _Run(database, tenant_id, options, summary, refused, later)
        writer = stack.enter_context(ThreadPoolExecutor(1))
        written: Future[list[Written]] | None = None
        readings: list[Reading] = []
        while lines := list(islice(source.lines, min(options.batch, MOST_ROWS_A_BATCH))):
            # The next batch is read while the database works on the last.
            last, readings = readings, [reader.read(line) for line in lines]
            if written is not None:
                run.count(last, written.result())
            written = writer.submit(run.write, readings)
            on_progress(source.position(), source.size, summary)
        if written is not None:
            run.count(readings, written.result())
        if not options.dry_run:
            run.place_waiting()
        on_progress(source.size, source.size, summary)
        return summary


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file: number of its last line, cells, and what was wrong with the row as a whole."""

    number: int
    cells: list[str]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A row after the checks: an account, or errors as (column, code)."""

    line: Line
    account: ImportedAccount | None = None
    masked: bool = False
    errors: Sequence[tuple[str, str]] = ()


class Source:
    """An open file: its encoding, its columns, and its rows as they come."""

    def __init__(self, binary: IO[bytes], encoding: str, size: int) -> None:
        self._binary = binary
        self.encoding = encoding
        self.size = size
        # Bytes that the encoding does not know become U+FFFD, so that only their row is refused.
        self._text = io.TextIOWrapper(binary, encoding=encoding, errors="replace", newline="")
        first = self._text.readline(_LONGEST_CELL)
        self.delimiter = max(",\t;|", key=first.count)
        self._reader = csv.reader(_after(first, self._text), delimiter=self.delimiter)
        csv.field_size_limit(_LONGEST_CELL)
        self.headers = [nfc(header).strip() for header in next(self._reader, [])]
        self.fields = [FIELDS_OF_HEADERS.get(header_key(header)) for header in self.headers]
        self.header_of = {name: h for name, h in zip(self.fields, self.headers, strict=True) if name}
        self.ignored = tuple(
            header
            for header, name in zip(self.headers, self.fields, strict=True)
            if name is None and header and header not in IGNORED_HEADERS
        )
        self._check_columns()

    @classmethod
    def open(cls, path: Path, encoding: str) -> "Source":
        """Open *path*; the encoding is found when it is ``auto``.

        Raises:
            ImportUnreadable: It cannot be opened, is empty, or has no columns of a customer list.
        """
        try:
            found = detect_encoding(path) if encoding == "auto" else codecs.lookup(encoding).name
            binary = path.open("rb")
        except OSError as error:
            raise ImportUnreadable(f"{path} cannot be read: {error.strerror}.") from error
        except LookupError as error:
            raise ImportUnreadable(f"There is no encoding {encoding}.") from error
        try:
            return cls(binary, found, path.stat().st_size)
        except BaseException:
            binary.close()
            raise

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    @property
    def lines(self) -> Iterator[Line]:
        """The rows below the header; blank ones are skipped."""
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                yield Line(self._reader.line_num, [], "row_unreadable")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            while len(cells) > len(self.headers) and not cells[-1].strip():
                cells.pop()  # spreadsheets leave empty cells behind
            wrong = "column_count_wrong" if len(cells) != len(self.headers) else None
            yield Line(self._reader.line_num, cells, wrong)

    def position(self) -> int:
        """Bytes read so far."""
        return self._binary.tell()

    def _check_columns(self) -> None:
        named = [name for name in self.fields if name]
        if missing := [name for name in ("code", "name") if name not in named]:
            raise ImportUnreadable(
                f"No column for {' and '.join(missing)} among: {', '.join(self.headers)[:200] or 'nothing'}."
                f" Read as {self.encoding}; docs/import.md lists the names that are known."
            )
        if twice := [name for name, count in Counter(named).items() if count > 1]:
            raise ImportUnreadable(f"Two columns for {', '.join(twice)}; remove or rename one.")


def _after(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first.removeprefix("\ufeff")
    yield from rest


def detect_encoding(path: Path) -> str:
    """``utf-8-sig``, ``utf-16``, ``utf-8`` or, when the file is no UTF-8 to its last byte, ``cp949``.

    Raises:
        ImportUnreadable: It is an Excel workbook.
    """
    with path.open("rb") as file:
        start = file.read(4)
        if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise ImportUnreadable(f"{path} is a spreadsheet; save it as CSV first.")
        if start.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp949"
    return "utf-8"


class RowReader:
    """Turns rows into checked accounts, with all that is wrong with each."""

    def __init__(self, source: Source, options: Options, territories: Territories) -> None:
        self._options = options
        self._territories = territories
        self._cells = [(index, name) for index, name in enumerate(source.fields) if name is not None]
        self._header_of = source.header_of
        self._seen: set[str] = set()

    def read(self, line: Line) -> Reading:
        """Check one row; nothing is written."""
        if line.error:
            return Reading(line, errors=[("", line.error)])
        errors: list[tuple[str, str]] = []
        values = self._values(line, errors)
        external_id = values.pop("external_id", None) or ""
        territory_id = self._territory(values, errors)
        clean, masked = mask_free_text(values)
        told = {column for column, _ in errors}
        errors += [
            (self._header_of.get(name, name), code)
            for name, code in wrong_fields(clean).items()
            if self._header_of.get(name, name) not in told
        ]
        if not errors and external_id in self._seen:
            errors.append((self._header_of["code"], "code_repeated"))
        if errors:
            return Reading(line, errors=errors)
        self._seen.add(external_id)
        sent = {name: _json(value) for name, value in clean.items()}
        return Reading(line, ImportedAccount(external_id, sent, territory_id), bool(masked))

    def _values(self, line: Line, errors: list[tuple[str, str]]) -> dict[str, Any]:
        raw = {name: nfc(line.cells[index]).strip() for index, name in self._cells}
        values: dict[str, Any] = {}
        for name, text in raw.items():
            try:
                values[name] = self._value(name, text, raw)
            except ValueError as error:
                errors.append((self._header_of[name], getattr(error, "code", "value_invalid")))
        return self._combined(values, raw, errors)

    def _value(self, name: str, text: str, raw: Mapping[str, str]) -> Any:
        if "\ufffd" in text:
            raise CellInvalid("char_not_decodable")
        if "\x00" in text:
            raise CellInvalid("char_not_allowed")
        if name == "code" and not text:
            raise CellInvalid("code_missing")
        if name == "credit_limit" and text:
            return parse_amount(text, raw.get("credit_currency", "").upper() or self._options.currency)
        if name in _PARSERS:
            return _PARSERS[name](text)
        return text or None

    def _combined(
        self, values: dict[str, Any], raw: Mapping[str, str], errors: list[tuple[str, str]]
    ) -> dict[str, Any]:
        """Fields that take several columns: code, currency, kinds with their word as a tag, the point."""
        if code := values.get("code"):
            values["external_id"] = code
            values["code"] = self._options.code_prefix + code
        if values.get("credit_limit") is not None and values.get("credit_currency") is None:
            values["credit_currency"] = self._options.currency
        if "kinds" in values:
            word, values["kinds"] = values["kinds"], kinds_of(values["kinds"])
            if word:
                values["tags"] = list(dict.fromkeys([word, *(values.get("tags") or [])]))
        if "latitude" in raw or "longitude" in raw:
            latitude, longitude = values.pop("latitude", None), values.pop("longitude", None)
            told = {self._header_of.get("latitude"), self._header_of.get("longitude")} & {
                c for c, _ in errors
            }
            values["location"] = None if latitude is None or longitude is None else [latitude, longitude]
            if not told and (latitude is None) != (longitude is None):
                column = self._header_of.get("latitude" if latitude is None else "longitude")
                errors.append((column or "location", "location_invalid"))
        return values

    def _territory(self, values: Mapping[str, Any], errors: list[tuple[str, str]]) -> UUID | None:
        name = values.get(TERRITORY)
        if name is None:
            return None
        found = self._territories(name)
        if found is None:
            errors.append((self._header_of[TERRITORY], "territory_unknown"))
        return found


def _degrees(most: float) -> Callable[[str], float | None]:
    def parse(text: str) -> float | None:
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            raise CellInvalid("location_invalid") from None
        if not -most <= value <= most or value == 0:
            raise CellInvalid("location_invalid")
        return value

    return parse


def _province(text: str) -> str | None:
    if not text:
        return None
    found = find_province(text)
    if found is None:
        raise CellInvalid("province_unknown")
    return found.name


def _currency(text: str) -> str | None:
    if not text:
        return None
    currency_precision(text.upper())
    return text.upper()


def _tags(text: str) -> list[str]:
    for separator in ";|":
        text = text.replace(separator, ",")
    return list(dict.fromkeys(tag for part in text.split(",") if (tag := part.strip())))


def _postcode(text: str) -> str | None:
    """Spreadsheets drop the leading zero of the five digits."""
    return (text.zfill(5) if text.isascii() and text.isdigit() and len(text) == 4 else text) or None


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "business_number": lambda text: parse_business_number(text) if text else None,
    "phone": lambda text: parse_phone(text) if text else None,
    "credit_currency": _currency,
    "sido": _province,
    "postcode": _postcode,
    "tags": _tags,
    "latitude": _degrees(90),
    "longitude": _degrees(180),
}


def _json(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


class Rejects:
    """The file of refused rows: their cells as they came, their line, and what was wrong.

    National id numbers are masked here too: what may not be stored may not lie about in a file.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self._path = path
        self.source = source
        self._file: IO[str] | None = None
        self._writer: Any = None

    def __enter__(self) -> "Rejects":
        self._path.unlink(missing_ok=True)  # of an earlier run
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: Line, errors: Iterable[tuple[str, str]]) -> None:
        """Add a row; the file is made with the first."""
        if self._file is None:
            self._file = self._path.open("w", encoding=self.source.encoding, errors="replace", newline="")
            self._writer = csv.writer(self._file, delimiter=self.source.delimiter, lineterminator="\r\n")
            self._writer.writerow([*self.source.headers, LINE_HEADER, ERRORS_HEADER])
        width = len(self.source.headers)
        cells = [mask_national_ids(cell)[0] for cell in line.cells]
        cells += [""] * (width - len(cells))
        told = "; ".join(f"{column}: {code}" if column else code for column, code in errors)
        self._writer.writerow([*cells[:width], line.number, told, *cells[width:]])


class Later:
    """Rows that wait for a parent further down, kept on disk."""

    BATCH: ClassVar[int] = 2_000

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed in __exit__)

    def __enter__(self) -> "Later":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, external_id: str, parent_code: str, line: Line) -> None:
        """Keep a row for later."""
        self._file.write(orjson.dumps([external_id, parent_code, line.number, line.cells]) + b"\n")

    def batches(self) -> Iterator[list[tuple[str, str, Line]]]:
        """All rows that were kept."""
        self._file.seek(0)
        while lines := list(islice(self._file, self.BATCH)):
            rows = map(orjson.loads, lines)
            yield [(external_id, code, Line(number, cells)) for external_id, code, number, cells in rows]


class _Run:
    """One import in progress."""

    def __init__(
        self,
        database: Database,
        tenant_id: UUID,
        options: Options,
        summary: Summary,
        refused: Rejects,
        later: Later,
    ) -> None:
        self.database = database
        self.tenant_id = tenant_id
        self.options = options
        self.summary = summary
        self.refused = refused
        self.later = later

    def write(self, readings: Sequence[Reading]) -> list[Written]:
        """Write what is right of a batch in one transaction."""
        accounts = [reading.account for reading in readings if reading.account is not None]
        return self._in_transaction(
            lambda session: upsert_imported(session, self.tenant_id, self.options.system, accounts)
        )

    def count(self, readings: Sequence[Reading], written: Sequence[Written]) -> None:
        """Count a batch, and put aside what was refused or waits for its parent."""
        outcomes = iter(written)
        for reading in readings:
            self.summary.rows += 1
            if reading.account is None:
                self._reject(reading.line, reading.errors)
            else:
                self._count(reading.line, reading.account, reading.masked, next(outcomes))

    def place_waiting(self) -> None:
        """Set the parents that came after their children."""
        for rows in self.later.batches():
            failed = self._hang_below([(external_id, parent_code) for external_id, parent_code, _ in rows])
            for external_id, _, line in rows:
                if code := failed.get(external_id):
                    self.summary.unplaced[code] += 1
                    self.refused.write(line, [(self.refused.source.header_of[PARENT_CODE], code)])

    def _hang_below(self, pairs: list[tuple[str, str]]) -> dict[str, str]:
        return self._in_transaction(
            lambda session: hang_below(session, self.tenant_id, self.options.system, pairs)
        )

    def _in_transaction(self, work: Callable[[Session], Result]) -> Result:
        """Do *work* and commit it; again when another writer was in the way."""
        actor = f"import:{self.options.system}"
        for tries_left in reversed(range(TRIES)):
            try:
                with self.database.session(self.tenant_id, actor=actor) as session:
                    found = work(session)
                    if self.options.dry_run:
                        session.rollback()
                    return found
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _RETRYABLE or not tries_left:
                    raise
        raise AssertionError  # the loop returns or raises

    def _count(self, line: Line, account: ImportedAccount, masked: bool, written: Written) -> None:
        summary = self.summary
        if written.rejected:
            column = self.refused.source.header_of["code"] if written.outcome == CODE_TAKEN else ""
            self._reject(line, [(column, written.outcome)])
            return
        summary.created += written.outcome == CREATED
        summary.updated += written.outcome == UPDATED
        summary.unchanged += written.outcome == UNCHANGED
        summary.masked += masked
        if written.waits_for_parent:
            self.later.add(account.external_id, account.sent[PARENT_CODE], line)

    def _reject(self, line: Line, errors: Sequence[tuple[str, str]]) -> None:
        self.summary.rejected += 1
        self.summary.reasons.update({code for _, code in errors})
        self.refused.write(line, errors)
