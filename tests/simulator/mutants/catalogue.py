"""The mutants. Half of them are mechanical: a conjunct dropped, a bound moved, an order or a lock left out."""

# ruff: noqa: E501  (what is to be found stands here as it stands in its file)

from tests.simulator.mutants.planting import Mutant

PULL, FEED, EXCHANGE = "sync.pull", "sync.stores.feed", "app.sync_api.exchange"
SEQUENCER, SEQUENCER_SQL = "sync.sequencer", "sync.stores.sequencer"
PUSH, PUSH_SQL, JUDGE, JUDGEMENT, MERGE = (
    "sync.push",
    "sync.stores.push",
    "sync.judge",
    "sync.judgement",
    "sync.merge",
)

MUTANTS = (
    # -- pull, by hand
    Mutant("removals are never told", PULL, "        if not self.leaving:\n", "        if True:\n"),
    Mutant("lost buckets are forgotten", PULL, "        if channel not in now:\n", "        if False:\n"),
    Mutant(
        "a bucket that is drained but not live is served",
        PULL,
        "    _hold_back(state, withheld)\n",
        "    pass\n",
    ),
    Mutant(
        "a gained bucket that no drain saw is called a checkpoint",
        PULL,
        "page.has_more = page.has_more or not live <= drained",
        "page.has_more = page.has_more",
    ),
    Mutant(
        "removals are told though the phone has unsent work",
        PULL,
        "    def losses(self) -> None:\n"
        '        """Walk what was lost; nothing is removed from a phone that has unsent work."""\n'
        "        if self.ask.pending:\n",
        "    def losses(self) -> None:\n"
        '        """Walk what was lost; nothing is removed from a phone that has unsent work."""\n'
        "        if False:\n",
    ),
    Mutant(
        "a removal is told although another bucket still holds the record",
        PULL,
        "                (entity, record_id) not in held\n                and (entity",
        "                (entity",
    ),
    Mutant(
        "unfinished gains are forgotten",
        PULL,
        "*state.agains, *state.gains, *state.waiting]",
        "*state.agains, *state.waiting]",
    ),
    Mutant(
        "the delta settles before it was read to its end",
        PULL,
        "        if self.delta_done:\n            state.progress = state.position",
        "        if True:\n            state.progress = state.position",
    ),
    Mutant(
        "a gained bucket joins while the delta is unfinished",
        PULL,
        "joins = done and self.delta_done and self.state.removals == self.state.position",
        "joins = done",
        survives="it tells removals of what stood in the gained bucket before its new reader came, and the checkers let"
        " pass whatever ever stood in a territory of the user (tests/sync/test_pull.py holds the rule)",
    ),
    # -- the feed, mechanically
    Mutant(
        "delta: ORDER BY dropped",
        FEED,
        "                ORDER BY f.position LIMIT :limit) AS f\n",
        "                ORDER BY f.position DESC LIMIT :limit) AS f\n",
        "machine",
    ),
    Mutant(
        "delta: > becomes >= with a step",
        FEED,
        "(f.gone IS NULL AND f.position > :changes_after)",
        "(f.gone IS NULL AND f.position > :changes_after + 1)",
        "machine",
    ),
    Mutant(
        "delta: the conjunct of gone marks dropped",
        FEED,
        "OR (f.gone IS NOT NULL AND f.position > :gone_after))",
        "OR (f.gone IS NOT NULL AND false))",
        "machine",
    ),
    Mutant("lost: entered <= given dropped", FEED, " AND entered <= :given", "", "machine"),
    Mutant(
        "lost: gone marks dropped",
        FEED,
        "AND (gone IS NULL OR position > :given){self._only}",
        "AND gone IS NULL AND position > :given{self._only}",
        "machine",
    ),
    Mutant("held: position <= given dropped", FEED, " AND f.{place} <= c.given", "", "machine"),
    Mutant("held: gone IS NULL dropped", FEED, "                 AND f.gone IS NULL\n", "", "machine"),
    Mutant(
        "walk: the shape is not asked for",
        FEED,
        'WHERE tenant_id = :tenant AND bucket = :bucket AND shape = :shape"  # noqa: S608\n            f" AND position > :after AND (gone IS NULL OR position > :gone_after)',
        'WHERE tenant_id = :tenant AND bucket = :bucket"  # noqa: S608\n            f" AND position > :after AND (gone IS NULL OR position > :gone_after)',
        "machine",
    ),
    Mutant(
        "segments: the shape is not asked for",
        FEED,
        " AND f.shape = %(shape)s\n  AND f.position > %(after)s",
        "\n  AND f.position > %(after)s",
        "machine",
    ),
    # -- the answer
    Mutant(
        "verdicts show records outside the scope",
        EXCHANGE,
        "seen = one.told(session, actor, sorted(ids)) if shape else set()",
        "seen = set(ids)",
    ),
    Mutant(
        "requests never drain",
        EXCHANGE,
        "self.drainer.drain_if_due(who.tenant_id, marks + scope_differs)",
        "pass",
    ),
    Mutant(
        "a known scope outlives its day",
        "app.sync_api.scopes",
        "(actor.today, glance.epoch) == (self.day, self.epoch)",
        "glance.epoch == self.epoch",
        survives="in histories the job of the day marks whose membership ended before a phone comes again"
        " (tests/sync_api/test_known_scopes.py holds the rule)",
    ),
    Mutant(
        "a scope is not weighed against what was drained",
        EXCHANGE,
        "            if (glance.marks and not pushed.marks) or drained != live:\n                return None\n",
        "            if glance.marks and not pushed.marks:\n                return None\n",
    ),
    Mutant(
        "a known scope is served while marks wait",
        EXCHANGE,
        "            if (glance.marks and not pushed.marks) or drained != live:\n                return None\n",
        "            if drained != live:\n                return None\n",
    ),
    # -- the sequencer
    Mutant(
        "a drain takes only some marks",
        SEQUENCER_SQL,
        'WHERE tenant_id = :tenant ORDER BY id"\n        ).all()',
        'WHERE tenant_id = :tenant ORDER BY id LIMIT 3"\n        ).all()',
    ),
    Mutant(
        "children do not move with their record",
        SEQUENCER,
        '            work.weak[child] |= self.store.ids(sql, "ids", moved, now=self.now)',
        "            pass",
    ),
    Mutant(
        "inbox items do not follow their record",
        SEQUENCER,
        "            if other.followers:",
        "            if False:",
    ),
    Mutant(
        "own visits do not follow the territories of their user",
        SEQUENCER,
        "            if entity.of_users:\n",
        "            if False:\n",
    ),
    Mutant(
        "gone marks are not sent",
        SEQUENCER_SQL,
        "                    FROM left_behind l\n",
        "                    FROM (SELECT * FROM left_behind WHERE false) l\n",
    ),
    Mutant(
        "entered is written anew with each change",
        SEQUENCER_SQL,
        "SET position = EXCLUDED.position, version",
        "SET position = EXCLUDED.position, entered = EXCLUDED.entered, version",
    ),
    Mutant(
        "deleted records stay in their buckets",
        SEQUENCER_SQL,
        't.id = r.record_id AND t.deleted_at IS NULL"',
        't.id = r.record_id"',
        "machine",
        survives="a second bolt: every bucket rule leaves deleted records out by itself",
    ),
    Mutant(
        "subscriptions: dropped ones are not deleted",
        SEQUENCER_SQL,
        "AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.user_id",
        "AND false AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.user_id",
        "machine",
    ),
    # -- scope
    Mutant(
        "memberships that ended go on",
        "app.identity.queries",
        " AND coalesce(m.valid_to >= CAST(:today AS date), true)",
        "",
        "machine",
    ),
    Mutant(
        "memberships that were taken away go on",
        "app.identity.queries",
        "m.user_id = p.member_id AND m.deleted_at IS NULL",
        "m.user_id = p.member_id",
        "machine",
    ),
    Mutant(
        "reps see below their territories",
        "app.identity.queries",
        "    WHERE h.sees_below\n), held_units",
        "), held_units",
        "machine",
    ),
    Mutant(
        "private activities go to everybody",
        "app.activity.sync",
        "WHERE NOT private AND territory_id IS NOT NULL",
        "WHERE territory_id IS NOT NULL",
        "machine",
    ),
    Mutant(
        "technicians get the fields of sales",
        "app.accounts.sync",
        "SELECT a.id, 'territory:' || a.territory_id, '{SERVICE_SHAPE}'\n        FROM accounts a\n",
        "SELECT a.id, 'territory:' || a.territory_id, '{SALES_SHAPE}'\n        FROM accounts a\n",
    ),
    Mutant(
        "email is in every shape",
        "app.accounts.sync",
        '        "phone": last_write(),\n        "email": last_write(Kind.TEXT, *SALES),\n        "website"',
        '        "phone": last_write(),\n        "email": last_write(),\n        "website"',
    ),
    Mutant(
        "the scope filter of accounts is gone",
        "app.core.scope",
        "    ways: list[ColumnElement[bool]] = []\n",
        "    return true()\n    ways: list[ColumnElement[bool]] = []\n",
    ),
    Mutant(
        "the last edge of windows is not looked at",
        "app.jobs.windows",
        "for n, edge in enumerate(EDGES)\n            for",
        "for n, edge in enumerate((EDGES[1],) * 4)\n            for",
    ),
    # -- push
    Mutant(
        "a replay is applied again",
        PUSH,
        "        known = self.store.verdicts([m.id for m in mutations])\n        self._repeated",
        "        known = {}\n        claim_many = self.store.claim_many\n        self.store.claim_many = lambda rows: claim_many(rows) | {row['id'] for row in rows}\n        self._repeated",
    ),
    Mutant(
        "losing values are not kept",
        JUDGE,
        "        if result.lost:\n            self.store.note_loss(",
        "        if False:\n            self.store.note_loss(",
    ),
    Mutant(
        "conflicts open no inbox item",
        JUDGE,
        "        for item in result.items(entity, record_id, version, account_id):\n",
        "        for item in ():\n",
    ),
    Mutant(
        "others are looked for in the head only",
        JUDGEMENT,
        "tuple(row for row in ledger if not row.own)",
        "tuple(row for row in ledger if not row.own and row.version == state.version)",
    ),
    Mutant(
        "phones' clocks are believed",
        "sync.stamps",
        "    return microseconds_of(sent_at) - microseconds_of(occurred_at)\n",
        "    return microseconds_of(sent_at) * 0\n",
    ),
    Mutant(
        "an edit stands not above what it was based on",
        "sync.stamps",
        "    if floor is not None:\n",
        "    if False:\n",
    ),
    Mutant(
        "last_write: the earlier stamp wins",
        MERGE,
        "return _taken(edit) if edit.beats(edit.stored) else _superseded(edit)",
        "return _superseded(edit) if edit.beats(edit.stored) else _taken(edit)",
    ),
    Mutant(
        "last_write: whoever comes last wins",
        MERGE,
        "return _taken(edit) if edit.beats(edit.stored) else _superseded(edit)",
        "return _taken(edit)",
    ),
    Mutant(
        "ask: nobody is asked",
        MERGE,
        "return _in_conflict(edit, ConflictKind.FIELD) if edit.others_changed else _taken(edit)",
        "return _taken(edit)",
    ),
    Mutant(
        "the ledger after the base begins one version late",
        PUSH_SQL,
        "AND c.record_id = k.id AND c.version > k.version AND c.op",
        "AND c.record_id = k.id AND c.version > k.version + 1 AND c.op",
        "machine",
    ),
    Mutant(
        "commands are not checked against the machine",
        "app.visits.service.records",
        "    if not VISIT_MACHINE.is_legal(command, status or visit.status):\n",
        "    if False:\n",
    ),
    Mutant(
        "visits that were begun are called missed",
        "app.visits.queries",
        "        Visit.status == MISSED_FROM,\n",
        "",
        "machine",
    ),
    Mutant(
        "replays are not counted",
        "app.sync_api.pushing",
        "        for verdict in whole.verdicts:\n",
        "        for verdict in [v for v in whole.verdicts if not v.replayed]:\n",
    ),
    # -- the triggers
    Mutant(
        "versions are not bumped",
        "sql:sync_before_write",
        "NEW.version := OLD.version + 1;",
        "NEW.version := OLD.version;",
    ),
    Mutant(
        "each statement takes a version",
        "sql:sync_before_write",
        "c.xid = pg_current_xact_id() AND c.recorded_at >= transaction_timestamp()) THEN\n        NEW.version := OLD.version;",
        "false) THEN\n        NEW.version := OLD.version;",
    ),
    Mutant(
        "parts do not bump their root",
        "sql:sync_record_part",
        "UPDATE %I SET version = version + 1 WHERE",
        "UPDATE %I SET version = version + 0 WHERE",
    ),
    Mutant(
        "deletes are not captured",
        "sql:sync_after_write",
        "    kind := lower(TG_OP);\n",
        "    kind := lower(TG_OP);\n    IF TG_OP = 'DELETE' THEN RETURN NULL; END IF;\n",
    ),
    Mutant(
        "a move marks only where it goes",
        "sql:sync_after_write",
        "LATERAL (VALUES (o ->> split_part(r, ':', 2)), (n ->>",
        "LATERAL (VALUES (n ->> split_part(r, ':', 2)), (n ->>",
        "machine",
    ),
    Mutant(
        "the mark is made for updates only",
        "sql:sync_record_change",
        "    INSERT INTO sync_pending (tenant_id, entity, record_id) VALUES (tenant, entity, record);",
        "    INSERT INTO sync_pending (tenant_id, entity, record_id) SELECT tenant, $2, record WHERE op <> 'delete';",
    ),
    Mutant(
        "pull without the tenant in its WHERE",
        FEED,
        "WHERE f.tenant_id = :tenant AND f.bucket = c.bucket AND f.shape = c.shape AND f.position > :after",
        "WHERE f.bucket = c.bucket AND f.shape = c.shape AND f.position > :after",
        "machine",
        survives="row-level security stands alone: the database gives the app role rows of one tenant only",
    ),
    # -- faults, restores, companies
    Mutant(
        "a lost connection is a fault of the server",
        "app.sync_api.rooms",
        "    return state.startswith(TRANSIENT_STATES) if state else isinstance(error, WITHOUT_STATE)",
        "    return False",
    ),
    Mutant(
        "a restore is not noticed", PULL, "        raise Restored(cursor.epoch)\n", "        cursor = None\n"
    ),
    Mutant(
        "restore: the highest judged n is not looked at",
        PULL,
        "cursor.highest > holds or cursor.highest_n > highest_n or not",
        "cursor.highest > holds or not",
        "machine",
    ),
    Mutant(
        "restore: the nonces of drains are not looked at",
        PULL,
        " or not reader.are_drains(cursor.drains):",
        ":",
        "machine",
    ),
    Mutant(
        "bodies are rendered without asking for the company",
        SEQUENCER_SQL,
        "FROM desired d JOIN {entity.table} t ON t.tenant_id = :tenant AND t.id = d.record_id",
        "FROM desired d JOIN {entity.table} t ON t.id = d.record_id",
        "machine",
    ),
    # -- sessions at once
    Mutant(
        "two pushes of a device at once: FOR UPDATE dropped",
        PUSH_SQL,
        ' WHERE tenant_id = :tenant AND device_id = :device FOR UPDATE"',
        ' WHERE tenant_id = :tenant AND device_id = :device"',
        "machine",
        interleaved=True,
        survives="requests of one phone that overlap begin with the same mutation, and its claim, a unique key, makes the"
        " second wait already; the lock is there for phones that send their work out of order",
    ),
    Mutant(
        "drains at read committed",
        SEQUENCER_SQL,
        '"BEGIN ISOLATION LEVEL REPEATABLE READ;"',
        '"BEGIN ISOLATION LEVEL READ COMMITTED;"',
        "machine",
        interleaved=True,
    ),
    Mutant(
        "pulls at read committed",
        EXCHANGE,
        'isolation_level="REPEATABLE READ", postgresql_readonly=True',
        'isolation_level="READ COMMITTED", postgresql_readonly=True',
        "machine",
        interleaved=True,
    ),
    Mutant(
        "a drain deletes marks that its snapshot did not see",
        SEQUENCER_SQL,
        '"DELETE FROM sync_pending WHERE tenant_id = :tenant AND id = ANY(:marks)"',
        '"DELETE FROM sync_pending WHERE tenant_id = :tenant AND id <= (SELECT max(id) + 1000 FROM unnest(CAST(:marks AS bigint[])) AS x (id))"',
        interleaved=True,
    ),
    Mutant(
        "drains do not lock their table",
        SEQUENCER_SQL,
        'f" LOCK TABLE {lock_table(tenant_id)} IN EXCLUSIVE MODE;"',
        '""',
        interleaved=True,
    ),
)
