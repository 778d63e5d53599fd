"""Words that editors take for one."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, IdTaken, NotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role, ShapeClass
from app.search.models import WORDS_MIN, Meaning, SynonymGroup
from app.search.service.errors import SynonymsAlike, TooManySynonyms
from app.textindex.tokens import Thesaurus, analyse, normalise, thesaurus

EDITOR: Final = "knowledge_editor"
STARTER: Final = Path(__file__).parents[1] / "starter_synonyms.jsonl"
GROUPS_MAX: Final = 2_000
"""Phones carry every group of their class."""
KEPT_AT_MOST: Final = 200
"""Companies and classes whose groups a process keeps ready."""

# Versions only rise: no two states of a company's groups have all three alike.
_STATE: Final = text(
    "SELECT count(*), coalesce(sum(version), 0), max(updated_at) FROM search_synonyms WHERE tenant_id = :tenant"
)
_kept: dict[tuple[UUID, ShapeClass], tuple[tuple[Any, ...], Thesaurus]] = {}


def is_editor(actor: Actor) -> bool:
    """Whether the actor keeps what is found true: admins, and who holds the permission."""
    return actor.role is Role.ADMIN or EDITOR in actor.permissions


def list_synonym_groups(session: Session, actor: Actor) -> Select[SynonymGroup]:
    """The groups of the actor's class; all of them for editors."""
    statement = _live(actor.tenant_id)
    return statement if is_editor(actor) else statement.where(_is_for(actor.scope.shape))


def get_synonym_group(session: Session, actor: Actor, group_id: UUID, *, lock: bool = False) -> SynonymGroup:
    """One group.

    Raises:
        NotFound: None that the actor may know of.
    """
    statement = list_synonym_groups(session, actor).where(SynonymGroup.id == group_id)
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def synonyms_for(session: Session, actor: Actor) -> Thesaurus:
    """What the actor's searches take for one: the same groups that their phone holds, whoever edits them.

    It is made anew when any group of the company has changed.
    """
    key = (actor.tenant_id, actor.scope.shape)
    # Before the groups: what is kept is never older than the state that it is kept for.
    state = tuple(session.execute(_STATE, {"tenant": actor.tenant_id}).one())
    kept = _kept.get(key)
    if kept is None or kept[0] != state:
        kept = (state, _read(session, actor))
        if len(_kept) >= KEPT_AT_MOST:
            _kept.clear()
        _kept[key] = kept
    return kept[1]


def _read(session: Session, actor: Actor) -> Thesaurus:
    statement = _live(actor.tenant_id).where(_is_for(actor.scope.shape))
    columns = statement.with_only_columns(SynonymGroup.meaning, SynonymGroup.words)
    groups: dict[str, list[list[str]]] = {meaning: [] for meaning in Meaning}
    for meaning, words in session.execute(columns.order_by(SynonymGroup.id).limit(GROUPS_MAX)):
        groups[meaning].append(words)
    return thesaurus(groups[Meaning.SAME], groups[Meaning.SIMILAR])


def create_synonym_group(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> SynonymGroup:
    """Take some words for one.

    Raises:
        Forbidden: Only editors do.
        SynonymsAlike: Search has no two words among them.
        TooManySynonyms: The company has enough.
        IdTaken: The id is in use.
    """
    _allow_editor(actor)
    _check_words(values["words"])
    count = session.scalar(select(func.count()).select_from(_live(actor.tenant_id).subquery())) or 0
    if count >= GROUPS_MAX:
        raise TooManySynonyms(limit=GROUPS_MAX)
    used = select(SynonymGroup.id).where(
        SynonymGroup.tenant_id == actor.tenant_id, SynonymGroup.id == values.get("id")
    )
    if session.scalar(used) is not None:
        raise IdTaken
    group = SynonymGroup(tenant_id=actor.tenant_id, id=values.get("id") or new_id())
    _assign(group, {"audience": list(ShapeClass), **values})
    session.add(group)
    session.flush()
    session.refresh(group)
    return group


def add_starter_groups(session: Session, actor: Actor, *, now: datetime) -> int:
    """Add the groups that come with the product: spoken words and trade words, Korean and English.

    A group of which the company has a word already is left out: its editors know better. So it is safe to repeat.

    Returns:
        How many were added.

    Raises:
        Forbidden, TooManySynonyms: As ``create_synonym_group``.
    """
    held = session.scalars(_live(actor.tenant_id).with_only_columns(SynonymGroup.words))
    known = {_key(word) for words in held for word in words}
    added = 0
    for line in STARTER.read_text(encoding="utf-8").splitlines():
        words = json.loads(line)["words"]
        if known.isdisjoint(map(_key, words)):
            create_synonym_group(session, actor, {"words": words, "meaning": Meaning.SIMILAR}, now=now)
            added += 1
    return added


def _key(word: str) -> str:
    return normalise(word).replace(" ", "")


def update_synonym_group(
    session: Session, actor: Actor, group_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> SynonymGroup:
    """Change the words or for whom they are; raises as ``create_synonym_group``, and NotFound."""
    _allow_editor(actor)
    group = get_synonym_group(session, actor, group_id, lock=True)
    if "words" in changes:
        _check_words(changes["words"])
    _assign(group, changes)
    session.flush()
    session.refresh(group)
    return group


def delete_synonym_group(session: Session, actor: Actor, group_id: UUID, *, now: datetime) -> None:
    """Tell the words apart again."""
    _allow_editor(actor)
    get_synonym_group(session, actor, group_id, lock=True).deleted_at = now
    session.flush()


def _live(tenant_id: UUID) -> Select[SynonymGroup]:
    return select(SynonymGroup).where(SynonymGroup.tenant_id == tenant_id, SynonymGroup.deleted_at.is_(None))


def _is_for(shape_class: ShapeClass) -> Any:
    return SynonymGroup.audience.any_() == shape_class.value


def _assign(group: SynonymGroup, values: Mapping[str, Any]) -> None:
    if "words" in values:
        group.words = list(values["words"])
    if "meaning" in values:
        group.meaning = Meaning(values["meaning"]).value
    if "audience" in values:
        wanted = {ShapeClass(one) for one in values["audience"]}
        group.audience = [one.value for one in ShapeClass if one in wanted]


def _check_words(words: Collection[str]) -> None:
    """Two spellings that search folds together are one word to it, and a word without letters is none."""
    told_apart = {tuple(term.text for term in analyse(word).terms) for word in words}
    if len(told_apart - {()}) < WORDS_MIN:
        raise SynonymsAlike(words=list(words))


def _allow_editor(actor: Actor) -> None:
    if not is_editor(actor):
        raise Forbidden
