"""All scenarios, in the order in which they are played."""

from conformance.scenarios import pulling, pushing, merging, refusing, replaying, scope, sessions, resetting  # noqa: F401, I001
