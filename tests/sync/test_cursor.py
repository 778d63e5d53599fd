"""The cursor token."""

import json
import zlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import cursor as cursors
from sync.cursor import LONGEST_TOKEN, Cursor, CursorInvalid, Walk, decode, encode

KEY = b"k" * 32
TENANT, DEVICE, EPOCH = (UUID(int=number) for number in (1, 2, 3))
WALK = Walk("gain", "territory:0190aaaa-0000-7000-8000-00000000000a", "all", 5, 17)
PLAIN = Cursor(TENANT, DEVICE, 3, EPOCH, 17, UUID(int=4), 16, UUID(int=5), 41, "set-1")
LONG = replace(PLAIN, walks=(WALK,) * 12)

numbers = st.integers(0, 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
walks = st.builds(Walk, st.sampled_from(["gain", "loss", "delta"]), texts, texts, numbers, numbers)
cursors_of_any_kind = st.builds(
    Cursor,
    tenant_id=st.uuids(),
    device_id=st.uuids(),
    schema_version=numbers,
    epoch=st.uuids(),
    position=numbers,
    nonce=st.uuids(),
    removals=numbers,
    removals_nonce=st.uuids(),
    highest_n=numbers,
    subscription_set=texts,
    walks=st.lists(walks, max_size=12).map(tuple),
    newest=st.none() | st.tuples(numbers, st.uuids()),
    again_since=st.none() | numbers,
)


def read(token: str, *, key: bytes = KEY, tenant_id: UUID = TENANT, device_id: UUID = DEVICE) -> Cursor:
    return decode(token, key, tenant_id=tenant_id, device_id=device_id)


def signed(body: bytes) -> str:
    """A token with a true MAC over any body."""
    mac = cursors._mac(body, KEY, TENANT, DEVICE)
    return urlsafe_b64encode(body + mac).rstrip(b"=").decode()


class TestToken:
    @settings(deadline=None, max_examples=100)
    @given(cursors_of_any_kind)
    def test_gives_back_its_cursor(self, cursor: Cursor) -> None:
        token = encode(cursor, KEY)

        assert read(token, tenant_id=cursor.tenant_id, device_id=cursor.device_id) == cursor

    def test_of_the_first_release_is_still_read(self) -> None:
        zeros = "0" * 32
        body = b"\x01" + json.dumps([3, zeros, 17, zeros, 16, zeros, 41, "set-1", []]).encode()

        cursor = read(signed(body))

        assert (cursor.position, cursor.newest, cursor.again_since) == (17, None, None)

    def test_has_nothing_in_it_but_its_parts(self) -> None:
        body = cursors._from_text(encode(replace(PLAIN, subscription_set="서울"), KEY))[: -cursors.MAC_BYTES]

        assert b" " not in body
        assert "서울".encode() in body

    @pytest.mark.parametrize("size", [cursors.COMPRESSED_FROM - 1, cursors.COMPRESSED_FROM])
    def test_is_packed_from_a_length_on(self, size: int) -> None:
        empty = (
            len(cursors._from_text(encode(replace(PLAIN, subscription_set=""), KEY))) - cursors.MAC_BYTES - 1
        )
        token = encode(replace(PLAIN, subscription_set="s" * (size - empty)), KEY)

        is_packed = cursors._from_text(token)[:1] == cursors.COMPRESSED
        assert is_packed is (size == cursors.COMPRESSED_FROM)

    def test_is_safe_in_a_url(self) -> None:
        assert encode(LONG, KEY).replace("-", "a").replace("_", "a").isalnum()

    def test_is_packed_when_it_is_long(self) -> None:
        assert len(encode(LONG, KEY)) < 2 * len(encode(PLAIN, KEY))

    @pytest.mark.parametrize("cursor", [PLAIN, LONG])
    def test_with_any_bit_flipped_is_refused(self, cursor: Cursor) -> None:
        token = encode(cursor, KEY).encode()

        for at in range(len(token)):
            for bit in range(8):
                flipped = token[:at] + bytes([token[at] ^ 1 << bit]) + token[at + 1 :]
                with pytest.raises(CursorInvalid):
                    read(flipped.decode("latin-1"))

    @pytest.mark.parametrize("cursor", [PLAIN, LONG])
    def test_cut_anywhere_is_refused(self, cursor: Cursor) -> None:
        token = encode(cursor, KEY)

        for length in range(len(token)):
            with pytest.raises(CursorInvalid):
                read(token[:length])

    @pytest.mark.parametrize("other", [{"tenant_id": uuid4()}, {"device_id": uuid4()}, {"key": b"x" * 32}])
    def test_of_another_tenant_device_or_server_is_refused(self, other: dict[str, Any]) -> None:
        with pytest.raises(CursorInvalid) as refusal:
            read(encode(PLAIN, KEY), **other)

        assert refusal.value.code == "cursor_invalid"

    @pytest.mark.parametrize(
        "token", ["", "a", "AAAA", "%", "no cursor", "é" * 60, "Ａ" * 60, "A" * (LONGEST_TOKEN + 1), None, 7]
    )
    def test_that_is_none_is_refused(self, token: Any) -> None:
        with pytest.raises(CursorInvalid):
            read(token)

    @pytest.mark.parametrize(
        ("token", "why"),
        [
            (7, "the cursor is no token"),
            ("A", "the cursor is no token"),
            ("AAAA", "the cursor is no token"),
            (urlsafe_b64encode(b"m" * cursors.MAC_BYTES).rstrip(b"=").decode(), "the cursor is no token"),
            ("A" * 64, "the cursor is not of this server and device"),
            (signed(b"\x01[]"), "the cursor is of another format"),
            (
                signed(b"\x01" + json.dumps([3, "0" * 32, -1, "0" * 32, 1, "0" * 32, 1, "", []]).encode()),
                "the cursor is of another format",
            ),
        ],
    )
    def test_that_is_refused_tells_the_log_why(self, token: Any, why: str) -> None:
        with pytest.raises(CursorInvalid) as refusal:
            read(token)

        assert str(refusal.value) == why

    def test_may_be_as_long_as_the_longest(self) -> None:
        with pytest.raises(CursorInvalid, match="not of this server"):
            read("A" * LONGEST_TOKEN)

    def test_above_the_longest_is_not_even_unpacked(self) -> None:
        with pytest.raises(CursorInvalid, match="no token"):
            read("A" * (LONGEST_TOKEN + 4))

    @pytest.mark.parametrize("tail", ["=", "\n", " ", "!"])
    def test_has_only_one_spelling(self, tail: str) -> None:
        with pytest.raises(CursorInvalid):
            read(encode(PLAIN, KEY) + tail)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\x09[]",
            b"\x01[]",
            b"\x01not json",
            b"\x01\xff",
            b"\x01" + json.dumps([3, 7, 1, "", 1, "", 1, "", []]).encode(),
            b"\x01" + json.dumps([3, "0" * 32, -1, "0" * 32, 1, "0" * 32, 1, "", []]).encode(),
            b"\x01" + json.dumps([3, "0" * 32, 1, "0" * 32, 1, "0" * 32, 1, "", [["gain"]]]).encode(),
            b"\x02not packed",
            b"\x02" + zlib.compress(b"{}"),
        ],
    )
    def test_of_another_format_is_refused_even_with_a_true_mac(self, body: bytes) -> None:
        with pytest.raises(CursorInvalid):
            read(signed(body))


class TestEncoding:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"position": -1},
            {"removals": -1},
            {"highest_n": -1},
            {"schema_version": True},
            {"subscription_set": None},
            {"again_since": -1},
            {"newest": (-1, UUID(int=6))},
            {"walks": (replace(WALK, at=-1),)},
            {"position": -1, "walks": (WALK,)},
            {"walks": (replace(WALK, bucket=None),)},
            {"walks": (replace(WALK, kind="lost"),)},
        ],
    )
    def test_refuses_what_no_cursor_holds(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="cannot hold"):
            encode(replace(PLAIN, **wrong), KEY)

    def test_refuses_a_token_that_could_not_be_read(self) -> None:
        walks = tuple(Walk("gain", f"territory:{uuid4()}", "all", 1, 2) for _ in range(3000))

        with pytest.raises(ValueError, match="too long"):
            encode(replace(PLAIN, walks=walks), KEY)

    def test_finds_room_for_a_thousand_walks(self) -> None:
        walks = tuple(Walk("gain", f"territory:{uuid4()}", "all", at, 10**9 + at) for at in range(1000))
        many = replace(PLAIN, walks=walks)

        assert read(encode(many, KEY)) == many
