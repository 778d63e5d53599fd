"""Reads Kotlin and Swift by their grammars; run by the interpreter of the SDKs' environment, which has them."""

import json
import sys
from pathlib import Path

import tree_sitter_kotlin
import tree_sitter_swift
from tree_sitter import Language, Node, Parser

GRAMMARS = {"kotlin": (tree_sitter_kotlin, "*.kt"), "swift": (tree_sitter_swift, "*.swift")}


def wrong(node: Node, source: bytes) -> list[str]:
    """Places that the grammar could not read."""
    if not node.has_error:
        return []
    # Before `as!` the grammar of Swift reads the cast and says beside it that a `!` is missing.
    forced = (
        node.is_missing and node.type == "!" and b" as! " in source[node.start_byte : node.start_byte + 8]
    )
    if node.type == "ERROR" or (node.is_missing and not forced):
        return [f"{node.type} at line {node.start_point[0] + 1}"]
    return [place for child in node.children for place in wrong(child, source)]


def main(folder: Path) -> None:
    """Print how many files of each language were read, and where that failed."""
    found = {}
    for language, (module, pattern) in GRAMMARS.items():
        parser = Parser(Language(module.language()))
        files = sorted((folder / language).rglob(pattern))
        places = []
        for path in files:
            source = path.read_bytes()
            places += [f"{path.name}: {place}" for place in wrong(parser.parse(source).root_node, source)]
        found[language] = {"files": len(files), "wrong": places}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
