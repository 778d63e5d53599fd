"""The WatermelonDB door on the wire."""

from app.http.fields import INT32, Boolean, Integer, Json, ListOf, QuerySchema, Text, WireSchema
from app.sync_api.wire import DEFAULT_LIMIT, MAX_LIMIT

TEXT_MAX = 20
MARK = "^(null|[0-9]{1,15})$"
"""A timestamp of the client, or the word that it sends for none."""
MIGRATION_MAX = 4_000
WIPE = {
    "example": [],
    "description": "`wipe`: the device was locked out; hand in what waits, then delete everything",
}


class PullQuery(QuerySchema):
    """A pull as the client's ``pullChanges`` is given it."""

    last_pulled_at = Text(
        max=TEXT_MAX,
        metadata={"example": "null", "description": "Missing, `0` or `null`: all", "pattern": MARK},
    )
    schema_version = Integer(
        min=1, max=INT32[1], metadata={"description": "Of the app; only looked at by people"}
    )
    migration = Text(
        max=MIGRATION_MAX, metadata={"example": "null", "description": "JSON, as the client gives it"}
    )
    pending = Integer(
        min=0, max=INT32[1], metadata={"description": "Rows with unsent edits; 0 lets removals come at once"}
    )
    limit = Integer(min=1, max=MAX_LIMIT, load_default=DEFAULT_LIMIT)


class PushQuery(QuerySchema):
    """A push as the client's ``pushChanges`` is given it."""

    last_pulled_at = Text(max=TEXT_MAX, metadata={"example": "1099511627777", "pattern": MARK})
    sent_at = Text(max=TEXT_MAX, metadata={"description": "The phone's clock, in milliseconds"})


class ChangesSchema(WireSchema):
    """What the device lacks."""

    changes = Json(
        dump_only=True, metadata={"example": {"account": {"created": [], "updated": [], "deleted": []}}}
    )
    timestamp = Integer(dump_only=True, max=(1 << 53) - 1, metadata={"example": 1099511627777})
    has_more = Boolean(dump_only=True, metadata={"example": False})
    experimentalStrategy = Text(  # noqa: N815  (the client's name)
        max=TEXT_MAX,
        dump_only=True,
        metadata={
            "example": "replacement",
            "description": "After a restore: drop what is not in this answer",
        },
    )
    directives = ListOf(Text(max=TEXT_MAX), dump_only=True, metadata=WIPE)


class PushedSchema(WireSchema):
    """What was not taken as it was sent; the client needs none of it."""

    verdicts = Json(dump_only=True, metadata={"example": []})
    directives = ListOf(Text(max=TEXT_MAX), dump_only=True, metadata=WIPE)


class TablesSchema(WireSchema):
    """Tables and columns, for ``appSchema``."""

    version = Integer(dump_only=True, metadata={"example": 1})
    tables = Json(dump_only=True, metadata={"example": {"account": {"name": "string"}}})
