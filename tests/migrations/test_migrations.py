"""The chain of migrations, from an empty database to the models and back one step."""

import re
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from app import migrating
from app.config import Config
from app.doctor.finding import connect
from tests.servers import migrated_database

VERSIONS = migrating.ROOT / "migrations" / "versions"
IMPORTS_OF_OURS = re.compile(r"^(?:from|import) (?:app|sync|localpg)\b", re.MULTILINE)


def chain() -> ScriptDirectory:
    return ScriptDirectory(str(VERSIONS.parent))


class TestChain:
    def test_has_one_end(self) -> None:
        assert len(chain().get_heads()) == 1

    def test_is_numbered_without_gaps(self) -> None:
        numbers = sorted(path.name[:4] for path in VERSIONS.glob("*.py"))

        assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]

    def test_is_named_as_its_files(self) -> None:
        revisions = {Path(str(script.path)).name[:4]: script.revision for script in chain().walk_revisions()}

        assert all(number == revision for number, revision in revisions.items())

    def test_is_frozen(self) -> None:
        thawed = [path.name for path in VERSIONS.glob("*.py") if IMPORTS_OF_OURS.search(path.read_text())]

        assert thawed == [], "a migration that imports the product changes with it"


class TestUpgrade:
    def test_from_empty_reaches_the_newest(self, migrated: Config) -> None:
        with connect(migrated, "owner") as owner:
            assert migrating.applied(owner) == migrating.newest()

    def test_gives_what_the_models_say(self, migrated: Config) -> None:
        migrating.compare(migrated)

    def test_of_the_newest_can_be_taken_back(self) -> None:
        with migrated_database() as config:
            command.downgrade(migrating._alembic(config), "-1")
            with connect(config, "owner") as owner:
                assert migrating.applied(owner) != migrating.newest()

            migrating.upgrade(config)
            migrating.compare(config)
