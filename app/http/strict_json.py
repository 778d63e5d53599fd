"""The one JSON loader: a body is exactly one sensible object, or it is refused with a reason."""

import json
import re
import zlib
from typing import Any, NamedTuple, NoReturn

import orjson
from backports import zstd
from flask import Request, g, request
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import HTTPException

from app.http.errors import Refused

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_RATIO = 100
RATIO_FREE_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NUMBER_CHARS = 40
MAX_KEY_CHARS = 200
MAX_TEXT_CHARS = 1024 * 1024
MAX_KEYS = 1_000
CHUNK_BYTES = 64 * 1024

# Matches to the end when the closing quote is missing, so that no start is tried twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_KEY_THEN_SPACE = re.compile(rb'"[ \t\r\n]+:')
_LONG_NUMBER = re.compile(rb"[0-9]{19}|[0-9.eE+-]{41}")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def load_json(raw: bytes) -> dict[str, Any]:
    """Read one JSON object from *raw* (UTF-8, not compressed).

    Raises:
        Refused: 400 with the code of what is wrong; 413 ``body_too_large``.
    """
    if len(raw) > MAX_BODY_BYTES:
        raise Refused("body_too_large", 413)
    found = _quickly(raw)
    return _slowly(raw) if found is None else found


def _quickly(raw: bytes) -> dict[str, Any] | None:
    """The object, by a parser that is a tenth of the work; None where that one may have overlooked something."""
    try:
        found = orjson.loads(raw)
    except ValueError:
        return None
    if not isinstance(found, dict) or len(raw) > MAX_TEXT_CHARS:
        return None
    seen = _look_through(found)
    if seen is None:
        return None
    if seen.has_floats:
        # It makes floats of long whole numbers.
        return found if seen.members == _members(raw) and not _LONG_NUMBER.search(raw) else None
    # Written anew it is never longer, and shorter where a key stood twice; also where there was white space or more
    # was escaped than has to be.
    return found if len(orjson.dumps(found)) == len(raw) or seen.members == _members(raw) else None


class _Seen(NamedTuple):
    members: int
    has_floats: bool


def _look_through(found: dict[str, Any]) -> _Seen | None:
    """What the objects of *found* hold; None where one is too large, lies too deep, or has too long a key."""
    members, has_floats, depth = 0, False, 0
    known: set[str] = set()
    level: list[Any] = [found]
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            values = item
            if type(item) is dict:
                values = item.values()
                members += len(item)
                if not known.issuperset(item):
                    known.update(item)
                if len(item) > MAX_KEYS:
                    return None
            for value in values:
                kind = type(value)
                if kind is dict or kind is list:
                    below.append(value)
                elif kind is float:
                    has_floats = True
        level = below
    if depth > MAX_DEPTH or any(len(key) > MAX_KEY_CHARS for key in known):
        return None
    return _Seen(members, has_floats)


def _members(raw: bytes) -> int | None:
    """How often a key stands in sound JSON, one that stands twice counted twice; None where that is not easily told.

    Each is followed by a quote and a colon. In a text these two follow only a backslash.
    """
    if _KEY_THEN_SPACE.search(raw) or b'\\\\":' in raw:
        return None
    return raw.count(b'":') - raw.count(b'\\":')


def _slowly(raw: bytes) -> dict[str, Any]:
    """The object, or why it is none."""
    text = _decoded(raw)
    _check_depth(raw)
    try:
        found = _DECODER.decode(text)
    except RecursionError:
        raise Refused("json_too_deep") from None
    except ValueError:
        raise Refused("json_invalid") from None
    if not isinstance(found, dict):
        raise Refused("body_not_object")
    if len(text) > MAX_TEXT_CHARS:
        _check_texts(found)
    return found


def _decoded(raw: bytes) -> str:
    if not raw.strip():
        raise Refused("body_empty")
    if raw[:3] == b"\xef\xbb\xbf" or raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in raw[:4]:
        raise Refused("encoding_invalid")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Refused("encoding_invalid") from None


def _check_depth(raw: bytes) -> None:
    """Refuse nesting before it reaches the parser: peel the innermost pairs off, level by level."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    brackets = _STRING.sub(b"", raw).translate(None, _NOT_BRACKETS)
    depth = deepest = 0
    if len(brackets) > 4 * MAX_DEPTH:
        for _ in range(MAX_DEPTH):
            shorter = brackets.replace(b"[]", b"").replace(b"{}", b"")
            if len(shorter) == len(brackets):
                break
            brackets = shorter
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            raise Refused("json_too_deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused("json_duplicate_key")
    if len(found) > MAX_KEYS:
        raise Refused("limit_exceeded", details={"max_keys": MAX_KEYS})
    for key in found:
        if len(key) > MAX_KEY_CHARS:
            raise Refused("limit_exceeded", details={"max_key_chars": MAX_KEY_CHARS})
        if not key.isascii():
            _check_key(key)
    return found


def _check_key(key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:  # a lone surrogate could not even be named in the answer
        raise Refused("char_not_allowed") from None


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARS:
        raise Refused("number_too_long")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > MAX_NUMBER_CHARS:
        raise Refused("number_too_long")
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise Refused("number_out_of_range")
    return number


def _constant(_: str) -> NoReturn:
    raise Refused("json_invalid")  # NaN and Infinity are JavaScript, not JSON


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def _check_texts(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and len(item) > MAX_TEXT_CHARS:
            raise Refused("limit_exceeded", details={"max_text_chars": MAX_TEXT_CHARS})
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def decompress(raw: bytes, encoding: str) -> bytes:
    """Undo one Content-Encoding, never holding more than the limit.

    Args:
        raw: The body as sent.
        encoding: Value of the header; empty or ``identity`` for none.

    Raises:
        Refused: 415 for an unknown or nested encoding, 413 for a bomb, 400 for a broken stream.
    """
    if len(raw) > MAX_BODY_BYTES:
        raise Refused("body_too_large", 413)
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return raw
    if name in ("gzip", "x-gzip"):
        return _inflated(raw)
    if name == "zstd":
        return _unzstd(raw)
    raise Refused("unsupported_encoding", 415)


def _inflated(raw: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    body = bytearray()
    waiting = raw
    try:
        while waiting and not stream.eof:
            body += stream.decompress(waiting, CHUNK_BYTES)
            waiting = stream.unconsumed_tail
            _check_expansion(len(body), len(raw) - len(waiting) - len(stream.unused_data))
    except zlib.error:
        raise Refused("encoding_invalid") from None
    if not stream.eof or stream.unused_data:
        raise Refused("encoding_invalid")
    return bytes(body)


def _unzstd(raw: bytes) -> bytes:
    # The window bounds the memory of the decompressor: 8 MB, as RFC 9659 asks.
    stream = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: 23})
    body = bytearray()
    try:
        body += stream.decompress(raw, CHUNK_BYTES)
        while not stream.eof and not stream.needs_input:
            _check_expansion(len(body), len(raw))
            body += stream.decompress(b"", CHUNK_BYTES)
    except zstd.ZstdError:
        raise Refused("encoding_invalid") from None
    _check_expansion(len(body), len(raw))
    if not stream.eof or stream.unused_data:
        raise Refused("encoding_invalid")
    return bytes(body)


def _check_expansion(grown: int, consumed: int) -> None:
    if grown > MAX_BODY_BYTES or (grown > RATIO_FREE_BYTES and grown > MAX_RATIO * max(consumed, 1)):
        raise Refused("body_too_large", 413)


def load_body() -> dict[str, Any]:
    """The JSON object of the present request; read once.

    Raises:
        Refused: 400, 413 or 415.
    """
    body: dict[str, Any] | None = g.get("body")
    if body is None:
        incoming: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy asks at every look
        _check_media_type(incoming)
        encoding = incoming.headers.get("Content-Encoding", "")
        body = g.body = load_json(decompress(_received(incoming), encoding))
    return body


def load_list() -> list[Any]:
    """The JSON list of the present request, for operations that take one; as strict as ``load_body``.

    Raises:
        Refused: 400, 413 or 415.
    """
    incoming: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy asks at every look
    _check_media_type(incoming)
    raw = decompress(_received(incoming), incoming.headers.get("Content-Encoding", ""))
    _decoded(raw)
    found = load_json(b'{"list":' + raw + b"}")
    if found.keys() != {"list"} or not isinstance(found["list"], list):
        raise Refused("body_not_list")
    return found["list"]


def _received(incoming: Request) -> bytes:
    """The body as it came, all of it: what was cut off may still look like an object."""
    try:
        raw = incoming.get_data(cache=False)
    except HTTPException:
        raise
    except Exception as error:  # broken chunks: each web server has its own kinds of error for them
        raise Refused("request_malformed") from error
    if incoming.content_length is not None and incoming.content_length != len(raw):
        raise Refused("request_malformed")
    return raw


def _check_media_type(incoming: Request) -> None:
    if incoming.content_type == "application/json":
        return
    parameters = incoming.mimetype_params
    if incoming.mimetype != "application/json" or parameters.get("charset", "utf-8").lower() != "utf-8":
        raise Refused("unsupported_media_type", 415)


class StrictRequest(Request):
    """A request whose JSON goes through ``load_body`` whoever asks for it."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body by the strict loader; the arguments of the original change nothing."""
        return load_body()


class StrictParser(FlaskParser):
    """webargs on the strict loader; unknown query parameters are refused by the schema."""

    DEFAULT_UNKNOWN_BY_LOCATION = dict.fromkeys(FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION)

    def _raw_load_json(self, req: Request) -> Any:
        return load_body()
