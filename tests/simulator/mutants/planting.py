"""Puts a mutant into the process before the server is imported, or into the functions of its database."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """One bug of one line.

    Attributes:
        name: What it does wrong.
        where: Module ``sync.pull``, or ``sql:function_name`` of the database.
        old: Text that stands there exactly once.
        new: What stands there instead.
        by: ``machine`` for a mechanical change of SQL or of a comparison, ``hand`` for a thought-out one.
        interleaved: Whether it needs sessions at the same time.
        survives: Why no history can find it, where that is so.
    """

    name: str
    where: str
    old: str
    new: str
    by: str = "hand"
    interleaved: bool = False
    survives: str = ""

    @property
    def function(self) -> str | None:
        """The function of the database that it changes."""
        return self.where.removeprefix("sql:") if self.where.startswith("sql:") else None


class StaleMutant(AssertionError):
    """The text that a mutant changes is no longer there, or more than once."""


def mutated(mutant: Mutant, source: str) -> str:
    """*source* with the bug in it."""
    if source.count(mutant.old) != 1:
        raise StaleMutant(f"{mutant.name}: {mutant.where} has {source.count(mutant.old)} of {mutant.old!r}")
    return source.replace(mutant.old, mutant.new)


class _Loader(importlib.machinery.SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> Any:
        source = mutated(self.mutant, self.get_source(fullname) or "")
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.mutant.where:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None:
            return None
        loader = _Loader(fullname, spec.origin)
        loader.mutant = self.mutant
        return importlib.util.spec_from_file_location(fullname, spec.origin, loader=loader)


def plant(mutant: Mutant) -> None:
    """Let the module be imported with the bug; nothing of the server may have been imported yet."""
    if mutant.function is None:
        if mutant.where in sys.modules:
            raise RuntimeError(f"{mutant.where} was imported before the mutant was planted")
        sys.meta_path.insert(0, _Finder(mutant))


def plant_in_database(mutant: Mutant, owner: Any) -> None:
    """Replace the function of the database by one with the bug."""
    if mutant.function is not None:
        owner.execute(mutated(mutant, source_of(mutant, owner)))


def source_of(mutant: Mutant, owner: Any) -> str:
    """What it changes: the source of its module, or the function as the database of *owner* has it."""
    if mutant.function is None:
        spec = importlib.util.find_spec(mutant.where)
        if spec is None or spec.origin is None:
            raise StaleMutant(f"{mutant.name}: there is no {mutant.where}")
        return Path(spec.origin).read_text("utf-8")
    found = owner.execute(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = %s AND pronamespace = 'public'::regnamespace",
        [mutant.function],
    ).fetchone()
    if found is None:
        raise StaleMutant(f"{mutant.name}: there is no function {mutant.function}")
    return str(found[0])
