"""What can go wrong with searching and its synonyms."""

from app.core.errors import RuleViolation


class SynonymsAlike(RuleViolation):
    """A group needs two words that search tells apart. ``details``: ``words``, those that are one to it."""

    code = "search.synonyms_alike"


class TooManySynonyms(RuleViolation):
    """The company has as many groups as phones carry. ``details``: ``limit``."""

    code = "search.too_many_synonyms"
