"""Tenants, org units, people with their devices and sessions, territories with their members."""

import enum
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, Currency, SyncedRow, TenantRow
from app.core.ids import new_id
from app.core.scope import Role

LIVE = text("deleted_at IS NULL")


class UnitKind(enum.StrEnum):
    """Level of an org unit."""

    HQ = "hq"
    REGION = "region"
    BRANCH = "branch"


class UserStatus(enum.StrEnum):
    """Disabled people keep their history and lose every session."""

    ACTIVE = "active"
    DISABLED = "disabled"


class MemberKind(enum.StrEnum):
    """Why a person works a territory: it is theirs, they stand in, or they serve it beside its owner."""

    OWNER = "owner"
    BACKUP = "backup"
    OVERLAY = "overlay"


class DelegatedWork(enum.StrEnum):
    """What one person lets another do in their place."""

    APPROVALS = "approvals"
    TERRITORIES = "territories"


def refers(column: str, table: str) -> ForeignKeyConstraint:
    """A reference inside the tenant, checked at commit so that rows of one push may come in any order."""
    return ForeignKeyConstraint(
        ("tenant_id", column), (f"{table}.tenant_id", f"{table}.id"), deferrable=True, initially="DEFERRED"
    )


class Tenant(Base):
    """One company. Nothing ever crosses it."""

    __tablename__ = "tenants"
    __table_args__ = (UniqueConstraint("code"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str]
    name: Mapped[str]
    locale: Mapped[str] = mapped_column(default="ko", server_default="ko")
    time_zone: Mapped[str] = mapped_column(default="Asia/Seoul", server_default="Asia/Seoul")
    currency: Mapped[str] = mapped_column(Currency, default="KRW", server_default="KRW")
    # Said once, when the company is opened; the database refuses any change.
    sandbox: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime]


class OrgUnit(SyncedRow, Base):
    """A part of the company: head office, region or branch. Empty settings are the parent's."""

    __tablename__ = "org_units"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id",), ("tenants.id",)),
        refers("parent_id", "org_units"),
        Index(None, "tenant_id", "parent_id"),
        Index("uq_org_units_tenant_id_code", "tenant_id", "code", unique=True, postgresql_where=LIVE),
    )

    parent_id: Mapped[UUID | None]
    kind: Mapped[UnitKind]
    code: Mapped[str]
    name: Mapped[str]
    currency: Mapped[str | None] = mapped_column(Currency)
    time_zone: Mapped[str | None]
    locale: Mapped[str | None]


class User(SyncedRow, Base):
    """A person, or an integration that acts under its own name.

    The password columns never reach the ledger or the feed, and are loaded only when asked for.
    """

    __tablename__ = "users"
    __table_args__ = (
        ForeignKeyConstraint(("tenant_id",), ("tenants.id",)),
        refers("org_unit_id", "org_units"),
        refers("manager_id", "users"),
        UniqueConstraint("tenant_id", "login"),
        Index(None, "tenant_id", "org_unit_id"),
        Index(None, "tenant_id", "manager_id"),
    )

    login: Mapped[str]
    name: Mapped[str]
    role: Mapped[Role]
    org_unit_id: Mapped[UUID | None]
    manager_id: Mapped[UUID | None]
    locale: Mapped[str] = mapped_column(default="ko", server_default="ko")
    time_zone: Mapped[str] = mapped_column(default="Asia/Seoul", server_default="Asia/Seoul")
    status: Mapped[UserStatus] = mapped_column(default=UserStatus.ACTIVE, server_default="active")
    password_hash: Mapped[str | None] = mapped_column(deferred=True)
    password_changed_at: Mapped[datetime | None] = mapped_column(deferred=True)
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


PERMISSION_SETS: Final = {
    "dispatch": "배차",
    "knowledge_editor": "지식 편집",
    "marketing": "마케팅",
    "privacy_officer": "개인정보 보호책임자",
}
"""What the product knows to ask for, with names; a company may have more."""


class PermissionSet(TenantRow, Base):
    """What a person may do beyond their role, as ``dispatch`` or ``privacy_officer``."""

    __tablename__ = "permission_sets"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    code: Mapped[str]
    name: Mapped[str]


class UserPermissionSet(TenantRow, Base):
    """A permission set that a person holds."""

    __tablename__ = "user_permission_sets"
    __table_args__ = (
        refers("user_id", "users"),
        refers("permission_set_id", "permission_sets"),
        UniqueConstraint("tenant_id", "user_id", "permission_set_id"),
        Index(None, "tenant_id", "permission_set_id"),
    )

    user_id: Mapped[UUID]
    permission_set_id: Mapped[UUID]


class Device(TenantRow, Base):
    """One installed app of one user. Its id is minted here, at the first login."""

    __tablename__ = "devices"
    __table_args__ = (refers("user_id", "users"), Index(None, "tenant_id", "user_id"))

    user_id: Mapped[UUID]
    name: Mapped[str]
    platform: Mapped[str]
    app_version: Mapped[str | None]
    registered_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]
    wipe_ordered_at: Mapped[datetime | None]
    wipe_ordered_by: Mapped[UUID | None]
    wiped_at: Mapped[datetime | None]


class RefreshFamily(TenantRow, Base):
    """One session of a device: a chain of refresh tokens of which only the newest is good.

    Tokens are derived from the server's secret, the family and its generation, so that no token
    is stored and the answer to a lost refresh can be given again.
    """

    __tablename__ = "refresh_families"
    __table_args__ = (
        refers("user_id", "users"),
        refers("device_id", "devices"),
        Index(None, "tenant_id", "device_id"),
        Index(None, "tenant_id", "user_id"),
    )

    user_id: Mapped[UUID]
    device_id: Mapped[UUID]
    generation: Mapped[int] = mapped_column(default=1)
    started_at: Mapped[datetime]
    rotated_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_why: Mapped[str | None]


class LoginAttempt(TenantRow, Base):
    """A failed or unfinished try to log in, counted for the limits; removed when its login succeeds.

    The limit of an address counts failed ones only: hundreds may log in from one office at once.
    Tries at unknown tenants are kept under the nil tenant, so there is no reference to ``tenants``.
    """

    __tablename__ = "login_attempts"
    __table_args__ = (
        Index(None, "tenant_id", "login", "attempted_at"),
        Index(None, "tenant_id", "ip", "attempted_at"),
    )

    login: Mapped[str]
    ip: Mapped[str]
    attempted_at: Mapped[datetime]
    failed: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class PasswordReset(TenantRow, Base):
    """A one-time password that an administrator handed out; only its hash is kept."""

    __tablename__ = "password_resets"
    __table_args__ = (refers("user_id", "users"), Index(None, "tenant_id", "user_id"))

    user_id: Mapped[UUID]
    password_hash: Mapped[str] = mapped_column(deferred=True)
    issued_at: Mapped[datetime]
    issued_by: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Territory(SyncedRow, Base):
    """A part of the market. A tree: who manages a territory also sees what lies below it."""

    __tablename__ = "territories"
    __table_args__ = (
        refers("parent_id", "territories"),
        Index(None, "tenant_id", "parent_id"),
        Index("uq_territories_tenant_id_code", "tenant_id", "code", unique=True, postgresql_where=LIVE),
    )

    parent_id: Mapped[UUID | None]
    code: Mapped[str]
    name: Mapped[str]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]


class TerritoryMember(SyncedRow, Base):
    """A person at work in a territory, from a first to a last day (both included)."""

    __tablename__ = "territory_members"
    __table_args__ = (
        refers("territory_id", "territories"),
        refers("user_id", "users"),
        Index(None, "tenant_id", "user_id"),
        Index(
            "uq_territory_members_place",
            "tenant_id",
            "territory_id",
            "user_id",
            "kind",
            "valid_from",
            unique=True,
            postgresql_where=LIVE,
        ),
    )

    territory_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[MemberKind]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]


class Delegation(SyncedRow, Base):
    """One person stands in for another, for some kind of work, from a first to a last day (both included)."""

    __tablename__ = "delegations"
    __table_args__ = (
        refers("from_user_id", "users"),
        refers("to_user_id", "users"),
        Index(None, "tenant_id", "from_user_id"),
        Index(None, "tenant_id", "to_user_id"),
    )

    from_user_id: Mapped[UUID]
    to_user_id: Mapped[UUID]
    work: Mapped[DelegatedWork]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]


class ApiClient(TenantRow, Base):
    """Credentials of an integration; only the hash of the secret is kept."""

    __tablename__ = "api_clients"
    __table_args__ = (refers("user_id", "users"), Index(None, "tenant_id", "user_id"))

    user_id: Mapped[UUID]
    name: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(deferred=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AccessLogEntry(TenantRow, Base):
    """Who read or took whose data, when and from where. Append-only for the application."""

    __tablename__ = "access_log"
    __table_args__ = (
        Index(None, "tenant_id", "at"),
        Index(None, "tenant_id", "user_id", "at"),
        Index(None, "tenant_id", "record_id"),
    )

    at: Mapped[datetime]
    user_id: Mapped[UUID | None]
    device_id: Mapped[UUID | None]
    ip: Mapped[str | None]
    action: Mapped[str]
    entity: Mapped[str]
    record_id: Mapped[UUID | None]
    count: Mapped[int] = mapped_column(default=1)
