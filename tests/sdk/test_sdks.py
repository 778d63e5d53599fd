"""What ``make sdk`` writes: it compiles or can be read, and the programs of docs/sdk.md run on it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from localnode import NODE, installed
from sdk.languages import TYPESCRIPT
from sdk.tools import python
from tests.sdk.conftest import block

pytestmark = pytest.mark.more

STORY = ["created (주)한빛에너지 10000000.0000", "listed 4", "refused 412 version_stale"]
READER = Path(__file__).with_name("reading.py")


def told(*command: str | Path, cwd: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


def strictly_compiled(folder: Path, program: str) -> Path:
    """*program*, compiled by tsc with every strict option, beside the package that it names."""
    modules = installed(TYPESCRIPT) / "node_modules"
    app = folder / "app"
    app.mkdir()
    (app / "node_modules" / "@fieldmerge").mkdir(parents=True)
    (app / "node_modules" / "@fieldmerge" / "client").symlink_to(folder / "typescript")
    (folder / "node_modules").symlink_to(modules)
    (app / "package.json").write_text('{"type": "module"}')
    (app / "main.ts").write_text(
        f"declare const process: {{ env: Record<string, string | undefined> }};\n{program}"
    )
    tsc = modules / "typescript" / "bin" / "tsc"
    options = (
        "--strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --target es2022 --module nodenext"
    )
    told(NODE, tsc, *options.split(), "--lib", "es2023,dom", "main.ts", cwd=app)
    return app / "main.js"


def test_the_typescript_program_of_the_page_compiles_strictly_and_runs(
    sdks: Path, environment: dict[str, str]
) -> None:
    program = strictly_compiled(sdks, block("ts"))

    assert told(NODE, program, cwd=program.parent, **environment) == [*STORY, "synced true"]


def test_the_python_program_of_the_page_runs(sdks: Path, environment: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text(block("python"), encoding="utf-8")

    lines = told(
        python(), "-W", "error", program, cwd=tmp_path, PYTHONPATH=str(sdks / "python"), **environment
    )

    assert lines == [*STORY, "synced True"]


def test_kotlin_and_swift_are_read_by_their_grammars_without_an_error(sdks: Path) -> None:
    (line,) = told(python(), READER, sdks, cwd=sdks)
    read = json.loads(line)

    assert read["kotlin"]["files"] > 300
    assert read["swift"]["files"] > 300
    assert read["kotlin"]["wrong"] == []
    assert read["swift"]["wrong"] == []


def test_the_reader_finds_what_is_wrong(tmp_path: Path) -> None:
    for language, name in (("kotlin", "A.kt"), ("swift", "A.swift")):
        (tmp_path / language).mkdir()
        (tmp_path / language / name).write_text("class A { class class ( }\n")

    read = json.loads(told(python(), READER, tmp_path, cwd=tmp_path)[0])

    assert [bool(read[language]["wrong"]) for language in ("kotlin", "swift")] == [True, True]


def test_no_generated_name_tells_of_the_generator(sdks: Path) -> None:
    names = {
        *(path.stem for path in (sdks / "kotlin").rglob("models/*.kt")),
        *(path.stem for path in (sdks / "swift").rglob("Models/*.swift")),
        *(path.stem for path in (sdks / "python").rglob("models/*.py")),
    }
    odd = re.compile(
        r"(?i)inner|api_?v1|_?(200|201)_?response|anyof|oneof|inline|(?<!spare)_part$|^Model[A-Z]"
    )

    assert len(names) > 600
    assert [name for name in names if odd.search(name)] == []


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("kotlin/**/models/Order.kt", "val net: kotlin.String? = null"),
        ("swift/**/Models/Order.swift", "public var net: String?"),
        ("python/**/models/order.py", "net: Optional["),
        ("typescript/src/api.ts", "net?: string | null;"),
    ],
)
def test_amounts_are_text_in_every_language(sdks: Path, place: str, text: str) -> None:
    (path,) = sdks.glob(place)
    source = path.read_text(encoding="utf-8")

    assert text in source
    assert not re.search(r"\bnet\b\W+(number|float|double|Decimal|BigDecimal)", source, re.I)
