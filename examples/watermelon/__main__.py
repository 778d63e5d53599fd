"""``python -m examples.watermelon [URL]``: an app on WatermelonDB against ``make demo``."""

import sys

from examples.node import tell

if __name__ == "__main__":
    sys.exit(tell("watermelon", sys.argv[1:]))
