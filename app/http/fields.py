"""Strict wire fields: each refuses what it would otherwise have to guess. The error text IS the code."""

import enum
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import marshmallow as ma
from marshmallow import ValidationError, types

from app.core.business_numbers import BusinessNumberInvalid, parse_business_number
from app.core.phones import PhoneInvalid, parse_phone
from sync.values import whole

INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)
FIRST_YEAR = 1900
MAX_JSON_DEPTH = 32

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")

# What the fields and schemas of this package may say, besides the codes of the errors in the rooms.
FIELD_CODES = (
    "blank",
    "business_number_invalid",
    "char_not_allowed",
    "choice_unknown",
    "currency_invalid",
    "date_invalid",
    "decimal_invalid",
    "duplicate_item",
    "id_invalid",
    "id_not_canonical",
    "json_too_deep",
    "null_not_allowed",
    "phone_invalid",
    "read_only_field",
    "required",
    "timestamp_invalid",
    "too_few_items",
    "too_long",
    "too_many_decimals",
    "too_many_items",
    "too_short",
    "type_mismatch",
    "unknown_field",
    "value_invalid",
    "value_out_of_range",
)


class WireField(ma.fields.Field[Any]):
    """A field that says its own OpenAPI type and example.

    ``textual`` is set for fields of a query string, where every value arrives as text.
    """

    default_error_messages: types.ErrorMessages = {  # noqa: RUF012  (as marshmallow declares it)
        "required": "required",
        "null": "null_not_allowed",
        "validator_failed": "value_invalid",
        "type": "type_mismatch",
    }
    textual = False

    def read(self, value: Any) -> Any:
        """The typed value of what was sent (never null).

        Raises:
            ValidationError: Its text is the code.
        """
        return value

    def write(self, value: Any) -> Any:
        """The JSON form of a value (never None)."""
        return value

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_: Any) -> Any:
        return self.read(value)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **_: Any) -> Any:
        return None if value is None else self.write(value)

    def openapi(self) -> dict[str, Any]:
        """The JSON Schema of the values, without nullability."""
        return {}

    def example(self) -> Any:
        """A valid value; ``metadata={"example": …}`` is preferred over it."""
        return None


class Text(WireField):
    """Unicode text without NUL and lone surrogates, as sent (or in NFC).

    Args:
        max: Longest length, in code points.
        min: Shortest length.
        blank: Whether the text may be empty or nothing but white space.
        nfc: Store composed (names, addresses), so that equal texts are equal bytes.
        pattern: A regular expression that the whole text must match (``value_invalid``).
    """

    def __init__(
        self,
        *,
        max: int,
        min: int = 0,
        blank: bool = True,
        nfc: bool = False,
        pattern: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max = max
        self.min = min
        self.blank = blank
        self.nfc = nfc
        self.pattern = pattern

    def read(self, value: Any) -> str:
        text = clean_text(value)
        if self.nfc:
            text = unicodedata.normalize("NFC", text)
        if len(text) > self.max:
            raise ValidationError("too_long")
        if len(text) < self.min:
            raise ValidationError("too_short")
        if not self.blank and not text.strip():
            raise ValidationError("blank")
        if self.pattern and not re.fullmatch(self.pattern, text):
            raise ValidationError("value_invalid")
        return text

    def openapi(self) -> dict[str, Any]:
        shortest = self.min or (0 if self.blank else 1)
        found: dict[str, Any] = {"type": "string", "maxLength": self.max}
        if shortest:
            found["minLength"] = shortest
        if self.pattern:
            found["pattern"] = f"^(?:{self.pattern})$"
        return found

    def example(self) -> Any:
        return "text"[: self.max]


def clean_text(value: Any) -> str:
    """The value itself, when it is text that PostgreSQL can store.

    Raises:
        ValidationError: ``type_mismatch`` or ``char_not_allowed`` (NUL, lone surrogate).
    """
    if type(value) is not str:
        raise ValidationError("type_mismatch")
    if "\x00" in value:
        raise ValidationError("char_not_allowed")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValidationError("char_not_allowed") from None
    return value


class Integer(WireField):
    """A whole number; no text, no fraction, no boolean. Within int32 unless *min* and *max* say otherwise.

    JSON makes no difference between 1 and 1.0, and some writers know floats only.
    """

    def __init__(
        self,
        *,
        min: int = INT32[0],
        max: int = INT32[1],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min = min
        self.max = max

    def read(self, value: Any) -> int:
        if self.textual and isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        value = whole(value)
        if type(value) is not int:
            raise ValidationError("type_mismatch")
        if not self.min <= value <= self.max:
            raise ValidationError("value_out_of_range")
        return value

    def openapi(self) -> dict[str, Any]:
        small = self.min >= INT32[0] and self.max <= INT32[1]
        found: dict[str, Any] = {"type": "integer", "format": "int32" if small else "int64"}
        if self.min > INT32[0]:
            found["minimum"] = self.min
        if self.max not in (INT32[1], INT64[1]):
            found["maximum"] = self.max
        return found

    def example(self) -> Any:
        return max(self.min, 1) if self.max >= 1 else self.max


class Boolean(WireField):
    """``true`` or ``false``; not 0, 1 or "yes"."""

    def read(self, value: Any) -> bool:
        if self.textual and value in ("true", "false"):
            return bool(value == "true")
        if type(value) is not bool:
            raise ValidationError("type_mismatch")
        return value

    def openapi(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def example(self) -> Any:
        return True


class Float(WireField):
    """A finite JSON number that is a measure (accuracy, distance), never money.

    Dumped as PostgreSQL's ``to_json`` writes it: integral values without a fraction.
    """

    def __init__(self, *, min: float, max: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min = min
        self.max = max

    def read(self, value: Any) -> float:
        return finite(value, self.min, self.max)

    def write(self, value: Any) -> Any:
        return plain_number(value)

    def openapi(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.min, "maximum": self.max}

    def example(self) -> Any:
        return plain_number((self.min + self.max) / 2)


def finite(value: Any, least: float, most: float) -> float:
    """The number as a float within its limits; booleans, texts and NaN are refused."""
    if type(value) not in (int, float):
        raise ValidationError("type_mismatch")
    if not least <= value <= most:
        raise ValidationError("value_out_of_range")
    return float(value) + 0.0  # -0.0 becomes 0.0


def plain_number(value: float) -> int | float:
    """Integral floats as integers, as PostgreSQL's text form of float8 has them."""
    return int(value) if math.isfinite(value) and value == int(value) else value


class DecimalText(WireField):
    """A decimal number as text, so that no float ever touches it."""

    places: ClassVar[int]
    digits = 18
    sample: ClassVar[str]

    def __init__(
        self,
        *,
        min: Decimal | int | str | None = None,
        max: Decimal | int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.min = None if min is None else Decimal(min)
        self.max = None if max is None else Decimal(max)

    def read(self, value: Any) -> Decimal:
        if type(value) is not str:
            raise ValidationError("type_mismatch")
        found = _DECIMAL.fullmatch(value) if len(value) <= 100 else None
        if found is None:
            raise ValidationError("decimal_invalid")
        whole, fraction = found.groups()
        if len(fraction or "") > self.places:
            raise ValidationError("too_many_decimals")
        if len(whole) > self.digits - self.places:
            raise ValidationError("value_out_of_range")
        number = Decimal(value) + 0  # -0 becomes 0
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            raise ValidationError("value_out_of_range")
        return number

    def write(self, value: Any) -> Any:
        return f"{value:.{self.places}f}"

    def openapi(self) -> dict[str, Any]:
        whole = self.digits - self.places
        sign = "" if self.min is not None and self.min >= 0 else "-?"
        return {
            "type": "string",
            "format": "decimal",
            "pattern": rf"^{sign}(0|[1-9][0-9]{{0,{whole - 1}}})(\.[0-9]{{1,{self.places}}})?$",
        }

    def example(self) -> Any:
        return self.sample


class Money(DecimalText):
    """An amount, NUMERIC(18,4), as text: ``"1200.5000"``."""

    places = 4
    sample = "1200.5000"


class Quantity(DecimalText):
    """An amount of goods, NUMERIC(18,6), as text: ``"12.500000"``."""

    places = 6
    sample = "12.500000"


class Rate(DecimalText):
    """What one of a currency is worth in another, NUMERIC(20,10), as text: ``"1412.3450000000"``."""

    places = 10
    digits = 20
    sample = "1412.3450000000"


class Id(WireField):
    """A UUID in canonical form: lower case, hyphens, not nil."""

    def read(self, value: Any) -> UUID:
        if type(value) is not str:
            raise ValidationError("type_mismatch")
        try:
            found = UUID(value)
        except ValueError:
            raise ValidationError("id_invalid") from None
        if found.int == 0:
            raise ValidationError("id_invalid")
        if str(found) != value:
            raise ValidationError("id_not_canonical")
        return found

    def write(self, value: Any) -> Any:
        return str(value)

    def openapi(self) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}

    def example(self) -> Any:
        return "01932c5e-8f00-7a3b-9c1d-2e4f5a6b7c8d"


class Time(WireField):
    """A moment, RFC 3339 with a zone; digits under a microsecond are cut off.

    Dumped in UTC with microseconds: ``2026-11-21T09:00:00.000000Z``.
    """

    def read(self, value: Any) -> datetime:
        if type(value) is not str:
            raise ValidationError("type_mismatch")
        found = _TIME.fullmatch(value)
        if found is None:
            raise ValidationError("timestamp_invalid")
        seconds, fraction, zone = found.groups()
        try:
            moment = datetime.fromisoformat(f"{seconds}.{(fraction or '0')[:6]:0<6}{zone}").astimezone(UTC)
        except (ValueError, OverflowError):  # 30 February, a leap second, past the year 9999 in UTC
            raise ValidationError("timestamp_invalid") from None
        if moment.year < FIRST_YEAR:
            raise ValidationError("value_out_of_range")
        return moment

    def write(self, value: Any) -> Any:
        return wire_time(value)

    def openapi(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}

    def example(self) -> Any:
        return "2026-11-21T09:00:00.000000Z"


def wire_time(moment: datetime) -> str:
    """An aware datetime in the one form that the wire knows."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


class Day(WireField):
    """A calendar day, ``2026-11-21``."""

    def read(self, value: Any) -> date:
        if type(value) is not str:
            raise ValidationError("type_mismatch")
        if not _DAY.fullmatch(value):
            raise ValidationError("date_invalid")
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise ValidationError("date_invalid") from None
        if day.year < FIRST_YEAR:
            raise ValidationError("value_out_of_range")
        return day

    def write(self, value: Any) -> Any:
        return value.isoformat()

    def openapi(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}

    def example(self) -> Any:
        return "2026-11-21"


class Texts(WireField):
    """A set of texts in the order sent: each once, none blank.

    Args:
        max: Longest text, in code points.
        max_items: Most texts.
    """

    def __init__(
        self,
        *,
        max: int = 100,
        max_items: int = 100,
        nfc: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.item = Text(max=max, blank=False, nfc=nfc)
        self.max_items = max_items

    @property
    def is_multiple(self) -> bool:
        """Tells webargs to take every value of a repeated query parameter."""
        return self.textual

    def read(self, value: Any) -> list[str]:
        if not isinstance(value, list):
            raise ValidationError("type_mismatch")
        if len(value) > self.max_items:
            raise ValidationError("too_many_items")
        texts = load_items(value, self.item)
        if len(set(texts)) < len(texts):
            raise ValidationError("duplicate_item")
        return texts

    def write(self, value: Any) -> Any:
        return list(value)

    def openapi(self) -> dict[str, Any]:
        return {
            "type": "array",
            "items": self.item.openapi(),
            "maxItems": self.max_items,
            "uniqueItems": True,
        }

    def example(self) -> Any:
        return ["dealer", "winter"]


def load_items(values: Sequence[Any], item: ma.fields.Field[Any]) -> list[Any]:
    """Load each value by *item*, with the errors of all of them by index."""
    loaded, errors = [], {}
    for index, value in enumerate(values):
        try:
            loaded.append(item.deserialize(value))
        except ValidationError as error:
            errors[index] = error.messages
    if errors:
        raise ValidationError(errors)
    return loaded


class Point(WireField):
    """A place as ``{"lat": …, "lon": …}``; loads to ``[lat, lon]``, as the column holds it.

    (0, 0) is refused: in the gulf of Guinea there are phones without a fix, and no customers.
    """

    def read(self, value: Any) -> list[float]:
        if not isinstance(value, dict):
            raise ValidationError("type_mismatch")
        errors: dict[str, list[str]] = {key: ["unknown_field"] for key in value if key not in ("lat", "lon")}
        errors |= {key: ["required"] for key in ("lat", "lon") if key not in value}
        point = []
        for key, most in (("lat", 90.0), ("lon", 180.0)):
            try:
                point.append(finite(value.get(key), -most, most))
            except ValidationError as error:
                errors.setdefault(key, [str(error.messages[0])])
        if errors:
            raise ValidationError(errors)
        if point == [0, 0]:
            raise ValidationError("value_out_of_range")
        return point

    def write(self, value: Any) -> Any:
        return {"lat": plain_number(value[0]), "lon": plain_number(value[1])}

    def openapi(self) -> dict[str, Any]:
        return {
            "title": "GeoPoint",
            "type": "object",
            "properties": {
                "lat": {"type": "number", "minimum": -90, "maximum": 90},
                "lon": {"type": "number", "minimum": -180, "maximum": 180},
            },
            "required": ["lat", "lon"],
            "additionalProperties": False,
        }

    def example(self) -> Any:
        return {"lat": 37.5665, "lon": 126.978}


class Choice(WireField):
    """One of the values of a StrEnum; loads to its member."""

    def __init__(self, choices: type[enum.StrEnum], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices

    def read(self, value: Any) -> enum.StrEnum:
        if type(value) is not str:
            raise ValidationError("type_mismatch")
        try:
            return self.choices(value)
        except ValueError:
            raise ValidationError("choice_unknown") from None

    def write(self, value: Any) -> Any:
        return str(value)

    def openapi(self) -> dict[str, Any]:
        return {"type": "string", "enum": [member.value for member in self.choices]}

    def example(self) -> Any:
        return next(iter(self.choices)).value


class CurrencyCode(WireField):
    """Three capital letters of ISO 4217."""

    def read(self, value: Any) -> str:
        if type(value) is not str:
            raise ValidationError("type_mismatch")
        if not _CURRENCY.fullmatch(value):
            raise ValidationError("currency_invalid")
        return value

    def openapi(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[A-Z]{3}$"}

    def example(self) -> Any:
        return "KRW"


Currency = CurrencyCode


class Phone(WireField):
    """A telephone number, as people write it in Korea or with its country code; loads to E.164."""

    def read(self, value: Any) -> str:
        text = clean_text(value)
        try:
            return parse_phone(text)
        except PhoneInvalid:
            raise ValidationError("phone_invalid") from None

    def openapi(self) -> dict[str, Any]:
        return {"type": "string", "description": "E.164 in answers"}

    def example(self) -> Any:
        return "+8225550100"


class BusinessNumber(WireField):
    """A Korean business registration number, its check digit proved; loads to ``NNN-NN-NNNNN``."""

    def read(self, value: Any) -> str:
        text = clean_text(value)
        try:
            return parse_business_number(text)
        except BusinessNumberInvalid:
            raise ValidationError("business_number_invalid") from None

    def openapi(self) -> dict[str, Any]:
        return {"type": "string"}

    def example(self) -> Any:
        return "123-45-67891"


class Json(WireField):
    """Any JSON value, at most *max* bytes, that PostgreSQL can store."""

    def __init__(self, *, max: int = 64_000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max = max

    def read(self, value: Any) -> Any:
        if _check_json(value, 0) > self.max:
            raise ValidationError("too_long")
        return value

    def example(self) -> Any:
        return {}


def _check_json(value: Any, depth: int) -> int:
    """Refuse texts that PostgreSQL cannot store; gives the rough size in bytes."""
    if depth > MAX_JSON_DEPTH:
        raise ValidationError("json_too_deep")
    if isinstance(value, str):
        return len(clean_text(value).encode()) + 2
    if isinstance(value, list):
        return 2 + sum(_check_json(item, depth + 1) + 1 for item in value)
    if isinstance(value, dict):
        return 2 + sum(
            _check_json(key, depth + 1) + _check_json(item, depth + 1) + 2 for key, item in value.items()
        )
    if value is None or isinstance(value, bool | int | float):
        return len(repr(value))
    raise ValidationError("type_mismatch")


class Nested(ma.fields.Nested):
    """One object of another schema."""

    default_error_messages = WireField.default_error_messages


class Rows(WireField):
    """A list of objects of one schema: the parts of an aggregate.

    Args:
        schema: Of a part.
        max_items: Most parts.
    """

    def __init__(self, schema: type[ma.Schema] | ma.Schema, *, max_items: int = 500, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = schema() if isinstance(schema, type) else schema
        self.max_items = max_items

    def read(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("type_mismatch")
        if len(value) > self.max_items:
            raise ValidationError("too_many_items")
        loaded: list[Any] = self.schema.load(value, many=True)
        return loaded

    def write(self, value: Any) -> Any:
        return [self.schema.dump(part) for part in value]


class ListOf(WireField):
    """A list of values of one field, as ``ListOf(Id())``."""

    def __init__(
        self,
        item: WireField,
        *,
        min_items: int = 0,
        max_items: int = 500,
        unique: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.item = item
        self.min_items = min_items
        self.max_items = max_items
        self.unique = unique

    @property
    def is_multiple(self) -> bool:
        """Tells webargs to take every value of a repeated query parameter."""
        return self.textual

    def read(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("type_mismatch")
        if len(value) > self.max_items:
            raise ValidationError("too_many_items")
        if len(value) < self.min_items:
            raise ValidationError("too_few_items")
        items = load_items(value, self.item)
        if self.unique and len(set(items)) < len(items):
            raise ValidationError("duplicate_item")
        return items

    def write(self, value: Any) -> Any:
        return [self.item.write(item) for item in value]

    def openapi(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.openapi(), "maxItems": self.max_items}

    def example(self) -> Any:
        return [self.item.metadata.get("example", self.item.example())]


class Rendered(dict[str, Any]):
    """A body that was dumped already, in the shape of its viewer; schemas pass it on as it is."""


class WireSchema(ma.Schema):
    """Base of all bodies: fields in declared order, nothing unknown, codes as error texts."""

    class Meta:
        unknown = ma.RAISE

    error_messages = {"type": "type_mismatch", "unknown": "unknown_field"}  # noqa: RUF012  (as marshmallow declares it)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Dump *obj*, unless it was rendered for its viewer before."""
        return obj if isinstance(obj, Rendered) else super().dump(obj, many=many)

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:
        """Call a field that belongs to the server by its own code."""
        found = error.messages_dict
        for messages in found.values() if many else (found,):
            for name, problems in messages.items() if isinstance(messages, dict) else ():
                field = self.fields.get(name)
                if field is not None and field.dump_only and problems == ["unknown_field"]:
                    messages[name] = ["read_only_field"]


class QuerySchema(WireSchema):
    """Base of query strings: the same fields, read from text."""

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Let numbers and booleans be written as text."""
        if isinstance(field_obj, WireField):
            field_obj.textual = True
