"""Which policies a document meets, and whom they ask together."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.approvals.models import ApprovalPolicy, Metric

# What a policy may name without telling a rep of costs.
OPEN_METRICS: Final = frozenset(Metric) - {Metric.MARGIN_PERCENT}
# By these two entries of a plan ask the same.
SAME: Final = ("approver", "height", "role", "user_id")


def matching_policies(
    session: Session, tenant_id: UUID, kind: str, metrics: Mapping[str, Decimal]
) -> list[ApprovalPolicy]:
    """Active policies for *kind* whose threshold the metrics pass, the strictest first.

    Stricter is the higher priority, then the threshold that is harder to pass, then the more levels.
    """
    policies = session.scalars(
        select(ApprovalPolicy).where(
            ApprovalPolicy.tenant_id == tenant_id,
            ApprovalPolicy.document_kind == kind,
            ApprovalPolicy.active.is_(True),
            ApprovalPolicy.deleted_at.is_(None),
        )
    )
    return sorted((p for p in policies if passes(p.metric, p.threshold, metrics)), key=_strictness)


def passes(metric: Metric, threshold: Decimal, metrics: Mapping[str, Decimal]) -> bool:
    """Whether a metric asks for approval: above the threshold, the margin below it; at it neither."""
    value = metrics.get(metric)
    if value is None:
        return False
    return value < threshold if metric is Metric.MARGIN_PERCENT else value > threshold


def plan_of(policies: Iterable[ApprovalPolicy]) -> list[dict[str, Any]]:
    """The steps that *policies* (the strictest first) ask for together: level by level, each approver once.

    An approver whom several ask has the shortest of their times. The n-th manager of one policy is the n-th of
    the reporting line.
    """
    levels: dict[int, list[dict[str, Any]]] = {}
    for policy in policies:
        for level, entry in enumerate(with_heights(policy.levels), 1):
            known = levels.setdefault(level, [])
            same = next((one for one in known if _key(one) == _key(entry)), None)
            if same is None:
                known.append({"level": level, **entry})
            else:
                same["escalate_after_h"] = min(same["escalate_after_h"], entry["escalate_after_h"])
    return [entry for level in sorted(levels) for entry in levels[level]]


def with_heights(levels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The levels of one policy; each manager with their height in the reporting line."""
    found, height = [], 0
    for entry in levels:
        if entry["approver"] == "manager":
            height += 1
            found.append({**entry, "height": height})
        else:
            found.append(dict(entry))
    return found


def triggered_by(policies: Iterable[ApprovalPolicy], metrics: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    """What asked, for the office: the policy, its threshold and the document's value."""
    return [
        {
            "policy_id": str(policy.id),
            "name": policy.name,
            "metric": str(policy.metric),
            "threshold": f"{policy.threshold:f}",
            "value": f"{metrics[policy.metric]:f}",
        }
        for policy in policies
    ]


def reasons_of(policies: Iterable[ApprovalPolicy]) -> list[str]:
    """The metrics that asked, each once, for everybody."""
    return list(dict.fromkeys(str(p.metric) for p in policies if p.metric in OPEN_METRICS))


def _strictness(policy: ApprovalPolicy) -> tuple[Any, ...]:
    hard = policy.threshold if policy.metric is Metric.MARGIN_PERCENT else -policy.threshold
    return (-policy.priority, str(policy.metric), hard, -len(policy.levels), str(policy.id))


def _key(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(name) for name in SAME)
