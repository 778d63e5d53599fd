import gzip
import json
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from app.http import strict_json
from app.http.errors import Refused
from app.http.strict_json import MAX_BODY_BYTES, decompress, load_json

MB = 1024 * 1024
# What makes keys hard to count, and numbers hard to keep, among plain ones.
SPACES = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n"])
KEYS = st.sampled_from(
    ['"a"', '"a"', '"b"', '"c\\\\"', '"\\u0061"', '"a\\":"', '"한"', '""', '"' + "k" * 201 + '"']
)
LEAVES = st.sampled_from(
    [
        *("1", "-0", "0", "1.0", "1e5", "-1E+2", "0.1", "123456789012345678901", "18446744073709551616"),
        *(
            "18446744073709551615",
            "-9223372036854775809",
            "9" * 41,
            "0." + "1" * 38,
            "0." + "1" * 39,
            "1e400",
        ),
        *(
            "1e-400",
            "01",
            "1.",
            "NaN",
            "null",
            "true",
            '""',
            '"x"',
            '"\\":"',
            '"a\\\\"',
            '"한글"',
            '"\\u00e9"',
        ),
        *('"\\ud800"', '"\\ud83d\\ude00"', '"a\\":\\":"', '" :"', '"\x7f"', '"\u2028"', '"\\/"', "[]", "{}"),
    ]
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)

REFUSED = {
    "an empty body": (b"", "body_empty"),
    "nothing but blanks": (b" \n\t", "body_empty"),
    "a truncated object": (b'{"a": 1', "json_invalid"),
    "a truncated text": (b'{"a": "b', "json_invalid"),
    "something after the object": (b'{"a": 1} {"b": 2}', "json_invalid"),
    "a comma too many": (b'{"a": 1,}', "json_invalid"),
    "single quotes": (b"{'a': 1}", "json_invalid"),
    "NaN": (b'{"a": NaN}', "json_invalid"),
    "Infinity": (b'{"a": -Infinity}', "json_invalid"),
    "a raw control character in a text": (b'{"a": "\x01"}', "json_invalid"),
    "a number over the range of floats": (b'{"a": 1e400}', "number_out_of_range"),
    "a negative one": (b'{"a": -1e400}', "number_out_of_range"),
    "an integer of 5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "number_too_long"),
    "an integer of 41 digits": (b'{"a": ' + b"9" * 41 + b"}", "number_too_long"),
    "a fraction of 5,000 digits": (b'{"a": 0.' + b"1" * 5000 + b"}", "number_too_long"),
    "the same key twice": (b'{"a": 1, "a": 2}', "json_duplicate_key"),
    "the same key twice, deep inside": (b'{"a": [{"b": {"c": 1, "c": 1}}]}', "json_duplicate_key"),
    "the same key twice, once escaped": (b'{"a": 1, "\\u0061": 2}', "json_duplicate_key"),
    "33 levels": (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "json_too_deep"),
    "100,000 levels of lists": (b"[" * 100_000, "json_too_deep"),
    "100,000 levels of objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "json_too_deep"),
    "a list": (b"[1]", "body_not_object"),
    "a text": (b'"a"', "body_not_object"),
    "null": (b"null", "body_not_object"),
    "invalid UTF-8": (b'{"a": "\xff"}', "encoding_invalid"),
    "an overlong form": (b'{"a": "\xc0\x80"}', "encoding_invalid"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "encoding_invalid"),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), "encoding_invalid"),
    "UTF-32": ('{"a": 1}'.encode("utf-32-be"), "encoding_invalid"),
    "a byte order mark": (b'\xef\xbb\xbf{"a": 1}', "encoding_invalid"),
    "a key of 201 characters": (b'{"' + b"k" * 201 + b'": 1}', "limit_exceeded"),
    "a key of 1 MB": (b'{"' + b"k" * MB + b'": 1}', "limit_exceeded"),
    "5,000 keys": (json.dumps(dict.fromkeys(map(str, range(5000)))).encode(), "limit_exceeded"),
    "a text of 5 MB": (b'{"a": ["' + b"x" * 5 * MB + b'"]}', "limit_exceeded"),
    "a lone surrogate in a key": (b'{"\\ud800": 1}', "char_not_allowed"),
    "more than 8 MB": (b'{"a": 1}' + b" " * MAX_BODY_BYTES, "body_too_large"),
}


@st.composite
def spelled(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """An object or a list as somebody may write it, sound or not."""
    space = [draw(SPACES) for _ in range(4)]
    if draw(st.booleans()):
        return f"[{','.join(draw(st.lists(inner, max_size=4)))}]"
    members = draw(st.lists(st.tuples(KEYS, inner), max_size=4))
    return "{" + f"{space[0]},{space[1]}".join(f"{k}{space[2]}:{space[3]}{v}" for k, v in members) + "}"


def outcome(read: Callable[[bytes], Any], raw: bytes) -> object:
    """What is read, with the types of numbers, or why it is refused."""
    try:
        return repr(read(raw))
    except Refused as refused:
        return refused.code, refused.details


def quickest(act: Callable[[], object]) -> float:
    """Seconds of the quicker of two runs: a full garbage collection may fall into one."""
    seconds = []
    for _ in range(2):
        begin = time.process_time()
        act()
        seconds.append(time.process_time() - begin)
    return min(seconds)


class TestLoadJson:
    @pytest.mark.parametrize("what", REFUSED)
    def test_refuses(self, what: str) -> None:
        raw, code = REFUSED[what]

        with pytest.raises(Refused) as refused:
            load_json(raw)

        assert refused.value.code == code

    @pytest.mark.parametrize("what", REFUSED)
    def test_refuses_quickly(self, what: str) -> None:
        def refuse() -> None:
            with pytest.raises(Refused):
                load_json(REFUSED[what][0])

        assert quickest(refuse) < 0.2

    def test_takes_32_levels(self) -> None:
        raw = b'{"a":' + b"[" * 31 + b"]" * 31 + b"}"

        assert load_json(raw)["a"]

    def test_does_not_count_brackets_inside_texts(self) -> None:
        text = '[{"\\' * 1000

        assert load_json(json.dumps({"a": [text, {"b": text}]}).encode()) == {"a": [text, {"b": text}]}

    def test_takes_a_wide_and_shallow_body(self) -> None:
        body = {"mutations": [{"fields": {"a": [1, {"b": []}]}} for _ in range(500)]}

        assert load_json(json.dumps(body).encode()) == body

    def test_is_not_slowed_down_by_escapes_in_a_text_without_end(self) -> None:
        raw = b'{"a": [' + b"[" * 40 + b'"' + b'\\"' * 500_000
        begin = time.process_time()

        with pytest.raises(Refused):
            load_json(raw)

        assert time.process_time() - begin < 0.5

    def test_leaves_a_lone_surrogate_in_a_value_to_the_field(self) -> None:
        assert load_json(b'{"a": "\\ud800"}') == {"a": "\ud800"}

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(-1e9, 1e9) | TEXTS,
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
            max_leaves=20,
        )
    )
    def test_gives_what_json_gives_for_every_decent_body(self, value: Any) -> None:
        raw = json.dumps({"value": value}, ensure_ascii=False).encode()

        assert load_json(raw) == json.loads(raw)

    @given(st.recursive(LEAVES, spelled, max_leaves=12))
    @settings(max_examples=2_000)
    def test_the_quick_way_gives_what_the_slow_one_gives(self, text: str) -> None:
        raw = f'{{"value":{text}}}'.encode()

        assert outcome(load_json, raw) == outcome(strict_json._slowly, raw)

    @pytest.mark.parametrize(
        "raw",
        [
            '{"a":1,"b":[{"c":"한글"}]}',
            '{"a": 1, "b": [{"c": "\\ud55c\\uae00 \\":"}]}',
            '{"latitude":37.5,"longitude":127.1}',
        ],
        ids=["as phones write", "with blanks and escapes", "with fractions"],
    )
    def test_what_honest_clients_write_is_read_quickly(
        self, raw: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr(strict_json, "_slowly")

        assert load_json(raw.encode()) == json.loads(raw)


class TestDecompress:
    def test_reads_gzip(self) -> None:
        assert decompress(gzip.compress(b'{"a": 1}'), "gzip") == b'{"a": 1}'

    def test_reads_zstd(self) -> None:
        assert decompress(zstd.compress(b'{"a": 1}'), "ZSTD") == b'{"a": 1}'

    def test_reads_three_megabytes_that_compress_honestly(self) -> None:
        body = json.dumps([f"{i * 7919 % 104729}" for i in range(300_000)]).encode()

        assert decompress(gzip.compress(body), "gzip") == body
        assert decompress(zstd.compress(body), "zstd") == body

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_stops_a_bomb_of_100_megabytes(self, encoding: str) -> None:
        plain = b"\0" * (100 * MB)
        bomb = gzip.compress(plain, 9) if encoding == "gzip" else zstd.compress(plain)
        begin = time.process_time()

        with pytest.raises(Refused) as refused:
            decompress(bomb, encoding)

        assert (refused.value.code, refused.value.status) == ("body_too_large", 413)
        assert time.process_time() - begin < 0.2

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_stops_two_megabytes_that_came_from_almost_nothing(self, encoding: str) -> None:
        plain = b" " * (2 * MB)
        small = gzip.compress(plain, 9) if encoding == "gzip" else zstd.compress(plain)

        with pytest.raises(Refused, match="body_too_large"):
            decompress(small, encoding)

    @pytest.mark.parametrize(
        "encoding", ["br", "deflate", "compress", "gzip, gzip", "gzip, zstd", "aes128gcm"]
    )
    def test_refuses_other_and_nested_encodings(self, encoding: str) -> None:
        with pytest.raises(Refused) as refused:
            decompress(b"x", encoding)

        assert (refused.value.code, refused.value.status) == ("unsupported_encoding", 415)

    @pytest.mark.parametrize(
        ("raw", "encoding"),
        [
            (gzip.compress(b"{}" * 100)[:-3], "gzip"),
            (zstd.compress(b"{}" * 100)[:-3], "zstd"),
            (b"{}", "gzip"),
            (b"{}", "zstd"),
            (b"", "gzip"),
            (zlib.compress(b"{}"), "gzip"),
            (gzip.compress(b"{}") + b"more", "gzip"),
            (gzip.compress(b"{}") + gzip.compress(b"{}"), "gzip"),
            (zstd.compress(b"{}") + b"more", "zstd"),
        ],
        ids=lambda part: part if isinstance(part, str) else "",
    )
    def test_refuses_a_broken_stream(self, raw: bytes, encoding: str) -> None:
        with pytest.raises(Refused, match="encoding_invalid"):
            decompress(raw, encoding)

    def test_refuses_a_window_that_would_take_much_memory(self) -> None:
        options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
        maker = zstd.ZstdCompressor(options=options)
        stream = maker.compress(b"x" * 1000) + maker.flush()

        with pytest.raises(Refused, match="encoding_invalid"):
            decompress(stream, "zstd")
