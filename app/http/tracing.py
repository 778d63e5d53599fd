"""Which refusals an operation can give: read from the code that its view reaches, not from what somebody remembers.

Used when the API document is written (``python -m app.http.openapi write``), never by a running server. It follows
names: a function's globals, closures, ``self`` and the classes that annotations name. It sees too much rather than too
little: a refusal behind a condition that the operation never meets is listed all the same.
"""

import ast
import importlib
import inspect
import json
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from flask import Flask

from app.core.errors import DomainError
from app.http.api import operations
from app.http.errors import Refused, status_of
from app.http.finishing import COMMON_CODES

OURS = ("app.", "sync.")
# Behind these doors refusals become verdicts of single mutations, or belong to every request alike.
CLOSED = ("app.sync_api.rooms", "app.sync_api.registry", "sync.judge", "sync.rooms", "app.http.strict_json")
REQUEST_INVALID = "sync.errors.RequestInvalid"

Refusal = tuple[int, str]


def written_refusals(app: Flask) -> str:
    """``refusals.json``: for each operation of *app* the codes of its own, by status; one line each."""
    lines = []
    for operation in sorted(operations(app), key=lambda found: (found.path, found.method)):
        view = app.view_functions[operation.endpoint]
        view_class = getattr(view, "view_class", None)
        codes: dict[str, list[str]] = {}
        function = getattr(view_class, operation.method.lower()) if view_class else view
        found = refusals_of(function, view_class) | getattr(function, "refusals", frozenset())
        for status, code in sorted(found):
            if code not in COMMON_CODES.get(status, ()):
                codes.setdefault(str(status), []).append(code)
        if codes:
            path = re.sub("<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", operation.path)
            lines.append(f"{json.dumps(f'{operation.method} {path}')}: {json.dumps(codes)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def refusals_of(view: Callable[..., Any], view_class: type | None = None) -> set[Refusal]:
    """Status and code of each refusal that *view* can come to."""
    found: set[Refusal] = set()
    seen: set[tuple[int, type | None]] = set()
    waiting: list[tuple[Any, type | None]] = [(view, view_class)]
    while waiting:
        function, owner = waiting.pop()
        if (id(function), owner) in seen:
            continue
        seen.add((id(function), owner))
        for value, value_owner in _known(function, owner):
            if isinstance(value, tuple):
                found.add(value)
            else:
                waiting.append((value, value_owner))
    return found


@cache
def _known(function: Any, owner: type | None) -> tuple[tuple[Any, type | None], ...]:
    return tuple(_reached(function, owner))


def _reached(function: Any, owner: type | None) -> Iterator[tuple[Any, type | None]]:
    """What the body of *function* speaks of: refusals as tuples, functions with the class that they belong to."""
    function = inspect.unwrap(getattr(function, "__func__", function), stop=lambda f: bool(_cells(f)))
    if not isinstance(function, types.FunctionType) or function.__module__.startswith(CLOSED):
        return
    if not function.__module__.startswith(OURS):
        return
    tree = _tree(function)
    if tree is None:
        return
    scope = _Scope(function, owner, tree)
    for cell in _cells(function):
        yield from _used(cell, None)
    for node in _spoken(tree):
        yield from scope.meaning(node)


def _cells(function: Any) -> list[Any]:
    values = []
    for cell in getattr(function, "__closure__", None) or ():
        try:
            values.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    return [value for value in values if isinstance(value, types.FunctionType | types.MethodType)]


@cache
def _tree(function: types.FunctionType) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # a lambda in the middle of a line, a class made at run time
        return None


def _spoken(tree: ast.AST) -> Iterator[ast.AST]:
    """Names, attributes and calls of a body, without annotations and what it only catches."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.arguments):
            yield from (node for default in child.defaults for node in ast.walk(default))
            continue
        if isinstance(child, ast.ExceptHandler):
            yield from (node for part in child.body for node in _and_spoken(part))
            continue
        if isinstance(child, ast.FunctionDef):
            yield from (node for part in child.body for node in _and_spoken(part))
            continue
        if isinstance(child, ast.AnnAssign):
            if child.value:
                yield from _and_spoken(child.value)
            continue
        if isinstance(child, ast.Call) and getattr(child.func, "id", "") in (
            "isinstance",
            "issubclass",
            "cast",
        ):
            continue
        yield from _and_spoken(child)


def _and_spoken(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Name | ast.Attribute | ast.Call):
        yield node
    yield from _spoken(node)


class _Scope:
    """What names mean inside one function."""

    def __init__(self, function: types.FunctionType, owner: type | None, tree: ast.AST) -> None:
        self.names: dict[str, Any] = dict(inspect.getclosurevars(function).nonlocals)
        self.globals = function.__globals__
        self.instances: dict[str, type] = {}
        try:
            hints = typing.get_type_hints(function)
        except Exception:
            hints = {}
        for name, hint in hints.items():
            if isinstance(hint, type):
                self.instances[name] = hint
        if owner is not None:
            self.instances["self"] = owner
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                module = importlib.import_module(node.module)
                self.names |= {a.asname or a.name: getattr(module, a.name, None) for a in node.names}
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                made = self.type_of(node.value)
                if made is not None:
                    self.instances[node.targets[0].id] = made

    def meaning(self, node: ast.AST) -> Iterator[tuple[Any, type | None]]:
        """The refusals and functions that one expression names."""
        if isinstance(node, ast.Call):
            yield from self._refused(node)
            return
        value, owner = self.value(node)
        yield from _used(value, owner)

    def _refused(self, node: ast.Call) -> Iterator[tuple[Any, type | None]]:
        """``Refused("body_empty", 400)`` of HTTP, and the engine's ``RequestInvalid("required")``."""
        called, _ = self.value(node.func)
        if not isinstance(called, type) or not node.args or not isinstance(node.args[0], ast.Constant):
            return
        code = node.args[0].value
        if issubclass(called, Refused):
            status = next((a.value for a in node.args[1:2] if isinstance(a, ast.Constant)), 400)
            yield (status, code), None
        elif any(f"{c.__module__}.{c.__name__}" == REQUEST_INVALID for c in called.__mro__):
            yield (400, code), None

    def value(self, node: ast.AST) -> tuple[Any, type | None]:
        """The object that a name or a chain of attributes means, and the class whose method it is."""
        if isinstance(node, ast.Name):
            if node.id in self.names:
                return self.names[node.id], None
            return self.globals.get(node.id), None
        if not isinstance(node, ast.Attribute):
            return None, None
        kind = self.type_of(node.value)
        base, _ = self.value(node.value)
        if kind is not None and (base is None or isinstance(node.value, ast.Call)):
            return inspect.getattr_static(kind, node.attr, None), kind
        if isinstance(base, types.ModuleType | type) or (base is not None and _ours(type(base))):
            found = getattr(base, node.attr, None)
            return found, base if isinstance(base, type) else type(base) if callable(found) else None
        return None, None

    def type_of(self, node: ast.AST) -> type | None:
        """The class of an expression, where a call or an annotation tells."""
        if isinstance(node, ast.Name):
            return self.instances.get(node.id)
        if isinstance(node, ast.Attribute):
            holder = self.type_of(node.value)
            hint = _hints(holder).get(node.attr) if holder else None
            return hint if isinstance(hint, type) and _ours(hint) else None
        if isinstance(node, ast.Call):
            called, _ = self.value(node.func)
            if isinstance(called, type):
                return called
            hint = _hints(called).get("return") if isinstance(called, types.FunctionType) else None
            return hint if isinstance(hint, type) and _ours(hint) else None
        return None


@cache
def _hints(thing: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(thing)
    except Exception:
        return {}


def _ours(kind: type) -> bool:
    return kind.__module__.startswith(OURS)


def _used(value: Any, owner: type | None) -> Iterator[tuple[Any, type | None]]:
    if isinstance(value, types.MethodType):
        yield value.__func__, type(value.__self__)
    elif isinstance(value, types.FunctionType):
        yield value, owner
    elif isinstance(value, type) and _ours(value):
        if issubclass(value, DomainError):
            yield (status_of(value()), value.code), None
        elif f"{value.__module__}.{value.__name__}" == "sync.errors.SchemaTooOld":
            yield (426, "schema_too_old"), None
        elif not issubclass(value, Exception) and "__init__" in vars(value):
            yield vars(value)["__init__"], value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _used(one, None)
    elif isinstance(value, property) and value.fget:
        yield value.fget, owner
    elif isinstance(value, staticmethod | classmethod):
        yield value.__func__, owner
