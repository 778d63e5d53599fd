"""Where processes of tests are forked: product and tests stand imported, and a mutant is put into their functions."""

import ast
import gc
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutation.running import COLLECTED, QUIET
from tests.simulator.mutants.planting import Mutant, mutated


def tested(mutant: Mutant, tests: Sequence[str], said: Path) -> None:
    """Run *tests* on *mutant* in this process, which was forked for it, and leave with the code of pytest."""
    with said.open("w", encoding="utf-8") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    change(mutant)
    code = int(pytest.main(["-x", *QUIET, *tests]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def change(mutant: Mutant) -> None:
    """Give the module that stands imported the code and the constants of its mutant.

    To import everything anew takes ten times as long as most of the tests that find a mutant.
    """
    module = import_module(mutant.where)
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    changed = mutated(mutant, source)
    functions = _change_functions(module, source, changed)
    constants = _change_constants(module, source, changed)
    if not functions + constants:
        raise RuntimeError(f"{mutant.name} is in no function and in no constant")


def _change_functions(module: ModuleType, source: str, changed: str) -> int:
    """How many took other code; decorated ones are found too, wherever they are wrapped."""
    before = _codes(compile(source, module.__file__ or "", "exec", dont_inherit=True))
    after = _codes(compile(changed, module.__file__ or "", "exec", dont_inherit=True))
    assert before.keys() == after.keys()
    other = {place: code for place, code in after.items() if _unlike(code, before[place])}
    found = 0
    gc.unfreeze()  # what pytest's configuration has frozen is not among the objects
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__module__ == module.__name__:
            code = other.get(one.__code__.co_qualname)
            if code is not None:
                one.__code__ = code
                found += 1
    return found


def _codes(code: CodeType) -> dict[str, CodeType]:
    found: dict[str, CodeType] = {}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= {constant.co_qualname: constant} | _codes(constant)
    return found


def _unlike(one: CodeType, other: CodeType) -> bool:
    """Whether they do something else; code is compared with its lines otherwise."""
    mine, yours = ([c for c in code.co_consts if not isinstance(c, CodeType)] for code in (one, other))
    return (one.co_code, mine) != (other.co_code, yours) or any(
        _unlike(a, b)
        for a, b in zip(
            (c for c in one.co_consts if isinstance(c, CodeType)),
            (c for c in other.co_consts if isinstance(c, CodeType)),
            strict=True,
        )
    )


def _change_constants(module: ModuleType, source: str, changed: str) -> int:
    """How many names, of any module, hold another value now."""
    before, after = (dict(_assigned(ast.parse(text))) for text in (source, changed))
    names = [name for name in before if before[name] != after[name]]
    if not names:
        return 0
    fresh: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(changed, module.__file__ or "", "exec", dont_inherit=True), fresh)  # noqa: S102
    found = 0
    for name in names:
        old = getattr(module, name)
        for other in list(sys.modules.values()):
            if getattr(other, "__dict__", {}).get(name) is old:
                setattr(other, name, fresh[name])
                found += 1
    return found


def _assigned(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((t.id, ast.dump(node.value)) for t in node.targets if isinstance(t, ast.Name))


if os.environ.get(COLLECTED):
    _said = io.StringIO()
    with redirect_stdout(_said), redirect_stderr(_said):
        _code = pytest.main(["--collect-only", *QUIET, *os.environ[COLLECTED].split()])
    if _code:
        raise RuntimeError(f"The tests cannot be collected: {_said.getvalue()[-2000:]}")
