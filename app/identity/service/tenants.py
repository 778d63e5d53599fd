"""Companies."""

import re
from datetime import date, datetime
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.db import set_writer
from app.core.errors import NotFound
from app.core.ids import new_id
from app.identity.models import PERMISSION_SETS, PermissionSet, Tenant
from app.identity.queries import TODAY_SQL
from app.identity.service.errors import CodeInvalid, CodeTaken, ZoneUnknown
from app.identity.service.sessions import find_tenant_id

CODE = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")


def create_tenant(
    session: Session,
    *,
    code: str,
    name: str,
    now: datetime,
    locale: str = "ko",
    time_zone: str = "Asia/Seoul",
    currency: str = "KRW",
    sandbox: bool = False,
) -> Tenant:
    """Open a company. Afterwards the session may touch its rows, and no others.

    Args:
        session: Open session of no tenant; the caller commits.
        code: What people type at login: 2 to 40 lower-case letters, digits and hyphens.
        name: For people.
        now: Server time, aware UTC.
        locale: ``ko`` or ``en``.
        time_zone: IANA name; decides the day of dates.
        currency: ISO 4217.
        sandbox: Whether it may be taken back to a kept state and dropped; never changed afterwards.

    Raises:
        CodeInvalid: The code has another form.
        CodeTaken: Another company has it.
        ZoneUnknown: No such time zone.
    """
    if not CODE.fullmatch(code):
        raise CodeInvalid("A tenant's code has 2 to 40 lower-case letters, digits and hyphens.")
    if find_tenant_id(session, code) is not None:
        raise CodeTaken(f"There is a tenant {code} already.")
    check_zone(time_zone)
    tenant_id = new_id()
    set_writer(session, tenant_id, actor="cli:tenant")
    tenant = Tenant(
        id=tenant_id,
        code=code,
        name=name,
        locale=locale,
        time_zone=time_zone,
        currency=currency,
        sandbox=sandbox,
        created_at=now,
    )
    session.add(tenant)
    session.flush()
    session.add_all(
        PermissionSet(tenant_id=tenant_id, id=new_id(), code=code, name=name)
        for code, name in PERMISSION_SETS.items()
    )
    session.flush()
    return tenant


def get_tenant(session: Session, tenant_id: UUID) -> Tenant:
    """The company of the session.

    Raises:
        NotFound: The session is of another, or of none.
    """
    tenant = session.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound("No such tenant.")
    return tenant


def check_zone(name: str | None) -> None:
    """Refuse what is no IANA time zone; None passes.

    Raises:
        ZoneUnknown: It is none.
    """
    if name is not None and name not in available_timezones():
        raise ZoneUnknown(f"There is no time zone {name}.")


def tenant_day(session: Session, tenant_id: UUID, now: datetime) -> date:
    """The calendar day of the tenant at *now*, with which dates of memberships are compared."""
    day: date = session.execute(text(TODAY_SQL), {"tenant": tenant_id, "now": now}).scalar_one()
    return day
