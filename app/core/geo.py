"""Distances on the earth and the geofence verdict of a visit."""

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

EARTH_RADIUS_M = 6_371_008.8  # mean radius R1 of the GRS 80 ellipsoid
DEFAULT_RADIUS_M = 200
WORST_ACCURACY_M = 500
FASTEST_KMH = 200


class GeoVerdict(enum.StrEnum):
    """How well a position fits the place that it should be at."""

    INSIDE = "inside"
    NEAR = "near"
    OUTSIDE = "outside"
    NO_FIX = "no_fix"
    SUSPECT = "suspect"


# Verdicts that ask the person on site for a reason; they never block.
ASK_FOR_REASON = (GeoVerdict.OUTSIDE, GeoVerdict.SUSPECT)


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the earth, in degrees (WGS 84), with the radius in metres that counts as being there."""

    lat: float
    lon: float
    radius_m: float = DEFAULT_RADIUS_M


@dataclass(frozen=True, slots=True)
class Fix:
    """One position taken by a phone: degrees, accuracy in metres, aware UTC time."""

    lat: float
    lon: float
    at: datetime
    accuracy_m: float = 0.0
    mock: bool = False


def fix_at(
    location: Sequence[float], at: datetime, *, accuracy_m: float | None = None, mock: bool | None = None
) -> Fix:
    """A fix from a stored ``[lat, lon]``; an accuracy that nobody told counts as perfect."""
    lat, lon = location
    return Fix(float(lat), float(lon), at=at, accuracy_m=accuracy_m or 0.0, mock=bool(mock))


def distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance in metres by the haversine formula (R. W. Sinnott, 1984)."""
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half_chord = (
        math.sin((phi_b - phi_a) / 2) ** 2
        + math.cos(phi_a) * math.cos(phi_b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half_chord)))


def is_suspect(fix: Fix, previous: Fix | None) -> bool:
    """Whether a fix cannot be trusted: mocked, too vague, or further from the last than anybody drives."""
    if fix.mock or fix.accuracy_m > WORST_ACCURACY_M:
        return True
    if previous is None:
        return False
    # Two vague fixes may look far apart without anybody having moved.
    travelled_m = (
        distance_m(previous.lat, previous.lon, fix.lat, fix.lon) - previous.accuracy_m - fix.accuracy_m
    )
    elapsed_s = abs((fix.at - previous.at).total_seconds())
    return travelled_m > FASTEST_KMH / 3.6 * elapsed_s


def verdict_of(
    place: Place | None, fix: Fix | None, previous: Fix | None = None
) -> tuple[GeoVerdict, float | None]:
    """Judge a fix against the place where it should be (product rule 3).

    Args:
        place: Where the person should be; None when nobody has located it yet.
        fix: The position taken; None when the phone had none or may not give it.
        previous: The same person's fix before.

    Returns:
        The verdict and the distance in metres, None without a place or a fix. A fix at an
        unlocated place is ``no_fix``: there is nothing to compare it with.
    """
    away_m = None if place is None or fix is None else distance_m(place.lat, place.lon, fix.lat, fix.lon)
    if fix is None:
        return GeoVerdict.NO_FIX, None
    if is_suspect(fix, previous):
        return GeoVerdict.SUSPECT, away_m
    if place is None or away_m is None:
        return GeoVerdict.NO_FIX, None
    beyond_m = away_m - fix.accuracy_m
    if beyond_m <= place.radius_m:
        return GeoVerdict.INSIDE, away_m
    return (GeoVerdict.NEAR if beyond_m <= 2 * place.radius_m else GeoVerdict.OUTSIDE), away_m
