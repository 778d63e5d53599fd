"""Taking in many people from a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.errors import DomainError
from app.core.scope import Actor, Role
from app.identity.models import MemberKind, OrgUnit, Territory, TerritoryMember, User
from app.identity.service.errors import ColumnsUnknown, RowInvalid
from app.identity.service.logins import normal_login
from app.identity.service.office import require_admin
from app.identity.service.people import OneTimePassword, create_user, issue_one_time_password, update_user
from app.identity.service.tenants import tenant_day
from app.identity.service.territories import add_member

REQUIRED = ("login", "name", "role")
OPTIONAL = ("org_unit", "manager", "territories", "locale", "time_zone")
PLAIN = ("name", "locale", "time_zone")


@dataclass(slots=True)
class StaffImport:
    """What came of a list: counts, the rows that were refused with their reasons, passwords to hand out."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    passwords: list[OneTimePassword] = field(default_factory=list)

    def add(self, other: "StaffImport") -> None:
        """Count the outcome of another batch of the same list."""
        self.created += other.created
        self.updated += other.updated
        self.unchanged += other.unchanged
        self.rejected += other.rejected
        self.passwords += other.passwords


def read_staff_list(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV with their line numbers, cells trimmed.

    Raises:
        ColumnsUnknown: A required column is missing, or one is not known.
    """
    reader = csv.DictReader(lines)
    columns = set(reader.fieldnames or ())
    missing, unknown = set(REQUIRED) - columns, columns - {*REQUIRED, *OPTIONAL}
    if missing or unknown:
        raise ColumnsUnknown(
            f"The columns are {', '.join(REQUIRED)} and optionally {', '.join(OPTIONAL)};"
            f" missing: {_listed(missing)}, unknown: {_listed(unknown)}.",
            missing=sorted(missing),
            unknown=sorted(unknown),
        )
    for row in reader:
        yield reader.line_num, {name: (row.get(name) or "").strip() for name in columns}


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def import_users(
    session: Session,
    actor: Actor,
    rows: Iterable[tuple[int, Mapping[str, str]]],
    *,
    now: datetime,
    with_passwords: bool = False,
) -> StaffImport:
    """Create or update people by their login, so that the same list can be read again.

    Each row stands alone: one that is refused leaves nothing behind. Managers have to stand above
    the people who report to them, or be known already. Empty cells change nothing.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator.
        rows: Line numbers and cells: ``login, name, role`` and of ``org_unit`` (code), ``manager``
            (login), ``territories`` (codes between ``;``, which they own from today), ``locale, time_zone``.
        now: Server time, aware UTC.
        with_passwords: Whether new people get a one-time password each.
    """
    require_admin(actor)
    result = StaffImport()
    for line, row in rows:
        try:
            with session.begin_nested():
                _import_row(session, actor, row, result, now, with_passwords)
        except DomainError as error:
            result.rejected.append((line, error.code, str(error)))
    return result


def take_in(
    session: Session,
    actor: Actor,
    cells: Mapping[str, str],
    *,
    now: datetime,
    password: str | None = None,
    one_time: bool = True,
) -> tuple[User, OneTimePassword | None]:
    """Create one person as a row of a staff list names them: unit, manager and territories by code.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator.
        cells: As for ``import_users``.
        now: Server time, aware UTC.
        password: A lasting password; without it the person gets a one-time password.
        one_time: Whether to make that one-time password; without it they cannot log in yet.

    Raises:
        RowInvalid: A cell names nothing that exists.
        Forbidden, LoginTaken, PasswordWeak, ZoneUnknown: As they say.
    """
    values = _values(session, actor.tenant_id, cells) | {"login": cells["login"]}
    if password is not None:
        values["password"] = password
    user = create_user(session, actor, values, now=now)
    _join_territories(session, actor, user, cells.get("territories", ""), now)
    if password is not None or not one_time:
        return user, None
    return user, issue_one_time_password(session, actor, user.id, now=now)


def _import_row(
    session: Session,
    actor: Actor,
    row: Mapping[str, str],
    result: StaffImport,
    now: datetime,
    with_passwords: bool,
) -> None:
    login = normal_login(row["login"])
    user = session.scalars(
        select(User).where(User.tenant_id == actor.tenant_id, User.login == login)
    ).one_or_none()
    if user is None:
        _, password = take_in(session, actor, row, now=now, one_time=with_passwords)
        result.created += 1
        if password is not None:
            result.passwords.append(password)
        return
    values = _values(session, actor.tenant_id, row)
    changes = {name: value for name, value in values.items() if getattr(user, name) != value}
    if changes:
        update_user(session, actor, user.id, changes, now=now)
    joined = _join_territories(session, actor, user, row.get("territories", ""), now)
    if changes or joined:
        result.updated += 1
    else:
        result.unchanged += 1


def _values(session: Session, tenant_id: UUID, row: Mapping[str, str]) -> dict[str, Any]:
    for name in REQUIRED:
        if not row[name]:
            raise RowInvalid(f"The cell {name} is empty.", column=name)
    values: dict[str, Any] = {name: row[name] for name in PLAIN if row.get(name)}
    try:
        values["role"] = Role(row["role"].lower())
    except ValueError:
        raise RowInvalid(f"There is no role {row['role']}; use {', '.join(Role)}.", column="role") from None
    if values.get("locale", "ko") not in ("ko", "en"):
        raise RowInvalid("The locale is ko or en.", column="locale")
    if row.get("org_unit"):
        values["org_unit_id"] = _id_of(
            session,
            select(OrgUnit.id).where(
                OrgUnit.tenant_id == tenant_id, OrgUnit.code == row["org_unit"], OrgUnit.deleted_at.is_(None)
            ),
            "org_unit",
            row["org_unit"],
        )
    if row.get("manager"):
        manager = select(User.id).where(
            User.tenant_id == tenant_id, User.login == normal_login(row["manager"])
        )
        values["manager_id"] = _id_of(session, manager, "manager", row["manager"])
    return values


def _id_of(session: Session, statement: Any, column: str, text: str) -> UUID:
    found: UUID | None = session.scalar(statement)
    if found is None:
        raise RowInvalid(f"There is no {column} {text}.", column=column)
    return found


def _join_territories(session: Session, actor: Actor, user: User, codes: str, now: datetime) -> int:
    """Make the person an owner of these territories; gives how many they did not work in before."""
    joined = 0
    for code in filter(None, (code.strip() for code in codes.split(";"))):
        territory_id = _id_of(
            session,
            select(Territory.id).where(
                Territory.tenant_id == actor.tenant_id, Territory.code == code, Territory.deleted_at.is_(None)
            ),
            "territory",
            code,
        )
        member = select(TerritoryMember.id).where(
            TerritoryMember.tenant_id == actor.tenant_id,
            TerritoryMember.territory_id == territory_id,
            TerritoryMember.user_id == user.id,
            TerritoryMember.deleted_at.is_(None),
        )
        if session.scalar(member.limit(1)) is None:
            first_day = tenant_day(session, actor.tenant_id, now)
            values = {"user_id": user.id, "kind": MemberKind.OWNER, "valid_from": first_day}
            add_member(session, actor, territory_id, values, now=now)
            joined += 1
    return joined
