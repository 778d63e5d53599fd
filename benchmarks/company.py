"""The data of the benchmarks: companies with reps, territories and accounts, written set by set."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.identity import service as identity
from app.sync_api.registry import REGISTRY
from sync.sequencer import drain

BATCH = 5_000
CAP = 5_000_000
REPS_A_UNIT = 50
UNITS = """
    INSERT INTO org_units (tenant_id, id, kind, code, name)
    SELECT :tenant, gen_random_uuid(), 'branch', CAST(:name AS text) || '-' || n, '지점 ' || n
    FROM generate_series(0, CAST(:count AS integer) - 1) AS n
"""
TERRITORIES = """
    INSERT INTO territories (tenant_id, id, code, name)
    SELECT :tenant, gen_random_uuid(), CAST(:name AS text) || '-' || n, '권역 ' || n
    FROM generate_series(0, CAST(:count AS integer) - 1) AS n
"""
REPS = """
    INSERT INTO users (tenant_id, id, login, name, role, org_unit_id)
    SELECT :tenant, gen_random_uuid(), CAST(:name AS text) || '-' || n, '담당 ' || n, 'rep', o.id
    FROM generate_series(0, CAST(:count AS integer) - 1) AS n
    JOIN org_units o ON o.tenant_id = :tenant AND o.code = CAST(:name AS text) || '-' || n / :reps_a_unit
"""
# Round and round both: many reps share one territory, or one rep holds many.
MEMBERS = """
    INSERT INTO territory_members (tenant_id, id, territory_id, user_id, kind, valid_from)
    SELECT :tenant, gen_random_uuid(), t.id, u.id,
           CASE WHEN n < :territories THEN 'owner' ELSE 'backup' END, CURRENT_DATE - 1
    FROM generate_series(0, greatest(CAST(:territories AS integer), CAST(:reps AS integer)) - 1) AS n
    JOIN territories t ON t.tenant_id = :tenant AND t.code = CAST(:name AS text) || '-' || n % :territories
    JOIN users u ON u.tenant_id = :tenant AND u.login = CAST(:name AS text) || '-' || n % :reps
"""
# Texts that vary as those of customers do: what is the same in every row would be compressed to nothing.
ACCOUNTS = """
    INSERT INTO accounts (tenant_id, id, code, name, territory_id, phone, sido, sigungu, address,
                          opening_hours, credit_limit, credit_currency, payment_terms, tags, notes)
    SELECT :tenant, gen_random_uuid(), CAST(:name AS text) || n,
           '(주)' || substr(stems, digit[1] * 2 + 1, 2) || '상사 ' || n, t.id,
           '+8210' || lpad((abs(hashint4(n)::bigint) % 100000000)::text, 8, '0'), '서울특별시',
           substr(stems, digit[2] * 2 + 1, 2) || '구',
           substr(stems, digit[3] * 2 + 1, 2) || '로 ' || abs(hashint4(n)::bigint) % 999 || '번길 '
               || digit[4] + 1,
           '월-금 09:00-18:00', abs(hashint4(-n)::bigint) % 90000 * 1000, 'KRW', '익월 말일',
           ARRAY['vip', substr(stems, digit[5] * 2 + 1, 2)],
           '오전 방문 선호 ' || substr(stems, digit[6] * 2 + 1, 2)
    FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n
    CROSS JOIN LATERAL
        (SELECT array_agg((n / (k * 7) + n * k) % 16) AS digit FROM generate_series(1, 6) AS k) AS d
    CROSS JOIN (SELECT '가람나래다솜라온마루바다사랑아름자연차오카리타래파란하늘해솔윤슬' AS stems) AS s
    JOIN territories t ON t.tenant_id = :tenant AND t.code = CAST(:name AS text) || '-' || n % :territories
"""


@dataclass(frozen=True, slots=True)
class Company:
    """One tenant."""

    db: Database
    id: UUID

    def fill(
        self, name: str, *, territories: int, reps: int, accounts: int, tell: Callable[[str], None]
    ) -> None:
        """Territories *name*-0 …, reps with logins *name*-0 …, accounts in turn; all sequenced."""
        given = {"tenant": self.id, "name": name, "territories": territories, "reps": reps}
        with self.db.session(self.id, actor="cli:bench") as session:
            session.execute(text(UNITS), given | {"count": -(-reps // REPS_A_UNIT)})
            session.execute(text(TERRITORIES), given | {"count": territories})
            session.execute(text(REPS), given | {"count": reps, "reps_a_unit": REPS_A_UNIT})
            session.execute(text(MEMBERS), given)
        self.drain()
        for first in range(0, accounts, BATCH):
            last = min(first + BATCH, accounts) - 1
            with self.db.session(self.id, actor="import:bench") as session:
                session.execute(text(ACCOUNTS), given | {"first": first, "last": last})
            self.drain()
            if (last + 1) % 50_000 == 0:
                tell(f"{name}: {last + 1:,} of {accounts:,} accounts loaded and sequenced")

    def drain(self) -> None:
        """Sequence what waits, as the scheduler does."""
        drain(self.db.engine, REGISTRY, self.id, now=utc_now(), lock_timeout_ms=60_000)


def open_company(db: Database) -> Company:
    """A tenant of its own, whose phones may hold more records than is usual."""
    with db.session(None) as session:
        code = f"bench-{new_id().hex[-8:]}"
        tenant = identity.create_tenant(session, code=code, name="벤치", now=utc_now()).id
    with db.session(tenant, actor="cli:bench") as session:
        session.execute(
            text(
                "INSERT INTO sync_settings (tenant_id, records_warn, records_cap) VALUES (:tenant, :cap, :cap)"
                " ON CONFLICT (tenant_id) DO UPDATE SET records_warn = :cap, records_cap = :cap"
            ),
            {"tenant": tenant, "cap": CAP},
        )
    return Company(db, tenant)
