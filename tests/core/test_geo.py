"""Distances and the geofence verdict."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.geo import Fix, GeoVerdict, Place, distance_m, verdict_of

AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HALL = Place(37.5663, 126.9779, radius_m=200)
METRE = 1 / 111_195.08  # of latitude, in degrees


def fix(metres_north: float, **values: object) -> Fix:
    return Fix(HALL.lat + metres_north * METRE, HALL.lon, **{"at": AT, **values})  # type: ignore[arg-type]


class TestDistance:
    def test_from_seoul_to_busan_is_325_km(self) -> None:
        assert distance_m(37.5665, 126.9780, 35.1796, 129.0756) == pytest.approx(325_100, rel=0.001)

    def test_is_zero_at_the_same_place(self) -> None:
        assert distance_m(37.5, 127.0, 37.5, 127.0) == 0

    def test_crosses_the_date_line_the_short_way(self) -> None:
        assert distance_m(0, 179.9, 0, -179.9) == pytest.approx(22_239, rel=0.001)

    def test_of_opposite_points_is_half_the_way_around(self) -> None:
        assert distance_m(0, 0, 0, 180) == pytest.approx(20_015_115, rel=0.001)


class TestVerdict:
    @pytest.mark.parametrize(
        ("metres", "accuracy_m", "verdict"),
        [
            (0, 0, GeoVerdict.INSIDE),
            (199, 0, GeoVerdict.INSIDE),
            (201, 0, GeoVerdict.NEAR),
            (249, 50, GeoVerdict.INSIDE),
            (399, 0, GeoVerdict.NEAR),
            (401, 0, GeoVerdict.OUTSIDE),
            (449, 50, GeoVerdict.NEAR),
            (451, 50, GeoVerdict.OUTSIDE),
            (690, 500, GeoVerdict.INSIDE),
            (10, 501, GeoVerdict.SUSPECT),
        ],
    )
    def test_weighs_distance_less_accuracy_against_the_radius(
        self, metres: float, accuracy_m: float, verdict: GeoVerdict
    ) -> None:
        assert verdict_of(HALL, fix(metres, accuracy_m=accuracy_m))[0] is verdict

    def test_is_no_fix_without_a_position(self) -> None:
        assert verdict_of(HALL, None) == (GeoVerdict.NO_FIX, None)

    def test_is_no_fix_at_an_unlocated_place(self) -> None:
        assert verdict_of(None, fix(0)) == (GeoVerdict.NO_FIX, None)

    def test_suspects_a_mocked_position_even_on_the_spot(self) -> None:
        assert verdict_of(HALL, fix(0, mock=True))[0] is GeoVerdict.SUSPECT

    def test_tells_the_distance_of_a_suspect_position_too(self) -> None:
        assert verdict_of(HALL, fix(1_000, mock=True))[1] == pytest.approx(1_000, rel=0.001)

    @pytest.mark.parametrize(
        ("kilometres", "minutes", "verdict"),
        [(190, 60, GeoVerdict.INSIDE), (210, 60, GeoVerdict.SUSPECT), (1, 0, GeoVerdict.SUSPECT)],
    )
    def test_suspects_who_travelled_faster_than_200_km_per_hour(
        self, kilometres: float, minutes: float, verdict: GeoVerdict
    ) -> None:
        before = fix(kilometres * 1000, at=AT - timedelta(minutes=minutes))
        assert verdict_of(HALL, fix(0), before)[0] is verdict

    def test_does_not_take_two_vague_positions_for_a_journey(self) -> None:
        before = fix(300, at=AT - timedelta(seconds=1), accuracy_m=200)
        assert verdict_of(HALL, fix(0, accuracy_m=150), before)[0] is GeoVerdict.INSIDE
