import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import factory
from app.core.messages import MESSAGES, text_of
from app.http.catalogue import PATH, domain_errors, render_error_catalogue
from app.http.errors import HTTP_CODES, status_of
from app.http.fields import FIELD_CODES

ROOT = Path(__file__).parents[2]
RAISERS = {"Refused", "HttpRefused", "RequestInvalid", "ValidationError", "refusal"}


def codes_in_the_source() -> Iterator[tuple[str, str]]:
    """Codes that are written where something is refused, with their files."""
    for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "sync").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[0]
                if name in RAISERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value, str(path.relative_to(ROOT))


class TestMessages:
    def test_every_error_of_the_rooms_has_both_texts(self) -> None:
        assert factory.ROOMS
        missing = {f"{kind.__module__}: {kind.code}" for kind in domain_errors() if kind.code not in MESSAGES}

        assert missing == set()

    def test_every_code_in_the_source_has_both_texts(self) -> None:
        assert {found for found in codes_in_the_source() if found[0] not in MESSAGES} == set()

    def test_every_code_of_fields_and_of_http_has_both_texts(self) -> None:
        assert {*FIELD_CODES, *HTTP_CODES.values()} - MESSAGES.keys() == set()

    @pytest.mark.parametrize("code", sorted(MESSAGES))
    def test_both_texts_are_sentences_of_their_language(self, code: str) -> None:
        message = MESSAGES[code]

        assert re.search("[가-힣]", message.ko)
        assert not re.search("[가-힣]", message.en)
        assert message.en[0].isupper()
        assert message.en.endswith(".")

    @pytest.mark.parametrize("code", sorted(MESSAGES))
    def test_both_texts_name_the_same_details(self, code: str) -> None:
        message = MESSAGES[code]

        assert sorted(re.findall(r"{\w+}", message.en)) == sorted(re.findall(r"{\w+}", message.ko))

    def test_codes_are_slugs(self) -> None:
        assert [code for code in MESSAGES if not re.fullmatch(r"([a-z_]+\.)?[a-z_]+", code)] == []

    def test_every_code_that_is_listed_for_fields_is_one_that_they_raise(self) -> None:
        defaults = {"null_not_allowed", "read_only_field", "required", "unknown_field", "value_invalid"}
        raised = {code for code, _ in codes_in_the_source()} | defaults

        assert set(FIELD_CODES) - raised == set()


class TestTextOf:
    def test_fills_in_details(self) -> None:
        text = text_of("transition_not_allowed", "en", {"status": "missed", "allowed": ["a", "b"]})

        assert "missed" in text
        assert "a, b" in text

    def test_survives_missing_details(self) -> None:
        assert "…" in text_of("transition_not_allowed", "ko")

    def test_gives_a_code_that_it_does_not_know(self) -> None:
        assert text_of("no.such_code", "ko") == "no.such_code"

    def test_takes_details_that_look_like_templates_as_they_are(self) -> None:
        assert "{status.__class__}" in text_of(
            "transition_not_allowed", "en", {"status": "{status.__class__}"}
        )


class TestCatalogue:
    def test_the_committed_page_is_up_to_date(self) -> None:
        assert PATH.read_text(encoding="utf-8") == render_error_catalogue(), (
            "run: python -m app.http.catalogue write"
        )

    def test_a_code_means_one_status(self) -> None:
        found: dict[str, set[int]] = {}
        for kind in domain_errors():
            found.setdefault(kind.code, set()).add(status_of(kind()))

        assert {code: statuses for code, statuses in found.items() if len(statuses) > 1} == {}
