"""The documents of the RxDB door, for the OpenAPI file; rows are checked by app.sync_api.rxdb.wire."""

from app.http.fields import Boolean, Id, Integer, Json, ListOf, Nested, QuerySchema, Text, Time, WireSchema
from app.sync_api.registry import REGISTRY
from app.sync_api.rxdb.wire import DEFAULT_LIMIT, MAX_LIMIT
from app.sync_api.wire import LONGEST_CURSOR

EXAMPLE = {
    "id": "0190d3a1-7c1e-7d30-8f00-1b0e5d2f4a11",
    "version": 7,
    "generation": 1099511627776,
    "_deleted": False,
}


class PullQuery(QuerySchema):
    """Where the collection stands on the phone, and how much it takes."""

    checkpoint = Text(
        max=LONGEST_CURSOR + 100,
        allow_none=True,
        metadata={
            "description": "As JSON, the checkpoint of the last page; none for a first pull",
            "example": "null",
        },
    )
    limit = Integer(
        min=1,
        max=MAX_LIMIT,
        load_default=DEFAULT_LIMIT,
        metadata={"example": 100, "description": "Batch size"},
    )
    schema_version = Integer(
        min=1,
        max=REGISTRY.schema_version,
        load_default=REGISTRY.schema_version,
        metadata={"description": "Of the wire that the app was built for", "example": 1},
    )


class PushQuery(QuerySchema):
    """Of the app that pushes."""

    schema_version = Integer(
        min=1,
        max=REGISTRY.schema_version,
        load_default=REGISTRY.schema_version,
        metadata={"description": "Of the wire that the app was built for", "example": 1},
    )


class CheckpointSchema(WireSchema):
    """How far a collection has come."""

    c = Text(
        max=LONGEST_CURSOR, metadata={"example": "AXsi", "description": "Missing where nothing was given yet"}
    )
    t = Time(metadata={"description": "When it was given"})


class PullAnswerSchema(WireSchema):
    """A page: fewer documents than were asked for mean that nothing more is there."""

    documents = ListOf(Json(), metadata={"example": [EXAMPLE]})
    checkpoint = Nested(CheckpointSchema)
    epoch = Id(metadata={"description": "Life of the database; another one means: start a new replication"})
    generation = Integer(
        max=(1 << 53) - 1,
        metadata={
            "description": "Number of the set, as its documents carry it: with `rebase`, what the phone holds of the"
            " collection below it is not there any more",
            "example": 1099511627776,
        },
    )
    rebase = Boolean(
        metadata={
            "description": "The checkpoint was worth nothing: this is the first page of the full set",
            "example": False,
        }
    )
    directives = ListOf(
        Text(max=20),
        metadata={
            "description": "`wipe`: the device was locked out; hand in what waits, then delete everything",
            "example": [],
        },
    )


class PushRowSchema(WireSchema):
    """One document that the phone wants to write."""

    newDocumentState = Json(required=True, metadata={"example": EXAMPLE})  # noqa: N815  (the client's name)
    assumedMasterState = Json(allow_none=True, metadata={"example": EXAMPLE})  # noqa: N815
