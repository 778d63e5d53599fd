"""The data of the benchmarks: one tenant with many accounts, one rep who holds them all."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import text

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.core.scope import Role
from app.identity import service as identity
from app.identity.models import MemberKind, OrgUnit, Territory, TerritoryMember, UnitKind, User
from app.identity.service.passwords import in_use
from app.sync_api.registry import REGISTRY
from sync.sequencer import drain

PASSWORD = "benchmarks only 7f3kq"
BATCH = 5_000
ACCOUNTS = """
    INSERT INTO accounts (tenant_id, id, code, name, legal_name, territory_id, phone, sido, sigungu, address,
                          opening_hours, credit_limit, credit_currency, payment_terms, tags, notes)
    SELECT :tenant, gen_random_uuid(), 'B' || n, '(주)가람상사 ' || n, '가람상사 ' || n || ' 주식회사',
           :territory,
           '+8225550' || lpad((n % 1000)::text, 3, '0'), '서울특별시', '중구',
           '견본로 ' || n || '번길 12, 3층',
           '월-금 09:00-18:00', 50000000 + n, 'KRW', '익월 말일', ARRAY['vip', '윤활유'],
           '오전 방문 선호, 담당자와 통화 후 방문'
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n
"""


def make_company(db: Database, accounts: int, tell: Callable[[str], None]) -> tuple[str, str, UUID]:
    """A tenant with *accounts* accounts in one territory, drained; gives (tenant code, login, tenant id)."""
    code = f"bench-{new_id().hex[-8:]}"
    with db.session(None) as session:
        tenant_id = identity.create_tenant(session, code=code, name="벤치", now=utc_now()).id
    territory, user = new_id(), new_id()
    with db.session(tenant_id, actor="cli:bench") as session:
        unit = OrgUnit(tenant_id=tenant_id, id=new_id(), kind=UnitKind.HQ, code="hq", name="본사")
        session.add_all([unit, Territory(tenant_id=tenant_id, id=territory, code="t", name="서울")])
        session.flush()
        session.add(
            User(
                tenant_id=tenant_id,
                id=user,
                login="rep",
                name="벤치",
                role=Role.REP,
                org_unit_id=unit.id,
                password_hash=in_use.hashes.hash(PASSWORD),
            )
        )
        session.flush()
        session.add(
            TerritoryMember(
                tenant_id=tenant_id,
                id=new_id(),
                territory_id=territory,
                user_id=user,
                kind=MemberKind.OWNER,
                valid_from=utc_now().date(),
            )
        )
    for first in range(1, accounts + 1, BATCH):
        with db.session(tenant_id, actor="import:bench") as session:
            last = min(first + BATCH - 1, accounts)
            session.execute(
                text(ACCOUNTS), {"tenant": tenant_id, "territory": territory, "first": first, "last": last}
            )
        drain(db.engine, REGISTRY, tenant_id, now=utc_now(), lock_timeout_ms=5_000)
        tell(f"{min(first + BATCH - 1, accounts):,} of {accounts:,} accounts loaded and sequenced")
    return code, "rep", tenant_id
