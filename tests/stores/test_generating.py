"""Definitions for the stores of apps, made from the schema document."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.rxdb.wire import NAMES_OF_THE_CLIENT
from app.sync_api.watermelon.wire import AS_JSON, column_types
from sdk.stores import rxdb, watermelon
from sdk.stores.__main__ import generate, main
from sdk.stores.document import SHAPES, Catalogue, DocumentUnfit, own
from sdk.stores.kept import FILE, TypeChanged

Json = dict[str, Any]
BOTH = ["watermelon", "rxdb"]
TEXT = {"merge": "last_write", "kind": "text", "needs_base": False, "since": 2}


@pytest.fixture(scope="module")
def documents() -> list[Json]:
    return own()


def with_field(documents: list[Json], entity: str, name: str, told: Json | None = None) -> list[Json]:
    """The documents of a later server, which knows one more field."""
    found = deepcopy(documents)
    for document in found:
        document["schema_version"] = 2
        one = document["entities"].get(entity)
        if one:
            one["fields"][name] = TEXT
            one["json_schema"]["properties"][name] = told or {"type": ["string", "null"]}
    return found


def without(documents: list[Json], entity: str) -> list[Json]:
    found = deepcopy(documents)
    for document in found:
        document["entities"].pop(entity, None)
    return found


def kept(folder: Path) -> Json:
    found: Json = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return found


class TestTheCatalogue:
    def test_of_all_roles_names_everything_that_any_phone_holds(self, documents: list[Json]) -> None:
        found = {entity.name: entity for entity in Catalogue.of(documents).entities}

        assert list(found) == [entity.name for entity in REGISTRY.entities]
        for name, entity in found.items():
            assert set(entity.columns) == {
                field
                for shape in SHAPES
                if (mine := BY_NAME[name].policy.shape_for(shape))
                for field in BY_NAME[name].policy.fields_of(mine)
            }
        assert found["order"].shapes == ("sales", "manager")

    def test_of_one_role_names_nothing_of_others(self) -> None:
        service = Catalogue.of(own(["service"]))

        assert "order" not in {entity.name for entity in service.entities}

    def test_is_of_one_version(self, documents: list[Json]) -> None:
        with pytest.raises(DocumentUnfit, match="one version"):
            Catalogue.of([*documents, *with_field(documents, "account", "nickname")])


class TestWatermelon:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_has_the_columns_that_its_door_sends(self, shape: str) -> None:
        tables = watermelon.tables_of(Catalogue.of(own([shape])))

        for entity in REGISTRY.entities:
            mine = entity.shape_for(shape)
            if mine is None:
                assert entity.name not in tables
                continue
            told = {
                name: column["type"] for name, column in tables[entity.name].items() if name != "updated_at"
            }
            assert told == column_types(entity, mine)

    def test_keeps_as_json_what_its_door_sends_as_json(self) -> None:
        assert {kind.value for kind in AS_JSON} == watermelon.AS_JSON

    def test_keeps_the_time_of_an_edit_where_there_are_edits(self, documents: list[Json]) -> None:
        tables = watermelon.tables_of(Catalogue.of(documents))

        assert "updated_at" in tables["account"]
        assert "updated_at" not in tables["product"]

    def test_begins_with_version_1_and_nothing_to_migrate(
        self, documents: list[Json], tmp_path: Path
    ) -> None:
        generate(Catalogue.of(documents), tmp_path, BOTH)

        assert kept(tmp_path)["watermelon"]["version"] == 1
        assert "migrations: []" in (tmp_path / "watermelon" / "migrations.js").read_text(encoding="utf-8")

    def test_migrates_from_each_version_that_there_was(self, documents: list[Json], tmp_path: Path) -> None:
        older = Catalogue.of(without(documents, "shipment"))
        generate(older, tmp_path, BOTH)
        newer = with_field(without(documents, "shipment"), "account", "nickname")
        generate(Catalogue.of(newer), tmp_path, BOTH)
        generate(Catalogue.of(with_field(documents, "account", "nickname")), tmp_path, BOTH)

        found = kept(tmp_path)["watermelon"]
        assert found["version"] == 3
        assert [(one["toVersion"], one["steps"][0]["type"]) for one in found["migrations"]] == [
            (2, "add_columns"),
            (3, "create_table"),
        ]
        assert found["migrations"][0]["steps"] == [
            {"type": "add_columns", "table": "account", "columns": ["nickname"]}
        ]

    def test_keeps_a_table_that_nobody_wants_any_more_and_finds_it_again(
        self, documents: list[Json], tmp_path: Path
    ) -> None:
        for found in (documents, without(documents, "task"), documents):
            generate(Catalogue.of(found), tmp_path, BOTH)

        assert kept(tmp_path)["watermelon"]["version"] == 1
        assert "task: [" in (tmp_path / "watermelon" / "schema.js").read_text(encoding="utf-8")

    def test_refuses_a_column_whose_type_has_changed(self, documents: list[Json], tmp_path: Path) -> None:
        generate(Catalogue.of(documents), tmp_path, BOTH)
        changed = deepcopy(documents)
        for document in changed:
            document["entities"]["account"]["fields"]["name"]["kind"] = "integer"

        with pytest.raises(TypeChanged, match=r"account\.name"):
            generate(Catalogue.of(changed), tmp_path, ["watermelon"])


class TestRxdb:
    def test_has_for_each_entity_what_its_documents_hold(self, documents: list[Json]) -> None:
        schemas = rxdb.schemas_of(Catalogue.of(documents))

        for document in documents:
            for name, entity in document["entities"].items():
                told = entity["json_schema"]["properties"].keys() - NAMES_OF_THE_CLIENT | {"generation"}
                assert told <= schemas[name]["properties"].keys()

    def test_leaves_out_what_a_document_of_the_client_has_itself_and_no_phone_writes_that(
        self, documents: list[Json]
    ) -> None:
        assert rxdb.RESERVED == NAMES_OF_THE_CLIENT
        assert "revision" not in rxdb.schemas_of(Catalogue.of(documents))["order"]["properties"]
        for entity in Catalogue.of(documents).entities:
            assert not [c.name for c in entity.columns.values() if c.writable and c.name in rxdb.RESERVED]

    def test_asks_of_a_document_that_is_gone_no_more_than_its_id(self, documents: list[Json]) -> None:
        for schema in rxdb.schemas_of(Catalogue.of(documents)).values():
            assert schema["required"] == [schema["primaryKey"]] == ["id"]

    def test_never_refuses_what_a_later_server_or_sql_may_write(self, documents: list[Json]) -> None:
        whole = json.dumps(rxdb.schemas_of(Catalogue.of(documents)))

        assert not [word for word in ('"enum"', '"pattern"', '"maximum"', '"minLength"') if word in whole]

    def test_says_money_as_text(self, documents: list[Json]) -> None:
        total = rxdb.schemas_of(Catalogue.of(documents))["order"]["properties"]["total"]

        assert total == {"type": ["string", "null"]}

    def test_indexes_references_that_every_document_has(self, documents: list[Json]) -> None:
        schemas = rxdb.schemas_of(Catalogue.of(documents))

        assert "account_id" in schemas["contact"]["indexes"]
        # A new order that waits for its first sync has none yet: a storage could leave it out of the index.
        assert "taken_at" not in schemas["order"]["indexes"]
        for schema in schemas.values():
            assert all("maxLength" in schema["properties"][name] for name in schema["indexes"])

    def test_raises_the_version_of_the_collection_that_changed_and_begins_its_replication_anew(
        self, documents: list[Json], tmp_path: Path
    ) -> None:
        generate(Catalogue.of(documents), tmp_path, BOTH)
        generate(Catalogue.of(with_field(documents, "account", "nickname")), tmp_path, BOTH)

        versions = {name: one["version"] for name, one in kept(tmp_path)["rxdb"].items()}
        assert versions.pop("account") == 1
        assert set(versions.values()) == {0}
        text = (tmp_path / "rxdb" / "collections.js").read_text(encoding="utf-8")
        assert '"collection": "account", "replicationIdentifier": "fieldmerge-1"' in text
        assert "schemaVersion = 2" in text

    def test_pushes_only_where_phones_write(self, documents: list[Json], tmp_path: Path) -> None:
        generate(Catalogue.of(documents), tmp_path, ["rxdb"])
        text = (tmp_path / "rxdb" / "collections.js").read_text(encoding="utf-8")
        pushes = {
            json.loads(line.strip().rstrip(","))["collection"]
            for line in text.splitlines()
            if '"pushes": true' in line
        }

        assert pushes == {n for n, one in BY_NAME.items() if one.create or one.update or one.delete}


class TestTheCommand:
    def test_writes_the_same_twice(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--out", str(tmp_path)]) == 0
        paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
        before = [path.read_bytes() for path in paths]
        assert main(["--out", str(tmp_path)]) == 0

        assert [path.read_bytes() for path in paths] == before
        assert {path.parent.name for path in paths} == {"watermelon", "rxdb", tmp_path.name}

    def test_takes_a_document_that_was_kept_and_some_of_its_entities(
        self, documents: list[Json], tmp_path: Path
    ) -> None:
        source = tmp_path / "schema.json"
        source.write_text(json.dumps(documents[0]), encoding="utf-8")

        assert main(["rxdb", "--from", str(source), "--only", "account,visit", "--out", str(tmp_path)]) == 0
        assert list(kept(tmp_path)["rxdb"]) == ["account", "visit"]
        assert not (tmp_path / "watermelon").exists()

    @pytest.mark.parametrize(
        ("content", "only", "words"),
        [
            ("{}", "", "holds no schema document"),
            ("not json", "", "No schema document comes from"),
            (None, "", "No schema document comes from"),
            (json.dumps({"schema_version": 1, "shape": "sales", "entities": {}}), "horse", "no entity horse"),
        ],
    )
    def test_says_what_is_wrong_with_what_it_was_given(
        self, content: str | None, only: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        source = tmp_path / "schema.json"
        if content is not None:
            source.write_text(content, encoding="utf-8")

        assert main(["--from", str(source), "--only", only, "--out", str(tmp_path / "out")]) == 1
        assert words in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
