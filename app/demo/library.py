"""What the demo company knows: a page that a technician finds by initials and has put right."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from app.demo.office import Desk
from examples.phone import Phone
from examples.phone.search import Search

Json = dict[str, Any]

SLUG: Final = "pump-seal-replacement"
TITLE: Final = "펌프 메카니컬 씰 교체 절차"
INITIALS: Final = "ㅍㅍ ㅆ"
BODY: Final = """## 준비

1. 전원을 차단하고 잠금표(LOTO)를 답니다.
2. 흡입·토출 밸브를 닫고 잔압을 뺍니다.

## 교체

- 씰 면에 손을 대지 않습니다. 그리스 대신 **깨끗한 물**을 바릅니다.
- 조립 뒤 축을 손으로 돌려 걸림이 없는지 봅니다.
"""
PASSAGE: Final = "조립 뒤 축을 손으로 돌려 걸림이 없는지 봅니다."
CORRECTION: Final = "조립 뒤 축을 손으로 **세 바퀴** 돌려 걸림이 없는지 봅니다."
EDITOR: Final = "knowledge_editor"


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of the technician's word: the version that was read, and the one that took its place."""

    read_id: str
    proposal_id: str
    published_id: str


def open_library(admin: Desk, author: Desk, author_id: str) -> None:
    """One page for technicians, written by one person and given out by another; what is there already stays."""
    admin.put(f"/users/{author_id}/permission-sets", {"codes": [EDITOR]})
    if list(admin.all(f"/knowledge/articles?slug={SLUG}")):
        return
    page = author.post(
        "/knowledge/articles", {"slug": SLUG, "kind": "procedure", "audiences": [{"role": "technician"}]}
    )
    words = {
        "language": "ko",
        "title": TITLE,
        "summary": "누유가 보일 때 씰을 가는 순서",
        "body": BODY,
        "keywords": ["씰", "누유", "mechanical seal"],
    }
    version = author.post(f"/knowledge/articles/{page['id']}/versions", words)
    _give_out(author, admin, version["id"])


def look_up(phone: Phone, today: date) -> str:
    """Find the page without a network by the initials of its title; the id of the version.

    Raises:
        RuntimeError: The phone did not find it.
    """
    found = Search(phone.store).find(INITIALS, today=today)
    if not found.hits or found.hits[0].title != TITLE:
        raise RuntimeError(f"The phone found {[hit.title for hit in found.hits]} by {INITIALS}.")
    return found.hits[0].id


def propose(phone: Phone, visit_id: str, version_id: str) -> str:
    """Say that the page helped in the visit, and how it could be better; the id of the proposal."""
    phone.create("article_use", visit_id=visit_id, version_id=version_id, kind="used")
    phone.create("article_feedback", version_id=version_id, helpful=True)
    body = phone.get("article_version", version_id)["body"]  # type: ignore[index]
    return phone.create(
        "article_proposal",
        version_id=version_id,
        passage=PASSAGE if PASSAGE in body else CORRECTION,
        correction=CORRECTION if PASSAGE in body else PASSAGE,
        reason="한 바퀴로는 걸림을 못 느낌",
    )


def take_over(author: Desk, reviewer: Desk, read_id: str, proposal_id: str) -> Corrected:
    """The editor makes a draft of the proposal, and a second person gives it out."""
    author.command(f"/knowledge/proposals/{proposal_id}", "accept", {})
    article_id = author.get(f"/knowledge/versions/{read_id}")["article_id"]
    versions = author.all(f"/knowledge/versions?article_id={article_id}")
    draft_id = next(one["id"] for one in versions if one["status"] == "draft")
    _give_out(author, reviewer, draft_id)
    return Corrected(read_id, proposal_id, draft_id)


def _give_out(author: Desk, reviewer: Desk, version_id: str) -> None:
    path = f"/knowledge/versions/{version_id}"
    author.command(path, "submit-for-review", {})
    reviewer.command(path, "approve", {})
    reviewer.command(path, "publish", {})
