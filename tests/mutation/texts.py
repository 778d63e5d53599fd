"""Finds the SQL in a module: each text as the database gets it, with the place of every character in the file."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

STATEMENT = re.compile(
    r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|LOCK TABLE|WITH|WHERE|FROM|JOIN|ORDER BY|AND|REPEATABLE READ"
    r"|READ COMMITTED)\b"
)
LITERAL = re.compile(r"(?P<prefix>[rbfuRBFU]{0,2})(?P<quote>\"\"\"|'''|\"|')")


@dataclass(frozen=True)
class SqlText:
    """One SQL text of a module.

    Attributes:
        sql: Its characters; what is filled in stands as ``{name}``.
        places: For each of them, where it stands in the source.
        line: Where it begins.
        within: The function or the constant that holds it.
    """

    sql: str
    places: tuple[int, ...]
    line: int
    within: str

    @cached_property
    def hidden(self) -> str:
        """The same with quoted values, comments and what is filled in blotted out, so that rules do not see them."""
        blot = re.compile(r"'(?:[^']|'')*'|--[^\n]*|\{[^{}]*\}", re.S)
        return blot.sub(lambda found: "¤" * len(found[0]), self.sql)


def texts_of(source: str) -> Iterator[SqlText]:
    """The SQL texts of a module, in order; docstrings and messages are none."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    characters = _characters_by_byte(source)
    for node, within in _strings(tree):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = characters[starts[node.lineno - 1] + node.col_offset]
        end = characters[starts[node.end_lineno - 1] + node.end_col_offset]
        sql, places = _contents(source, begin, end)
        if STATEMENT.search(sql):
            yield SqlText(sql, places, node.lineno, within)


def _characters_by_byte(source: str) -> dict[int, int]:
    """ast counts bytes of UTF-8, texts are cut by characters."""
    found, byte = {}, 0
    for place, character in enumerate(source):
        found[byte] = place
        byte += len(character.encode())
    found[byte] = len(source)
    return found


def _strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    def walk(node: ast.AST, within: str) -> Iterator[tuple[ast.expr, str]]:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            within = f"{within}.{node.name}".lstrip(".")
        if isinstance(node, ast.Assign) and not within:
            within = next((target.id for target in node.targets if isinstance(target, ast.Name)), "")
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        ):
            yield node, within
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            yield from walk(child, within)

    return walk(tree, "")


def _contents(source: str, begin: int, end: int) -> tuple[str, tuple[int, ...]]:
    """What stands between the quotes of literals side by side; escapes stay as they are written."""
    found: list[int] = []
    at = begin
    while at < end:
        opening = LITERAL.match(source, at)
        if opening is None:
            if source[at] == "#":  # a comment between two literals may hold quotes
                at = source.find("\n", at)
            at += 1
            continue
        quote, at = opening["quote"], opening.end()
        while not source.startswith(quote, at):
            if source[at] == "\\":
                found.append(at)
                at += 1
            found.append(at)
            at += 1
        at += len(quote)
    return "".join(source[place] for place in found), tuple(found)
