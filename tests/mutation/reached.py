"""Which test enters which function: a plugin of pytest that notes it, and the tests that can see a mutant."""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

VARIABLE = "FIELDMERGE_REACHED"
HOUSE = Path(__file__).parents[2]
NOTE = "__fieldmerge_reached__"
EVERY_TEST = ""


class Reached:
    """For each function the tests that enter it; a whole file where its fixture does, every test where a session's."""

    def __init__(self, modules: Sequence[str], into: Path) -> None:
        """Note what is entered of *modules*, and write it *into* a file at the end."""
        self.into = into
        self.now = EVERY_TEST
        self.by_function: dict[str, set[str]] = defaultdict(set)
        for module in modules:
            sys.meta_path.insert(0, _Finder(module, self))

    def enter(self, function: str) -> None:
        """Called at the beginning of each."""
        self.by_function[function].add(self.now)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """A test, with its fixtures."""
        self.now = item.nodeid
        try:
            return (yield)
        finally:
            self.now = EVERY_TEST

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """A fixture that several tests share counts for all of them."""
        before = self.now
        if fixturedef.scope == "session":
            self.now = EVERY_TEST
        elif fixturedef.scope != "function":
            self.now = before.split("::")[0]
        try:
            return (yield)
        finally:
            self.now = before

    def pytest_sessionfinish(self) -> None:
        """Keep it for the run of the mutants."""
        found = {function: sorted(tests) for function, tests in sorted(self.by_function.items())}
        self.into.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


class _Loader(importlib.machinery.SourceFileLoader):
    reached: Reached

    def get_code(self, fullname: str) -> Any:
        tree = ast.parse(self.get_source(fullname) or "")
        for function, name in _functions(tree):
            note = ast.parse(f"{NOTE}({fullname + ':' + name!r})").body
            function.body[:0] = note
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        setattr(module, NOTE, self.reached.enter)
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, reached: Reached) -> None:
        self.module, self.reached = module, reached

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        loader = _Loader(fullname, spec.origin)
        loader.reached = self.reached
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def _functions(node: ast.AST, within: str = "") -> Iterator[tuple[ast.FunctionDef, str]]:
    for child in ast.iter_child_nodes(node):
        name = within
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            name = f"{within}.{child.name}".lstrip(".")
        if isinstance(child, ast.FunctionDef):
            yield child, name
        yield from _functions(child, name)


def readers_of(modules: Sequence[str]) -> dict[str, set[str]]:
    """For ``module:CONSTANT`` of *modules* the functions, of any module, in which its name stands."""
    sources = {
        ".".join(path.relative_to(HOUSE).with_suffix("").parts): path.read_text(encoding="utf-8")
        for part in ("sync", "app")
        for path in (HOUSE / part).rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for module in modules:
        for constant in _constants(ast.parse(sources[module])):
            readers = found[f"{module}:{constant}"] = set()
            for other, source in sources.items():
                if re.search(rf"\b{constant}\b", source) and (other == module or module in source):
                    readers |= {
                        f"{other}:{name}"
                        for function, name in _functions(ast.parse(source))
                        if re.search(rf"\b{constant}\b", ast.unparse(function))
                    }
    return found


def _constants(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def instrumented(modules: Sequence[str]) -> list[str]:
    """*modules*, and those that read their constants."""
    others = {reader.split(":")[0] for readers in readers_of(modules).values() for reader in readers}
    return sorted({*modules, *others})


def reaching(place: str, by_function: dict[str, list[str]], readers: dict[str, set[str]]) -> list[str]:
    """Names of tests and of files that enter the function ``module:name``, or one that reads that constant.

    ``[""]`` stands for all of them; tests that enter little come first, as they are about it.
    """
    functions = readers.get(place, {place})
    tests = {test for function in functions for test in by_function.get(function, [])}
    if EVERY_TEST in tests:
        return [EVERY_TEST]
    files = {test for test in tests if "::" not in test}
    width: dict[str, int] = defaultdict(int)
    for entered in by_function.values():
        for test in entered:
            width[test] += 1
    single = {test for test in tests if "::" in test and test.split("::")[0] not in files}
    return sorted(single | files, key=lambda test: (width[test], test))


def naming(constant: str, files: Sequence[str], tests: Sequence[str]) -> list[str]:
    """Of *files* those in which the name of the constant stands, whole, then the other *tests*.

    A test that asks the text of the database itself enters no function of the module.
    """
    told = [
        file for file in files if re.search(rf"\b{constant}\b", (HOUSE / file).read_text(encoding="utf-8"))
    ]
    return [*told, *(test for test in tests if test.split("::")[0] not in told)]


if told := os.environ.get(VARIABLE):
    _told = orjson.loads(told)
    _noting = Reached(_told["modules"], Path(_told["into"]))

    def pytest_configure(config: pytest.Config) -> None:
        """Listen."""
        config.pluginmanager.register(_noting)
