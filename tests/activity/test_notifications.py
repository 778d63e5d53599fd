"""What people are told."""

import re

import pytest

from app.activity import service
from app.activity.models import Notification
from app.core.ids import new_id
from app.core.messages import MESSAGES, NOTICES
from app.core.scope import Role
from tests.visits.company import NOW, Company


class TestSentences:
    @pytest.mark.parametrize("code", sorted(NOTICES))
    def test_are_of_their_language_and_name_the_same(self, code: str) -> None:
        notice = NOTICES[code]
        assert re.search("[가-힣]", notice.ko)
        assert not re.search("[가-힣]", notice.en)
        assert set(re.findall(r"{\w+}", notice.en)) == set(re.findall(r"{\w+}", notice.ko))

    def test_are_no_errors(self) -> None:
        assert NOTICES.keys() & MESSAGES.keys() == set()


class TestNotify:
    def test_tells_each_once_and_nobody_who_left(self, company: Company) -> None:
        rep, gone = company.user(Role.REP), company.user(Role.REP)
        with company.as_(rep) as (session, actor):
            session.connection().exec_driver_sql(
                "UPDATE users SET status = 'disabled' WHERE id = %(id)s", {"id": gone}
            )
            service.notify(
                session,
                [rep, gone, rep, new_id()],
                "approval",
                title_code="approval.notice_asked",
                values={"title": "주문 7"},
                entity="approval",
                record_id=new_id(),
                now=NOW,
            )
            (told,) = session.query(Notification).filter_by(tenant_id=company.id).all()
            assert (told.user_id, told.title_en) == (rep, "Please decide on 주문 7.")
            assert told.title_ko == "주문 7 결재를 처리해 주십시오."
            assert [n.id for n in session.scalars(service.list_notifications(session, actor))] == [told.id]
