"""Servers that break the protocol, each in one way: what the kit has to notice."""

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

Json = dict[str, Any]
SYNC = "/api/v1/sync"


@dataclass
class Lie:
    """What is done to a request on its way in, and to its answer on its way out."""

    name: str
    caught_by: str
    """A scenario that has to fail."""
    says: str
    before: Callable[["Talk"], None] = lambda talk: None
    after: Callable[["Talk"], None] = lambda talk: None


@dataclass
class Talk:
    """One request with its answer, as JSON; ``seen`` is what the liar remembers of all of them."""

    path: str
    asked: Any
    seen: dict[str, Any]
    again: Callable[[Any], tuple[int, Any]]
    status: int = 0
    told: Any = None
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def mutations(self) -> list[Json]:
        return self.asked.get("mutations") or [] if self.is_sync and isinstance(self.asked, dict) else []

    @property
    def is_sync(self) -> bool:
        return self.path == SYNC

    @property
    def verdicts(self) -> list[Json]:
        return self.told["verdicts"] if self.is_sync and self.status == 200 else []

    def answered(self, member: str) -> list[Json]:
        return self.told[member] if self.is_sync and self.status == 200 else []


class Liar:
    """The application behind a way that lies."""

    def __init__(self, app: Any, lie: Lie) -> None:
        self._app, self._lie, self._seen = app, lie, {}

    def __call__(self, environ: Json, start_response: Any) -> Iterable[bytes]:
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            asked = json.loads(body) if body else None
        except ValueError:
            asked = None
        head: list[Any] = []

        def ask(content: Any) -> tuple[int, Any]:
            raw = body if asked is None else json.dumps(content).encode()
            inner = dict(environ) | {"wsgi.input": io.BytesIO(raw), "CONTENT_LENGTH": str(len(raw))}
            head.clear()
            parts = self._app(inner, lambda status, headers, *_: head.extend((status, headers)))
            answer = b"".join(parts)
            try:
                return int(head[0].split()[0]), json.loads(answer)
            except ValueError:
                return int(head[0].split()[0]), answer

        talk = Talk(environ["PATH_INFO"], asked, self._seen, ask)
        self._lie.before(talk)
        talk.status, talk.told = ask(talk.asked)
        self._lie.after(talk)
        answer = talk.told if isinstance(talk.told, bytes) else json.dumps(talk.told).encode()
        headers = [(name, value) for name, value in head[1] if name.lower() != "content-length"]
        start_response(f"{talk.status} Told", [*headers, ("Content-Length", str(len(answer)))])
        return [answer]


def drops_a_change(talk: Talk) -> None:
    if talk.answered("changes"):
        talk.told["changes"].pop()


def doubles_a_change(talk: Talk) -> None:
    if talk.answered("changes"):
        talk.told["changes"].append(talk.told["changes"][0])


def repeats_a_page(talk: Talk) -> None:
    if talk.is_sync and talk.status == 200 and talk.told["has_more"] and talk.asked.get("cursor"):
        talk.told["cursor"] = talk.asked["cursor"]


def ends_too_early(talk: Talk) -> None:
    if talk.is_sync and talk.status == 200:
        talk.told["has_more"] = False


def never_says_rebase(talk: Talk) -> None:
    if talk.is_sync and talk.status == 200:
        talk.told["directives"] = []


def hides_removals(talk: Talk) -> None:
    if talk.answered("removed"):
        talk.told["removed"] = []


def remembers_versions(talk: Talk) -> None:
    for change in talk.answered("changes"):
        talk.seen[change["id"]] = change


def takes_the_last_writer(talk: Talk) -> None:
    """As if each edit had been made on what stands on the server: the whole row of the last one wins."""
    for one in talk.mutations:
        now = talk.seen.get(one["record_id"])
        if now and one["op"] in ("update", "delete"):
            one["base_version"] = now["version"]
            one["base"] = {name: now["record"].get(name) for name in one.get("fields") or {}}


def forgets_what_it_judged(talk: Talk) -> None:
    """Another id for each delivery: a replay is judged as new work."""
    for one in talk.mutations:
        fresh = str(uuid4())
        talk.kept[fresh] = one["id"]
        one["id"] = fresh


def gives_the_ids_back(talk: Talk) -> None:
    for verdict in talk.verdicts:
        verdict["id"] = talk.kept.get(verdict["id"], verdict["id"])


def says_yes_to_bad_values(talk: Talk) -> None:
    for verdict in talk.verdicts:
        if verdict["status"] == "rejected":
            verdict.update(status="applied", code=None, detail=None)


def changes_its_mind(talk: Talk) -> None:
    for verdict in talk.verdicts:
        if verdict["replayed"] and verdict["status"] == "rejected":
            verdict.update(status="applied", code=None)


def hides_conflicts(talk: Talk) -> None:
    for verdict in talk.verdicts:
        if verdict["status"] == "conflict":
            verdict.update(status="superseded", conflict_id=None)


def tears_groups(talk: Talk) -> None:
    for one in talk.mutations:
        one.pop("group", None)


def ignores_unsent_work(talk: Talk) -> None:
    if talk.is_sync and isinstance(talk.asked, dict) and isinstance(talk.asked.get("client"), dict):
        talk.asked["client"]["pending"] = 0


def believes_the_phones_clock(talk: Talk) -> None:
    if talk.is_sync and isinstance(talk.asked, dict):
        talk.asked["sent_at"] = "2026-01-01T00:00:00Z"
    for one in talk.mutations:
        one["age_ms"] = None


def takes_any_cursor(talk: Talk) -> None:
    if talk.is_sync and talk.status == 400 and talk.told.get("code") == "cursor_invalid":
        talk.status, talk.told = talk.again(talk.asked | {"cursor": None, "mutations": []})


def keeps_no_list_of_rejections(talk: Talk) -> None:
    if talk.path == "/api/v1/rejections" and talk.status == 200:
        talk.told["items"] = []


def tells_foreign_ids(talk: Talk) -> None:
    if talk.path == "/api/v1/accounts" and talk.status == 201:
        talk.seen[talk.told["id"]] = True
    asked = {one["id"]: one["record_id"] for one in talk.mutations}
    for verdict in talk.verdicts:
        if verdict["code"] == "not_found" and asked.get(verdict["id"]) in talk.seen:
            verdict["code"] = "forbidden"


def leaks_a_field(talk: Talk) -> None:
    for change in talk.answered("changes"):
        if change["entity"] == "account":
            change["record"].setdefault("payment_terms", "60일")


def takes_work_without_a_cursor(talk: Talk) -> None:
    if talk.is_sync and talk.status == 400 and talk.told.get("code") == "mutations_without_cursor":
        talk.status, talk.told = talk.again(talk.asked | {"mutations": []})


def drops_a_verdict(talk: Talk) -> None:
    if len(talk.verdicts) > 1:
        talk.told["verdicts"].pop()


def ignores_bad_bodies(talk: Talk) -> None:
    if talk.is_sync and talk.status in (400, 422):
        body = {"schema_version": 1, "cursor": None, "mutations": []}
        talk.status, talk.told = talk.again(body) if talk.asked is not None else (200, {})


def repairs_nothing(talk: Talk) -> None:
    if talk.path == "/api/v1/sync/repair" and talk.status == 200:
        talk.told |= {"changes": [], "removed": []}


def keeps_no_losers(talk: Talk) -> None:
    if talk.path.endswith("/history") and talk.status == 200:
        talk.told["items"] = [item for item in talk.told["items"] if item["op"] != "lost"]


def takes_groups_with_gaps(talk: Talk) -> None:
    """As if members could stand anywhere in the queue."""
    grouped: dict[str, list[int]] = {}
    for one in talk.mutations:
        grouped.setdefault(one.get("group") or "", []).append(one["n"])
    for one in talk.mutations:
        counted = grouped[one.get("group") or ""]
        if counted[-1] - counted[0] >= len(counted):
            one.pop("group", None)


def judges_by_place(talk: Talk) -> None:
    for one, n in zip(talk.mutations, sorted(one["n"] for one in talk.mutations), strict=True):
        one["n"] = n


def says_yes_to_stale_versions(talk: Talk) -> None:
    if talk.status == 412:
        talk.status = 200


def never_says_reauth(talk: Talk) -> None:
    if "reauth" in talk.answered("directives"):
        talk.told["directives"].remove("reauth")


def knows_no_schema_versions(talk: Talk) -> None:
    if talk.is_sync and isinstance(talk.asked, dict):
        talk.asked["schema_version"] = 1


def swallows_bombs(talk: Talk) -> None:
    if talk.status == 413:
        talk.status, talk.told = 200, {}


LIES = [
    Lie("drops-a-change", "push-and-pull", "leaves the last change of an answer out", after=drops_a_change),
    Lie("doubles-a-change", "first-sync-in-pages", "gives a record twice", after=doubles_a_change),
    Lie("repeats-a-page", "first-sync-in-pages", "gives the same page again for ever", after=repeats_a_page),
    Lie("ends-too-early", "first-sync-in-pages", "calls the first page a checkpoint", after=ends_too_early),
    Lie("never-says-rebase", "first-sync-in-pages", "says no directive", after=never_says_rebase),
    Lie("hides-removals", "push-and-pull", "names nothing that was removed", after=hides_removals),
    Lie(
        "last-writer-wins", "sets-by-element", "takes each edit as made on the newest version: the last whole row wins",
        before=takes_the_last_writer, after=remembers_versions,
    ),
    Lie(
        "applies-twice", "a-lost-answer", "judges a replay as new work",
        before=forgets_what_it_judged, after=gives_the_ids_back,
    ),
    Lie("yes-to-bad-values", "bad-values", "says `applied` to what it rejected", after=says_yes_to_bad_values),
    Lie("changes-its-mind", "a-lost-answer", "gives a replay another verdict", after=changes_its_mind),
    Lie(
        "hides-conflicts", "edit-of-a-deleted-record", "says `superseded` where a person has to decide",
        after=hides_conflicts,
    ),
    Lie("tears-groups", "groups-are-atomic", "judges the members of a group one by one", before=tears_groups),
    Lie("ignores-unsent-work", "unsent-work-holds-removals", "removes under unsent work", before=ignores_unsent_work),
    Lie(
        "believes-the-clock", "clocks-are-not-believed", "takes the phone's clock for true",
        before=believes_the_phones_clock,
    ),
    Lie("takes-any-cursor", "a-cursor-of-another-device", "starts over where it should refuse", after=takes_any_cursor),
    Lie(
        "works-without-cursor", "no-work-without-a-cursor", "answers a first sync that carries work",
        after=takes_work_without_a_cursor,
    ),
    Lie("lists-no-rejections", "bad-values", "forgets what it rejected", after=keeps_no_list_of_rejections),
    Lie(
        "tells-foreign-ids", "foreign-ids-are-unknown-ids", "says `forbidden` of what exists elsewhere",
        after=tells_foreign_ids,
    ),
    Lie("leaks-a-field", "shapes-by-role", "gives credit terms to technicians", after=leaks_a_field),
    Lie("drops-a-verdict", "several-edits-in-one-push", "leaves a verdict out", after=drops_a_verdict),
    Lie("ignores-bad-bodies", "bad-bodies", "answers 200 to a body out of form", after=ignores_bad_bodies),
    Lie("keeps-no-losers", "what-lost-is-kept", "leaves what lost out of the history", after=keeps_no_losers),
    Lie("takes-gaps-in-groups", "groups-out-of-form", "takes a group that has gaps", before=takes_groups_with_gaps),
    Lie("lets-groups-wait-in-parts", "a-group-that-waits", "lets only one member of a group wait", before=tears_groups),
    Lie("judges-by-place", "order-of-n", "judges by place in the request, whatever `n` says", before=judges_by_place),
    Lie(
        "takes-stale-versions", "edits-over-rest", "says 200 to an edit of an older version",
        after=says_yes_to_stale_versions,
    ),
    Lie("never-says-reauth", "a-copied-device", "does not notice that a device was copied", after=never_says_reauth),
    Lie("knows-no-versions", "newer-apps", "takes any schema version for its own", before=knows_no_schema_versions),
    Lie("swallows-bombs", "compressed-bodies", "takes 9 MB that were packed small", after=swallows_bombs),
    Lie("repairs-nothing", "damage-is-repaired", "has nothing to repair", after=repairs_nothing),
]  # fmt: skip
