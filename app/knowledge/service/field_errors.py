"""What can go wrong with trees, runs, and what the field says."""

from app.core.errors import Conflict, Forbidden, RuleViolation


class TreeCodeTaken(Conflict):
    """Another tree has this code."""

    code = "diagnosis.code_taken"


class TreeUnsound(RuleViolation):
    """The nodes make no tree that can be walked. ``details``: ``problems``, each a ``code`` and its ``nodes``."""

    code = "diagnosis.tree_unsound"


class PathImpossible(RuleViolation):
    """Nobody can have walked so in this version. ``details``: ``problem``, ``step`` (from 0), ``node``."""

    code = "diagnosis.path_impossible"


class OutcomeImpossible(RuleViolation):
    """Solved, though the path reached no remedy."""

    code = "diagnosis.outcome_impossible"


class RunNotYours(Forbidden):
    """Only who walked, and the office, may correct what came of it."""

    code = "diagnosis.run_not_yours"


class ProposalEmpty(RuleViolation):
    """The correction says what the passage says already."""

    code = "knowledge.proposal_empty"


class AlreadyPromoted(Conflict):
    """The note is an article already."""

    code = "knowledge.already_promoted"


class NothingToPromote(RuleViolation):
    """The note has no words."""

    code = "knowledge.nothing_to_promote"
