"""What can go wrong with knowledge."""

from app.core.errors import Conflict, Forbidden, RuleViolation


class SlugTaken(Conflict):
    """Another article has this slug."""

    code = "knowledge.slug_taken"


class KnowledgeInvalid(RuleViolation):
    """Some values break a rule. ``details``: ``fields``, from field to code; ``what`` names the place in a text."""

    code = "knowledge.invalid"


class ReviewOwn(Forbidden):
    """Nobody approves words that they wrote, not even where somebody else copied them into the next version."""

    code = "knowledge.review_own"


class NewerPublished(Conflict):
    """A later version of the article is out already. ``details``: its ``n``."""

    code = "knowledge.newer_published"
