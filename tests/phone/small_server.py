"""A server in one file that does what the protocol says for a few records, and remembers it over a kill."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from examples.phone import Reply
from examples.phone.transport import plain
from tests.phone.scripted import page, reply, tokens

Json = dict[str, Any]


class SmallServer:
    """Takes creates and updates, once each; gives pages of two records, and starts over when told to.

    Its state is written to a file before it answers: a phone that dies has been heard all the same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state: Json = {
            "mutations": {},
            "records": {},
            "log": [],
            "life": 1,
            "now": "2026-11-21T09:00:00Z",
        }
        if path.exists():
            self.state = json.loads(path.read_text())

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        content = json.loads(plain(body, headers.get("Content-Encoding"))) if body else {}
        if path.endswith("/auth/login"):
            return reply(tokens())
        if path.endswith("/sync/schema"):
            return reply({"windows": {"keep_acknowledged_days": 7}})
        answer = self.answer(content)
        self.path.write_text(json.dumps(self.state))
        return reply(answer)

    def close(self) -> None:
        pass

    def answer(self, content: Json) -> Json:
        life, log = self.state["life"], self.state["log"]
        cursor = content["cursor"]
        rebase = cursor is None or json.loads(cursor)[0] != life
        verdicts = [] if rebase else [self.judged(m) for m in content["mutations"]]
        start = 0 if rebase else json.loads(cursor)[1]
        part = log[start : start + 2]
        end = start + len(part)
        pending = content["client"]["pending"] or (rebase and content["mutations"])
        return page(
            verdicts=verdicts,
            changes=[
                {"entity": "account", "id": i, "version": r["version"], "record": r}
                for i in dict.fromkeys(part)
                for r in [self.state["records"][i]]
            ],
            directives=["rebase"] if rebase else [],
            cursor=json.dumps([life, end]),
            epoch=f"{life:08}-0000-4000-8000-000000000000",
            has_more=end < len(log) or bool(pending),
            server_time=self.state["now"],
        )

    def judged(self, mutation: Json) -> Json:
        sent = {k: v for k, v in mutation.items() if k not in ("age_ms", "n")}
        first = self.state["mutations"].get(mutation["id"])
        assert first is None or first == sent, "a mutation changed after it was first sent"
        if first is None:
            self.state["mutations"][mutation["id"]] = sent
            self.write(mutation["record_id"], mutation["fields"])
        record = self.state["records"][mutation["record_id"]]
        return {
            "id": mutation["id"],
            "status": "applied",
            "code": None,
            "version": record["version"],
            "record": record,
            "replayed": first is not None,
        }

    def write(self, record_id: str, fields: Json) -> None:
        """A change by anybody."""
        old = self.state["records"].get(record_id, {"id": record_id, "version": 0})
        self.state["records"][record_id] = old | fields | {"version": old["version"] + 1}
        self.state["log"].append(record_id)

    def restore(self, backup: Json) -> None:
        """Put an older state in place; a new life begins."""
        self.state = backup | {"life": self.state["life"] + 1}
        self.path.write_text(json.dumps(self.state))
