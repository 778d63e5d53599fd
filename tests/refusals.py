"""Watches the refusals that tests provoke: each has to stand in the API document, beside its operation."""

import re

from flask import Flask, Response, request

from app.http.errors import MIMETYPE
from app.http.finishing import COMMON_CODES, OF_EDITS, read_refusals

PLACE = r"{\1}"
UNDOCUMENTED: list[str] = []


def watch_refusals(app: Flask) -> None:
    """Write down what *app* answers and its document does not tell."""
    refusals = read_refusals()

    def watch(response: Response) -> Response:
        rule = request.url_rule
        if response.mimetype != MIMETYPE or rule is None or not rule.rule.startswith("/api/v1/"):
            return response
        operation = f"{request.method} {re.sub('<(?:[a-z]+:)?([a-z_]+)>', PLACE, rule.rule)}"
        status, code = response.status_code, (response.json or {}).get("code")
        own = refusals.get(operation, {}).get(str(status), ())
        if status in COMMON_CODES and code not in {*own, *COMMON_CODES[status]} and OF_EDITS not in own:
            UNDOCUMENTED.append(f"{operation}: {status} {code}")
        return response

    app.after_request(watch)
