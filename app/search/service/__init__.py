"""What may be searched, and how it is kept true."""

from app.search.service.asked import Asked, forget_searches, report_searches
from app.search.service.errors import SynonymsAlike, TooManySynonyms
from app.search.service.finding import Answer, Hit, search, suggest
from app.search.service.indexing import BATCH, begin_again, index_changes, open_progress
from app.search.service.sources import PERSONAL, SOURCES
from app.search.service.synonyms import (
    add_starter_groups,
    create_synonym_group,
    delete_synonym_group,
    get_synonym_group,
    is_editor,
    list_synonym_groups,
    synonyms_for,
    update_synonym_group,
)

__all__ = [
    "BATCH",
    "PERSONAL",
    "SOURCES",
    "Answer",
    "Asked",
    "Hit",
    "SynonymsAlike",
    "TooManySynonyms",
    "add_starter_groups",
    "begin_again",
    "create_synonym_group",
    "delete_synonym_group",
    "forget_searches",
    "get_synonym_group",
    "index_changes",
    "is_editor",
    "list_synonym_groups",
    "open_progress",
    "report_searches",
    "search",
    "suggest",
    "synonyms_for",
    "update_synonym_group",
]
