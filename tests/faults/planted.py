"""The service with a bug of a few lines in it, to see that the harness reports it."""

import os
import sys
from pathlib import Path

from app.config import Config
from app.serve import Supervisor
from tests.simulator.mutants.planting import Mutant, plant

NAME = "FIELDMERGE_FAULTS_MUTANT"
PUSHING, PUSH, DB, SEQUENCER = "app.sync_api.pushing", "sync.push", "app.core.db", "sync.stores.sequencer"

MUTANTS = (
    Mutant(
        "a lost COMMIT is answered as done",
        PUSHING,
        "                return pusher.push(chunk)\n\n        return self._chunks(who, request, judge, _waits",
        "                found = pusher.push(chunk)\n"
        "                try:\n"
        "                    session.commit()\n"
        "                except DBAPIError:\n"
        "                    session.invalidate()\n"
        "                return found\n\n"
        "        return self._chunks(who, request, judge, _waits",
    ),
    Mutant(
        "verdicts are told before the log is on the disk",
        DB,
        "    \"SELECT set_config('app.tenant', :tenant, true),",
        "    \"SELECT set_config('synchronous_commit', 'off', true), set_config('app.tenant', :tenant, true),",
    ),
    Mutant(
        "what was judged before is judged again",
        PUSH,
        "        known = self.store.verdicts([m.id for m in mutations])\n",
        "        self.store.claim = lambda row, claim=self.store.claim: claim(row) or True\n        known = {}\n",
    ),
    Mutant(
        "drains do not lock their table",
        SEQUENCER,
        'connection.exec_driver_sql(f"LOCK TABLE {lock_table(tenant_id)} IN EXCLUSIVE MODE")',
        "pass",
    ),
    Mutant(
        "whose rows a request may touch outlives its transaction",
        DB,
        "set_config('app.tenant', :tenant, true)",
        "set_config('app.tenant', coalesce(nullif(current_setting('app.tenant', true), ''), :tenant), false)",
    ),
)
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


def main(port: int, log: Path) -> int:
    """Serve with the mutant that the environment names, until a signal."""
    with Supervisor(
        {},
        port=port,
        workers=2,
        threads=12,
        events=False,
        application="tests.faults.planted:app",
        pid_file=log.with_suffix(".pid"),
    ) as supervisor:
        return supervisor.wait()


def __getattr__(name: str) -> object:
    """``app``: made on demand, in gunicorn's workers, after the bug was planted."""
    if name != "app":
        raise AttributeError(name)
    plant(BY_NAME[os.environ[NAME]])
    from app.factory import create_app

    return create_app(Config.from_env())


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), Path(sys.argv[2])))
