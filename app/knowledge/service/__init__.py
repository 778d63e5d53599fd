"""What the room does."""

from app.knowledge.queries.articles import is_editor, sees_article
from app.knowledge.service.articles import (
    create_article,
    delete_article,
    html,
    list_articles,
    published,
    refer_to_article,
    update_article,
)
from app.knowledge.service.desk import list_due, list_queue, report
from app.knowledge.service.drafts import promote
from app.knowledge.service.feedback import (
    get_feedback,
    get_use,
    give_feedback,
    list_feedback,
    list_uses,
    note_use,
)
from app.knowledge.service.indexing import (
    find_published,
    indexed_ids,
    search_visible,
    version_documents,
)
from app.knowledge.service.packs import fill_packs, get_budgets, list_packs, set_budgets
from app.knowledge.service.product_view import ProductView, view_product
from app.knowledge.service.proposals import (
    PROPOSAL_COMMANDS,
    get_locked_proposal,
    get_proposal,
    list_proposals,
    propose,
)
from app.knowledge.service.publishing import due_versions, move_due_version, publish, set_rating, withdraw
from app.knowledge.service.questions import QUESTION_COMMANDS, ask, get_question, list_questions
from app.knowledge.service.receipts import acknowledge, list_receipts, list_unread
from app.knowledge.service.records import (
    get_article,
    get_kept_article,
    get_locked_version,
    get_version,
    require_editor,
)
from app.knowledge.service.runs import create_run, get_run, list_runs, update_run
from app.knowledge.service.said import masked_fields
from app.knowledge.service.searching import search_visible_in, versions_of_articles
from app.knowledge.service.tree_versions import (
    TREE_COMMANDS,
    create_tree_version,
    delete_tree_version,
    find_problems,
    get_tree_version,
    list_tree_versions,
    update_tree_version,
)
from app.knowledge.service.trees import (
    create_tree,
    delete_tree,
    get_kept_tree,
    get_tree,
    list_remedies,
    list_trees,
    update_tree,
)
from app.knowledge.service.versions import (
    approve,
    create_version,
    delete_version,
    diff_versions,
    list_versions,
    reject,
    submit_for_review,
    update_version,
)

# Commands of versions, by the names of their addresses.
VERSION_COMMANDS = {
    "submit_for_review": submit_for_review,
    "approve": approve,
    "reject": reject,
    "publish": publish,
    "withdraw": withdraw,
}

__all__ = [
    "PROPOSAL_COMMANDS",
    "QUESTION_COMMANDS",
    "TREE_COMMANDS",
    "VERSION_COMMANDS",
    "ProductView",
    "acknowledge",
    "approve",
    "ask",
    "create_article",
    "create_run",
    "create_tree",
    "create_tree_version",
    "create_version",
    "delete_article",
    "delete_tree",
    "delete_tree_version",
    "delete_version",
    "diff_versions",
    "due_versions",
    "fill_packs",
    "find_problems",
    "find_published",
    "get_article",
    "get_budgets",
    "get_feedback",
    "get_kept_article",
    "get_kept_tree",
    "get_locked_proposal",
    "get_locked_version",
    "get_proposal",
    "get_question",
    "get_run",
    "get_tree",
    "get_tree_version",
    "get_use",
    "get_version",
    "give_feedback",
    "html",
    "indexed_ids",
    "is_editor",
    "list_articles",
    "list_due",
    "list_feedback",
    "list_packs",
    "list_proposals",
    "list_questions",
    "list_queue",
    "list_receipts",
    "list_remedies",
    "list_runs",
    "list_tree_versions",
    "list_trees",
    "list_unread",
    "list_uses",
    "list_versions",
    "masked_fields",
    "move_due_version",
    "note_use",
    "promote",
    "propose",
    "publish",
    "published",
    "refer_to_article",
    "reject",
    "report",
    "require_editor",
    "search_visible",
    "search_visible_in",
    "sees_article",
    "set_budgets",
    "set_rating",
    "submit_for_review",
    "update_article",
    "update_run",
    "update_tree",
    "update_tree_version",
    "update_version",
    "version_documents",
    "versions_of_articles",
    "view_product",
    "withdraw",
]
