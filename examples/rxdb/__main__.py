"""``python -m examples.rxdb [URL]``: an app on RxDB against ``make demo``."""

import sys

from examples.node import tell

# The open edition of RxDB opens 13 collections.
COLLECTIONS = ("user", "territory", "account", "contact", "product", "visit", "order", "conflict")

if __name__ == "__main__":
    sys.exit(tell("rxdb", sys.argv[1:], COLLECTIONS))
