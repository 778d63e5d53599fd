"""The SDKs: one function a language, from the committed API document to a folder that an app takes in."""

import json
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localnode import installed
from localnode import run as node
from sdk import tools

DOCUMENT = tools.ROOT / "openapi" / "openapi.json"
TYPESCRIPT = Path(__file__).parent / "typescript_package"
# Of no use in an app, or fetched from elsewhere when it is built.
LEFT_OUT = (
    "git_push.sh", ".travis.yml", ".gitlab-ci.yml", ".github/**", "gradlew", "gradlew.bat", "gradle/**", "tox.ini",
    "setup.py", "setup.cfg", "test-requirements.txt", "**/*.podspec", "Cartfile", "project.yml",
)  # fmt: skip
ONLY_CODE = "apiDocs=false,modelDocs=false,apiTests=false,modelTests=false"


def version() -> str:
    """Of the project, which the SDKs carry."""
    project = tomllib.loads((tools.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


@dataclass(frozen=True, slots=True)
class Generator:
    """One of openapi-generator's languages.

    Attributes:
        name: As openapi-generator calls it.
        properties: Its options.
        types: Other types for some formats. Amounts stay text: a binary float must never touch them, and what
            stands for a decimal number in one library is a JSON number in another.
    """

    name: str
    properties: Mapping[str, str]
    types: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Generate into *folder*, which is empty."""
        properties = {"hideGenerationTimestamp": "true"} | dict(self.properties)
        with tempfile.TemporaryDirectory() as there:
            self._run(_briefly_described(Path(there)), folder, properties)
        if not any(folder.rglob("*ccount*")):
            raise tools.ToolFailed(f"openapi-generator wrote nothing into {folder}.")

    def _run(self, document: Path, folder: Path, properties: Mapping[str, str]) -> None:
        types = [f"--type-mappings={name}={to}" for name, to in self.types.items()]
        tools.run(
            *tools.openapi_generator(),
            "generate", "-g", self.name, "-i", document, "-o", folder, f"--global-property={ONLY_CODE}",
            "--additional-properties", ",".join(f"{name}={value}" for name, value in properties.items()),
            "--openapi-generator-ignore-list", ",".join(LEFT_OUT), *types,
        )  # fmt: skip


def _briefly_described(folder: Path) -> Path:
    """The committed document with one line for its description, which stands at the head of each generated file."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    document["info"]["description"] = document["info"]["summary"] + "."
    path = folder / "openapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_typescript(folder: Path) -> None:
    """Types by openapi-typescript and a fetch client on openapi-fetch, compiled by ``tsc --strict``."""
    home = installed(TYPESCRIPT)
    modules = home / "node_modules"
    source = folder / "src"
    source.mkdir()
    node(
        modules / "openapi-typescript" / "bin" / "cli.js",
        str(DOCUMENT), "-o", str(source / "api.ts"), "--root-types", "--root-types-no-schema-prefix",
        "--root-types-keep-casing", "--default-non-nullable=false", "--empty-objects-unknown", cwd=home,
    )  # fmt: skip
    shutil.copyfile(TYPESCRIPT / "index.ts", source / "index.ts")
    shutil.copyfile(TYPESCRIPT / "tsconfig.json", folder / "tsconfig.json")
    package = json.loads((TYPESCRIPT / "package.json").read_text(encoding="utf-8")) | {"version": version()}
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")
    (folder / "node_modules").symlink_to(modules)
    node(modules / "typescript" / "bin" / "tsc", "--project", str(folder), cwd=folder)
    (folder / "node_modules").unlink()


def write_stores(folder: Path) -> None:
    """Definitions for the stores of the two doors: a WatermelonDB schema with models, and RxDB collections."""
    shutil.rmtree(folder)
    tools.run(Path(sys.executable), "-m", "sdk.stores", "--out", folder)


def languages() -> dict[str, Callable[[Path], None]]:
    """By name, in the order in which they are made."""
    number = version()
    kotlin = Generator(
        "kotlin",
        {
            "packageName": "com.fieldmerge.client",
            "groupId": "com.fieldmerge",
            "artifactId": "fieldmerge-client",
            "artifactVersion": number,
            "useCoroutines": "true",
            "enumUnknownDefaultCase": "true",
            "omitGradleWrapper": "true",
        },
        {"decimal": "kotlin.String"},
    )
    swift = Generator(
        "swift6",
        {
            "projectName": "FieldmergeClient",
            "useSPMFileStructure": "true",
            "enumUnknownDefaultCase": "true",
        },
        {"decimal": "String"},
    )
    python = Generator(
        "python",
        {"packageName": "fieldmerge_client", "projectName": "fieldmerge-client", "packageVersion": number},
    )
    return {
        "typescript": write_typescript,
        "python": python.write,
        "kotlin": kotlin.write,
        "swift": swift.write,
        "stores": write_stores,
    }
