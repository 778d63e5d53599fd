"""What the generators need of the schema document; those of several roles are laid together."""

import json
import os
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHAPES = ("sales", "service", "manager", "partner")
TOKEN = "FIELDMERGE_TOKEN"  # noqa: S105  (the name of a variable)
TIMEOUT_S = 30

Json = dict[str, Any]


class DocumentUnfit(Exception):
    """What was given is no schema document; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a record.

    Attributes:
        kind: Wire type, as ``sync.policy.Kind`` names it.
        told: JSON Schema of its value.
        refers: The entity of the record that it names, or nothing.
        writable: Whether a phone may set it in an edit or a new record.
        is_certain: Every record has it at any time, a new one that waits for its first sync too.
    """

    name: str
    kind: str
    told: Json
    refers: str
    writable: bool
    is_certain: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of record.

    Attributes:
        shapes: Classes of people whose phones hold it.
        operations: What phones do to it other than by commands.
    """

    name: str
    description: str
    columns: Mapping[str, Column]
    shapes: tuple[str, ...]
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All kinds of records, and the version of the wire that they are of."""

    schema_version: int
    entities: tuple[Entity, ...]

    @classmethod
    def of(cls, documents: Sequence[Json]) -> "Catalogue":
        """Lay documents of one server together, so that one app serves all those roles.

        Raises:
            DocumentUnfit: They are not of one version.
        """
        versions = {int(document["schema_version"]) for document in documents}
        if len(versions) != 1:
            raise DocumentUnfit("These schema documents are not of one version of the server.")
        names = dict.fromkeys(name for document in documents for name in document["entities"])
        return cls(versions.pop(), tuple(_entity(name, documents) for name in names))

    def only(self, names: Iterable[str]) -> "Catalogue":
        """The same with some of the entities.

        Raises:
            DocumentUnfit: One of them does not exist.
        """
        wanted = set(names)
        strange = wanted - {entity.name for entity in self.entities}
        if strange:
            raise DocumentUnfit(f"There is no entity {', '.join(sorted(strange))}.")
        return Catalogue(self.schema_version, tuple(e for e in self.entities if e.name in wanted))


def read(source: str, shapes: Sequence[str]) -> list[Json]:
    """Schema documents.

    Args:
        source: Nothing for those of this version of the code; the address of a server (with an access token in
            ``FIELDMERGE_TOKEN``: the document is of its user's role); or a file with one that was kept.
        shapes: Of this version of the code, which.

    Raises:
        DocumentUnfit: There is none.
    """
    if not source:
        return own(shapes)
    try:
        if source.startswith(("http://", "https://")):
            return [_asked(source)]
        found = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DocumentUnfit(f"No schema document comes from {source}: {error}") from error
    if not isinstance(found, dict) or not {"entities", "schema_version", "shape"} <= found.keys():
        raise DocumentUnfit(f"{source} holds no schema document.")
    return [found]


def own(shapes: Sequence[str] = SHAPES) -> list[Json]:
    """The documents of this version of the code; needs its packages, and no database."""
    from app.sync_api.registry import BY_NAME, REGISTRY
    from app.sync_api.schema import schema_document
    from sync.budget import Settings

    return [schema_document(REGISTRY, BY_NAME, shape, Settings()) for shape in shapes]


def _asked(server: str) -> Json:
    headers = {"Authorization": f"Bearer {os.environ.get(TOKEN, '')}"}
    request = urllib.request.Request(f"{server.rstrip('/')}/api/v1/sync/schema", headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310  (an address of http)
        found: Json = json.load(answer)
    return found


def _entity(name: str, documents: Sequence[Json]) -> Entity:
    told = [
        (document["shape"], document["entities"][name])
        for document in documents
        if name in document["entities"]
    ]
    names = dict.fromkeys(field for _, one in told for field in one["fields"])
    ones = [one for _, one in told]
    return Entity(
        name,
        ones[0]["json_schema"].get("description", ""),
        {field: _column(field, ones) for field in names},
        tuple(shape for shape, _ in told),
        tuple(dict.fromkeys(op for one in ones for op in one["operations"])),
    )


def _column(name: str, ones: Sequence[Json]) -> Column:
    having = [one for one in ones if name in one["fields"]]
    field, told = having[0]["fields"][name], having[0]["json_schema"]["properties"][name]
    writable = any(
        name in one["mutations"].get(op, {}).get("properties", ())
        for one in having
        for op in ("create", "update")
    )
    given = [one["mutations"]["create"]["required"] for one in ones if "create" in one["operations"]]
    is_certain = (
        len(having) == len(ones) and not is_nullable(told) and all(name in needed for needed in given)
    )
    return Column(name, field["kind"], told, field.get("refers", ""), writable, is_certain)


def is_nullable(told: Json) -> bool:
    """Whether null is a value of a JSON Schema."""
    kinds = told.get("type", "null")
    return "null" in kinds if isinstance(kinds, list) else kinds == "null"
