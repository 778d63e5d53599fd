"""Tokens with their weights as a document keeps them: a line each, its first character the weight."""

from collections.abc import Iterable, Mapping

_ZERO = ord("0")


def lines_of(tokens: Mapping[str, int]) -> str:
    """``{"2누유": 16}`` → ``@2누유``, with a line end before and after each."""
    return "\n" + "".join(f"{chr(_ZERO + weight)}{token}\n" for token, weight in tokens.items())


def wanted_lines(tokens: Iterable[str]) -> list[tuple[str, str]]:
    """Tokens as ``weights_in`` looks for them in many documents."""
    return [(token, f"{token}\n") for token in tokens]


def weights_in(lines: str, wanted_lines: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Those of the tokens that are in the lines. Far faster than to read all lines."""
    found = {}
    for token, wanted in wanted_lines:
        place = lines.find(wanted)
        while place > 1 and lines[place - 2] != "\n":
            place = lines.find(wanted, place + 1)
        if place > 1:
            found[token] = ord(lines[place - 1]) - _ZERO
    return found
