"""The service with a bug of a few lines in it, to see that the harness reports it."""

import os
import sys
from pathlib import Path

from app.config import Config
from app.serve import Supervisor
from tests.simulator.mutants.planting import Mutant, plant

NAME = "FIELDMERGE_FAULTS_MUTANT"
PUSH, DB = "sync.push", "app.core.db"

MUTANTS = (
    Mutant(
        "a lost COMMIT is answered as done",
        DB,
        '        return self.at_once.close(pooled, said, end="COMMIT", as_prepared=as_prepared)\n',
        "        try:\n"
        '            return self.at_once.close(pooled, said, end="COMMIT", as_prepared=as_prepared)\n'
        "        except DBAPIError:\n"
        "            session.invalidate()\n"
        "            return [[(1,)]]\n",
    ),
    Mutant(
        "what was judged before is judged again",
        PUSH,
        "        known = self.store.verdicts([m.id for m in mutations])\n",
        "        self.store.claim = lambda row, claim=self.store.claim: claim(row) or True\n        known = {}\n",
    ),
)
CLOCK = "clock "


def mutant_of(name: str) -> Mutant:
    """By name; ``clock +3600`` is the product's one clock, wrong by so many seconds."""
    if name.startswith(CLOCK):
        now = "return _fixed.get() or datetime.now(UTC)"
        wrong = f"return _fixed.get() or datetime.fromtimestamp(datetime.now(UTC).timestamp() + {int(name[6:])}, UTC)"
        return Mutant(name, "app.core.clock", now, wrong)
    return next(mutant for mutant in MUTANTS if mutant.name == name)


def main(port: int, log: Path) -> int:
    """Serve with the mutant that the environment names, until a signal."""
    with Supervisor(
        {},
        port=port,
        workers=2,
        threads=12,
        events=False,
        application="tests.faults.planted:app",
        scheduler_command=(sys.executable, "-m", "tests.faults.planted", "scheduler"),
        pid_file=log.with_suffix(".pid"),
    ) as supervisor:
        return supervisor.wait()


def schedule() -> None:
    """Be the scheduler, with the bug."""
    plant(mutant_of(os.environ[NAME]))
    from flask.cli import main as flask

    sys.argv = ["flask", "--app", "wsgi", "scheduler", "run"]
    flask()


def __getattr__(name: str) -> object:
    """``app``: made on demand, in gunicorn's workers, after the bug was planted."""
    if name != "app":
        raise AttributeError(name)
    plant(mutant_of(os.environ[NAME]))
    from app.factory import create_app

    return create_app(Config.from_env())


if __name__ == "__main__":
    if sys.argv[1:] == ["scheduler"]:
        schedule()
    else:
        raise SystemExit(main(int(sys.argv[1]), Path(sys.argv[2])))
