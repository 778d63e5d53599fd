"""Which answers are compressed."""

from flask import Response
from flask_compress import Compress

SMALL_BYTES = 1_000
"""Below it an answer goes out in one segment of TCP with its headers, compressed or not: the phone gains nothing."""


class Compression(Compress):
    """Flask-Compress, which is not asked about answers that are small or compressed already."""

    def after_request(self, response: Response | None) -> Response:
        """Compress an answer if that is worth it."""
        if response is None or not _is_done(response):
            return super().after_request(response)
        if "Vary" in response.headers:
            response.vary.add("Accept-Encoding")
        else:
            response.headers.add("Vary", "Accept-Encoding")
        return response


def _is_done(response: Response) -> bool:
    if "Content-Encoding" in response.headers:
        return True
    length = response.content_length
    return length is not None and length < SMALL_BYTES
