"""What an application declares of its records: fields, merge policies, shapes, buckets, state machine."""

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

ALL_CLASSES = ("sales", "service", "manager", "partner")


class Merge(enum.StrEnum):
    """How a field that two sides changed is settled; see docs/sync-protocol.md."""

    LAST_WRITE = "last_write"
    SERVER_WINS = "server_wins"
    CLIENT_WINS = "client_wins"
    MAX = "max"
    MIN = "min"
    SUM = "sum"
    SET = "set"
    ROWS = "rows"
    TEXT = "text"
    ASK = "ask"
    READ_ONLY = "read_only"


NEEDS_BASE = frozenset({Merge.SUM, Merge.SET, Merge.ROWS, Merge.TEXT})


class Kind(enum.StrEnum):
    """The wire type of a field; decides how SQL renders it and how ledger values are read."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    MONEY = "money"  # NUMERIC(18,4), a string of 4 decimals on the wire
    QUANTITY = "quantity"  # NUMERIC(18,6), a string of 6 decimals on the wire
    ID = "id"
    TIME = "time"  # RFC 3339 UTC with microseconds
    DATE = "date"
    TEXTS = "texts"  # text[]
    POINT = "point"  # double precision[2] as {"lat": …, "lon": …}
    JSON = "json"  # a column of type json: the bytes are kept
    ROWS = "rows"  # parts of the aggregate


@dataclass(frozen=True, slots=True)
class Field:
    """One field on the wire.

    Attributes:
        merge: Policy when two sides changed it.
        kind: Wire type.
        classes: Shape classes that may see it; ``None`` for all of the entity.
        column: Column of the table when it is not the field's name.
        sql: A SQL expression over alias ``t`` that gives the finished JSON text, for fields that
            are no plain column (computed ones); such a field is always read-only. ``{shape}`` in it
            stands for the shape that is being rendered.
        rows: Fields of a part, for ``Kind.ROWS``.
        table: Table of the parts, and ``root`` the column that names the root, for ``Kind.ROWS``.
        refers: Entity of the record that the value names, if phones may hold one; such a record is held
            while one that points to it is written.
        since: Schema version that brought it; older apps do not know it.
    """

    merge: Merge
    kind: Kind = Kind.TEXT
    classes: frozenset[str] | None = None
    column: str | None = None
    sql: str | None = None
    rows: Mapping[str, "Field"] = field(default_factory=dict)
    table: str = ""
    root: str = ""
    refers: str = ""
    since: int = 1


def last_write(kind: Kind = Kind.TEXT, *classes: str) -> Field:
    """The later stamp wins."""
    return Field(Merge.LAST_WRITE, kind, frozenset(classes) or None)


def reference(entity: str, *classes: str) -> Field:
    """The id of a record of *entity*; the later stamp wins."""
    return Field(Merge.LAST_WRITE, Kind.ID, frozenset(classes) or None, refers=entity)


def ask(kind: Kind = Kind.TEXT, *classes: str) -> Field:
    """Two different edits wait in the inbox for a person."""
    return Field(Merge.ASK, kind, frozenset(classes) or None)


def read_only(kind: Kind = Kind.TEXT, *classes: str, sql: str | None = None) -> Field:
    """Owned by the server; a phone that sends it is refused."""
    return Field(Merge.READ_ONLY, kind, frozenset(classes) or None, sql=sql)


def merged(policy: Merge, kind: Kind = Kind.TEXT, *classes: str) -> Field:
    """Any other policy: ``merged(Merge.MAX, Kind.TIME)``."""
    return Field(policy, kind, frozenset(classes) or None)


def text_merge(*classes: str) -> Field:
    """Three-way by line; overlapping edits go to the inbox with both texts."""
    return Field(Merge.TEXT, Kind.TEXT, frozenset(classes) or None)


def text_set(*classes: str) -> Field:
    """Merged by element."""
    return Field(Merge.SET, Kind.TEXTS, frozenset(classes) or None)


def rows(table: str, root: str, fields: Mapping[str, Field], *classes: str) -> Field:
    """Parts of the aggregate, merged by row id and then by field. ``fields`` are without ``id``."""
    return Field(Merge.ROWS, Kind.ROWS, frozenset(classes) or None, rows=fields, table=table, root=root)


class Priority(enum.IntEnum):
    """Order of the entities in a first sync."""

    REFERENCE = 0
    MY_DAY = 1
    ACCOUNTS = 2
    CATALOGUE = 3
    KNOWLEDGE = 4
    HISTORY = 5


@dataclass(frozen=True, slots=True)
class StateMachine:
    """Steps of a status field: for each command the states that it may start from, and its end state.

    ``clock_states`` were made by time alone (``missed``), each of what may be thought to stand in one of
    its states still; it gives way to a command that was legal on the phone's own base if it is a step
    from there: what would leave steps out is for a person. ``frozen_states`` take no field edits.
    """

    field: str
    steps: Mapping[str, tuple[frozenset[str], str]]
    clock_states: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    frozen_states: frozenset[str] = frozenset()

    def allowed(self, state: str) -> tuple[str, ...]:
        """Commands that are legal from *state*, sorted."""
        return tuple(sorted(name for name, (sources, _) in self.steps.items() if state in sources))

    def is_legal(self, command: str, state: str | None) -> bool:
        """Whether *command* may start from *state*."""
        return command in self.steps and state in self.steps[command][0]

    def after(self, command: str, state: str | None) -> str | None:
        """The state after a legal *command*; *state* itself when it was illegal."""
        return self.steps[command][1] if self.is_legal(command, state) else state


@dataclass(frozen=True, slots=True)
class SyncEntity:
    """A kind of record that phones hold.

    Attributes:
        name: Singular, as on the wire.
        table: Its table; key ``(tenant_id, id)``, with ``version``, ``deleted_at`` and ``stamps``.
        fields: By wire name; ``id``, ``version`` and ``deleted_at`` are implied.
        buckets: SQL that yields ``(record_id uuid, bucket text, shape text)`` for the ids in
            ``:ids`` of tenant ``:tenant`` at time ``:now``; live records only (the engine leaves
            deleted ones out itself). ``shape`` is one of ``shapes``.
        shapes: Partition of the shape classes, as ``("manager+sales", "service")``; one shape
            ``all`` when every class sees the same.
        children: For each dependent entity, SQL that yields its ids (column ``id``) for the records
            ``:ids`` whose buckets changed.
        priority: Place in a first sync.
        machine: Steps of the status field, if it has one.
        commands: Names of commands that are no step of the machine (``resolve``).
        append_only: Records are never edited, so they cannot conflict.
        account_field: Field that names the account a record hangs on, for history and inbox.
        pushable: Whether phones may create, change or delete it at all.
        of_users: SQL that yields ids (column ``id``) to re-bucket when the subscriptions of users
            ``:users`` changed, because the bucket rule reads them.
        followers: SQL that yields ids of THIS entity (column ``id``) that are rendered again when
            records ``:ids`` of another entity ``:entity`` were touched (inbox items).
        in_scope: SQL like ``buckets`` without windows; a record that left a bucket which this
            still yields has left by its window only.
        since: Schema version that brought it; older apps do not know it.
    """

    name: str
    table: str
    fields: Mapping[str, Field]
    buckets: str
    shapes: tuple[str, ...] = ("all",)
    children: Mapping[str, str] = field(default_factory=dict)
    priority: Priority = Priority.ACCOUNTS
    machine: StateMachine | None = None
    commands: tuple[str, ...] = ()
    append_only: bool = False
    account_field: str | None = "account_id"
    pushable: bool = True
    of_users: str = ""
    followers: str = ""
    in_scope: str = ""
    since: int = 1

    def shape_for(self, shape_class: str) -> str | None:
        """The entity's shape that *shape_class* sees, or None when it sees none."""
        for shape in self.shapes:
            if shape == "all" or shape_class in shape.split("+"):
                return shape
        return None

    def fields_of(self, shape: str) -> dict[str, Field]:
        """The fields that belong to *shape*, in wire order."""
        classes = set(ALL_CLASSES) if shape == "all" else set(shape.split("+"))
        return {n: f for n, f in self.fields.items() if f.classes is None or classes <= f.classes}
