"""The digest: the same for the same records, in whatever order they came and went."""

import hashlib
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sync.digest import MODULUS, Digest, weight

RECORD = UUID("01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d")
records = st.dictionaries(st.uuids(), st.integers(1, 2**31 - 1), max_size=30)


def test_a_weight_is_the_first_eight_bytes_of_the_hash_of_id_and_version() -> None:
    hashed = hashlib.sha256(b"01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d:7").hexdigest()

    assert weight(RECORD, 7) == int(hashed[:16], 16)


def test_nothing_has_the_empty_digest() -> None:
    assert Digest.of([]) == Digest(0, 0)


@given(records, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(held: dict[UUID, int], random: st.DataObject) -> None:
    shuffled = list(held.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert Digest.of(shuffled) == Digest.of(held.items())


@given(records, st.uuids(), st.integers(1, 1000))
def test_what_was_added_can_be_taken_out_again(held: dict[UUID, int], more: UUID, version: int) -> None:
    digest = Digest.of(held.items())

    assert digest.plus(more, version).minus(more, version) == digest


@given(records.filter(bool), st.data())
def test_a_change_of_version_is_one_record_less_and_one_more(
    held: dict[UUID, int], data: st.DataObject
) -> None:
    changed = data.draw(st.sampled_from(sorted(held)))
    after = held | {changed: held[changed] + 1}
    kept = Digest.of(held.items()).minus(changed, held[changed]).plus(changed, held[changed] + 1)

    assert kept == Digest.of(after.items())
    assert kept != Digest.of(held.items())


@given(records)
def test_signed_and_unsigned_sums_are_the_same_digest(held: dict[UUID, int]) -> None:
    weights = [weight(*one) for one in held.items()]
    signed = sum(w - MODULUS if w >= MODULUS // 2 else w for w in weights)

    assert (
        Digest.counted(len(held), signed)
        == Digest.counted(len(held), sum(weights))
        == Digest.of(held.items())
    )


@given(records)
def test_the_sum_is_text_below_two_to_the_64(held: dict[UUID, int]) -> None:
    wire = Digest.of(held.items()).to_wire()

    assert wire["count"] == len(held)
    assert 0 <= int(str(wire["sum"])) < 1 << 64
