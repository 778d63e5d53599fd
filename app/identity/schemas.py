"""Identity on the wire."""

import enum
from typing import Any

from app.core.scope import Role, ShapeClass
from app.http.fields import (
    Boolean,
    Choice,
    Currency,
    Day,
    Id,
    Integer,
    ListOf,
    Nested,
    Text,
    Texts,
    Time,
    WireSchema,
)
from app.http.paging import PageQuery, page_of
from app.identity.models import DelegatedWork, MemberKind, UnitKind, UserStatus

MAX_NAME = 200
MAX_CODE = 40


class Locale(enum.StrEnum):
    """Languages of messages."""

    KO = "ko"
    EN = "en"


def zone(**kwargs: Any) -> Text:
    """A time zone by its IANA name; whether it exists is the service's question."""
    return Text(max=60, blank=False, metadata={"example": "Asia/Seoul"}, **kwargs)


def secret(name: str, **kwargs: Any) -> Text:
    """A text that is never shown as an example of a real one."""
    return Text(max=200, min=1, metadata={"example": name, "format": "password"}, **kwargs)


class DeviceInfoSchema(WireSchema):
    """The phone that logs in; ``id`` is the one that an earlier login gave it, if any."""

    id = Id(allow_none=True)
    name = Text(max=MAX_NAME, blank=False, required=True, metadata={"example": "Galaxy of Kim"})
    platform = Text(max=40, blank=False, required=True, metadata={"example": "android"})
    app_version = Text(max=40, allow_none=True, metadata={"example": "1.4.0"})


class LoginSchema(WireSchema):
    """Who wants in."""

    tenant = Text(max=MAX_CODE, blank=False, required=True, metadata={"example": "demo"})
    login = Text(max=MAX_NAME, blank=False, required=True, metadata={"example": "rep1"})
    password = secret("correct horse battery", required=True)
    device = Nested(DeviceInfoSchema, required=True)


class RefreshSchema(WireSchema):
    """The token that buys its successor."""

    refresh_token = Text(max=300, required=True, metadata={"example": "fmr1.AZMsXo8A…"})
    app_version = Text(max=40, allow_none=True, metadata={"example": "1.4.1"})


class TokensSchema(WireSchema):
    """A session: an access token for 15 minutes, and the refresh token for the next one.

    With ``farewell`` the access token is good for nothing but ``POST /sync``: to hand in what was not sent,
    and to tell that the device wiped itself.
    """

    access_token = Text(max=2_000, metadata={"example": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9…"})
    token_type = Text(max=10, metadata={"example": "Bearer"})
    expires_in = Integer(metadata={"example": 900, "description": "Seconds that the access token lives"})
    refresh_token = Text(max=300, metadata={"example": "fmr1.AZMsXo8A…"})
    refresh_expires_at = Time()
    tenant_id = Id()
    user_id = Id()
    device_id = Id()
    must_change_password = Boolean(metadata={"example": False})
    farewell = Boolean(
        metadata={"example": False, "description": "The person was dismissed or the device locked out"}
    )


class PasswordChangeSchema(WireSchema):
    """The present password and the one to come."""

    current_password = secret("correct horse battery", required=True)
    new_password = secret("staple battery horse", required=True)


class TenantSchema(WireSchema):
    """The company."""

    id = Id()
    code = Text(max=MAX_CODE, metadata={"example": "demo"})
    name = Text(max=MAX_NAME, metadata={"example": "Hanbit Energy"})
    locale = Choice(Locale)
    time_zone = zone()
    currency = Currency()


class DeviceSchema(WireSchema):
    """One installed app of one person."""

    id = Id()
    user_id = Id()
    name = Text(max=MAX_NAME, metadata={"example": "Galaxy of Kim"})
    platform = Text(max=40, metadata={"example": "android"})
    app_version = Text(max=40, allow_none=True, metadata={"example": "1.4.0"})
    registered_at = Time()
    last_seen_at = Time()
    revoked_at = Time(allow_none=True, metadata={"example": None})
    wipe_ordered_at = Time(allow_none=True, metadata={"example": None})
    wiped_at = Time(allow_none=True, metadata={"example": None, "description": "Told by the device"})


class UserSchema(WireSchema):
    """A person."""

    id = Id()
    version = Integer(dump_only=True)
    login = Text(max=100, blank=False, nfc=True, required=True, metadata={"example": "rep1"})
    name = Text(max=MAX_NAME, blank=False, nfc=True, required=True, metadata={"example": "김민지"})
    role = Choice(Role, required=True)
    org_unit_id = Id(allow_none=True)
    manager_id = Id(allow_none=True)
    locale = Choice(Locale)
    time_zone = zone()
    status = Choice(UserStatus)


class NewUserSchema(UserSchema):
    """A person to take in. Without a password they need a one-time password to log in."""

    status = Choice(UserStatus, dump_only=True)
    password = secret("correct horse battery", load_only=True)


class UserQuery(PageQuery):
    """Which people."""

    role = Choice(Role)
    status = Choice(UserStatus)
    org_unit_id = Id()
    manager_id = Id()


class MeSchema(WireSchema):
    """Who is logged in, and what they may do at this moment."""

    user = Nested(UserSchema)
    tenant = Nested(TenantSchema)
    device_id = Id(allow_none=True)
    shape = Choice(ShapeClass)
    permissions = Texts(metadata={"example": ["dispatch"]})
    territory_ids = ListOf(Id(), max_items=100_000)
    unit_ids = ListOf(Id(), max_items=100_000)
    must_change_password = Boolean(metadata={"example": False})


class OneTimePasswordSchema(WireSchema):
    """Buys one login, at which the person chooses their own password. It is shown only here."""

    user_id = Id()
    login = Text(max=100, metadata={"example": "rep1"})
    password = Text(max=40, metadata={"example": "k7fm-2qwa-xn4t-9hpe"})
    expires_at = Time()


class PermissionSetSchema(WireSchema):
    """Something that a person may do beyond their role."""

    id = Id()
    code = Text(max=MAX_CODE, metadata={"example": "dispatch"})
    name = Text(max=MAX_NAME, metadata={"example": "Dispatch"})


class PermissionsSchema(WireSchema):
    """The permission sets that a person holds, by code."""

    codes = Texts(max=MAX_CODE, required=True, metadata={"example": ["dispatch"]})


class OrgUnitSchema(WireSchema):
    """A part of the company."""

    id = Id()
    version = Integer(dump_only=True)
    parent_id = Id(allow_none=True)
    kind = Choice(UnitKind, required=True)
    code = Text(max=MAX_CODE, blank=False, required=True, metadata={"example": "SEOUL"})
    name = Text(max=MAX_NAME, blank=False, nfc=True, required=True, metadata={"example": "서울지사"})
    currency = Currency(allow_none=True)
    time_zone = zone(allow_none=True)
    locale = Choice(Locale, allow_none=True)


class TreeQuery(PageQuery):
    """Which part of a tree."""

    parent_id = Id()


class TerritorySchema(WireSchema):
    """A part of the market."""

    id = Id()
    version = Integer(dump_only=True)
    code = Text(max=MAX_CODE, blank=False, required=True, metadata={"example": "11-GANGNAM"})
    name = Text(max=MAX_NAME, blank=False, nfc=True, required=True, metadata={"example": "강남"})
    parent_id = Id(allow_none=True)
    valid_from = Day(allow_none=True, metadata={"example": "2026-01-01"})
    valid_to = Day(allow_none=True, metadata={"example": None})


class TerritoryMemberSchema(WireSchema):
    """A person at work in a territory; both days are included."""

    id = Id()
    version = Integer(dump_only=True)
    territory_id = Id(dump_only=True)
    user_id = Id(required=True)
    kind = Choice(MemberKind, required=True)
    valid_from = Day(required=True, metadata={"example": "2026-01-01"})
    valid_to = Day(allow_none=True, metadata={"example": None})


class DelegationSchema(WireSchema):
    """One person stands in for another; both days are included, without a last one until it is taken back."""

    id = Id()
    version = Integer(dump_only=True)
    from_user_id = Id(metadata={"description": "Yourself if left out"})
    to_user_id = Id(required=True)
    work = Choice(DelegatedWork, required=True)
    valid_from = Day(required=True, metadata={"example": "2026-12-01"})
    valid_to = Day(allow_none=True, metadata={"example": "2026-12-14"})


class DelegationQuery(PageQuery):
    """Whose delegations: from them or to them."""

    user_id = Id()


UserPatchSchema = UserSchema(partial=True, dump_only=("id", "version"))
OrgUnitPatchSchema = OrgUnitSchema(partial=True, dump_only=("id", "version"))
TerritoryPatchSchema = TerritorySchema(partial=True, dump_only=("id", "version"))
TerritoryMemberPatchSchema = TerritoryMemberSchema(
    partial=True, dump_only=("id", "version", "territory_id", "user_id")
)

DelegationPatchSchema = DelegationSchema(
    partial=True, dump_only=("id", "version", "from_user_id", "to_user_id", "work")
)

UserPageSchema = page_of(UserSchema)
PermissionSetPageSchema = page_of(PermissionSetSchema)
OrgUnitPageSchema = page_of(OrgUnitSchema)
TerritoryPageSchema = page_of(TerritorySchema)
TerritoryMemberPageSchema = page_of(TerritoryMemberSchema)
DelegationPageSchema = page_of(DelegationSchema)
