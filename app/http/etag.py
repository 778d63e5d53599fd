"""If-Match and ETag by the version of a row."""

import re

from flask import Flask, Response, g, request

from app.core.errors import Stale
from app.http.errors import Refused

_TAG = re.compile(
    r'(?:W/)?"([0-9]{1,10})(?::[a-z]+|-[a-z]+)?"'
)  # proxies add W/ or the name of a compression


def check_precondition_was_sent() -> None:
    """Refuse a request without If-Match before anything of it is read.

    Raises:
        Refused: 428 ``version_required``.
    """
    if not request.headers.get("If-Match", "").strip():
        raise Refused("version_required", 428)


def require_version(version: int) -> None:
    """Compare If-Match with the version of the row that is about to change; lock the row first.

    Raises:
        Refused: 428 ``version_required``; ``*`` does not count, because it would overwrite unseen changes.
        Stale: None of the versions named is the present one.
    """
    g.version_was_checked = True
    tags = _TAG.findall(request.headers.get("If-Match", ""))
    if not tags and request.headers.get("If-Match", "").strip() in ("", "*"):
        raise Refused("version_required", 428)
    if str(version) not in tags:
        raise Stale(version=version)


def set_version(version: int) -> None:
    """Answer with the row's version as ETag."""
    g.etag_version = version


def write_etag(response: Response) -> Response:
    """Write the ETag that the view asked for.

    Runs after Flask-Compress, which would otherwise append the name of the compression to it.
    """
    version = g.get("etag_version")
    if version is not None and response.status_code < 300:
        response.headers["ETag"] = f'"{version}"'
    return response


def init_etags(app: Flask) -> None:
    """Write ETags last: functions after a request run in the reverse order of their registration."""
    app.after_request(write_etag)
