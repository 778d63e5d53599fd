"""The bodies that the sequencer renders are the bodies of REST."""

from datetime import timedelta
from uuid import UUID

import orjson
import pytest

from app.activity.schemas import ActivitySchema, TaskSchema
from app.activity.service import get_activity, get_task
from app.activity.sync import ACTIVITY, TASK
from app.core.scope import Role
from app.http.fields import WireSchema
from app.http.shapes import schema_for
from app.visits.schemas import VisitSchema
from app.visits.service import get_visit
from app.visits.sync import VISIT
from sync.policy import SyncEntity
from sync.render import body_sql
from tests.visits.company import NOW, SEOUL_HALL, Company

ODD = 'line 1\nline 2 "quoted" \\ 한글 \u2028 😀 </script>'


def feed_body(company: Company, entity: SyncEntity, record_id: UUID, shape: str) -> bytes:
    sql = f"SELECT {body_sql(entity, shape)} FROM {entity.table} t WHERE id = '{record_id}'"
    with company.database.engine.connect() as connection:
        body: str = connection.exec_driver_sql(sql).scalar_one()
    return body.encode()


def rest_body(entity: SyncEntity, schema: type[WireSchema], record: object, shape_class: str) -> bytes:
    return orjson.dumps(schema_for(entity, schema, shape_class).dump(record))


@pytest.fixture
def rep(company: Company) -> UUID:
    return company.user(Role.REP, company.north)


@pytest.fixture
def account(company: Company) -> UUID:
    return company.account(location=list(SEOUL_HALL))


@pytest.mark.parametrize("shape_class", ["sales", "service", "manager"])
def test_of_a_visit_full_of_values(company: Company, rep: UUID, account: UUID, shape_class: str) -> None:
    visit_id = company.visit(account, rep, instructions=ODD, tags=["정기", 'a"b'], report="", priority="high")
    for position in (2, 1):
        company.insert(
            "visit_tasks",
            visit_id=visit_id,
            title=ODD,
            position=position,
            done=True,
            done_at=NOW + timedelta(microseconds=1),
        )
    company.do(rep, "check_in", visit_id, location={"lat": 37.5, "lon": 127, "accuracy_m": 11.5})
    with company.as_(rep) as (session, actor):
        visit = get_visit(session, actor, visit_id)
        expected = rest_body(VISIT, VisitSchema, visit, shape_class)
    assert feed_body(company, VISIT, visit_id, shape_class) == expected


def test_of_a_visit_with_nothing(company: Company, rep: UUID, account: UUID) -> None:
    visit_id = company.visit(account, rep)
    with company.as_(rep) as (session, actor):
        expected = rest_body(VISIT, VisitSchema, get_visit(session, actor, visit_id), "sales")
    assert feed_body(company, VISIT, visit_id, "sales") == expected


def test_of_an_activity(company: Company, rep: UUID, account: UUID) -> None:
    activity_id = company.insert(
        "activities",
        account_id=account,
        author_id=rep,
        kind="mail",
        happened_at=NOW,
        body=ODD,
        direction="in",
    )
    with company.as_(rep) as (session, actor):
        expected = rest_body(ACTIVITY, ActivitySchema, get_activity(session, actor, activity_id), "sales")
    assert feed_body(company, ACTIVITY, activity_id, "manager+sales") == expected


def test_of_a_task(company: Company, rep: UUID, account: UUID) -> None:
    task_id = company.insert("tasks", title=ODD, assignee_id=rep, due_on=NOW.date())
    with company.as_(rep) as (session, actor):
        expected = rest_body(TASK, TaskSchema, get_task(session, actor, task_id), "sales")
    assert feed_body(company, TASK, task_id, "all") == expected
