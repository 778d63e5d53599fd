"""What can go wrong with orders, shipments and returns."""

from app.core.errors import Conflict, Disputed, Forbidden, RuleViolation


class OrderNotYours(Forbidden):
    """The order is another person's, and only the office may act on those."""

    code = "order.not_yours"


class OrderEmpty(RuleViolation):
    """An order without lines cannot be submitted."""

    code = "order.empty"


class OrderNotPriced(RuleViolation):
    """Lines have no price. ``details``: ``problems`` (line_id and code of each)."""

    code = "order.not_priced"


class OrderPriceDiffers(Disputed):
    """The server's price lies too far from the phone's. ``details``: ``mine`` and ``theirs``, both traces."""

    code = "order.price_differs"


class OrderFrozen(Conflict):
    """Only drafts take edits: reopen the order first. ``details``: ``status``."""

    code = "record_frozen"


class OrderNumbered(Conflict):
    """An order that has a number stays in the books: cancel it instead. ``details``: ``number``."""

    code = "order.numbered"


class FieldFixed(RuleViolation):
    """A field that is set when the record is made, and never afterwards. ``details``: ``field``."""

    code = "read_only_field"


class LineListedTwice(RuleViolation):
    """A line's id, or the same goods, stand twice in one list."""

    code = "duplicate_item"


class LineInvalid(RuleViolation):
    """A line's values contradict each other. ``details``: ``line_id``, ``field``."""

    code = "order.line_invalid"


class CurrencyUnknown(RuleViolation):
    """No such currency. ``details``: ``field``."""

    code = "currency_invalid"


class NoPolicyForRelease(RuleViolation):
    """No approval policy covers what the order needs: an admin has to make one."""

    code = "order.no_approval_policy"


class NothingToRelease(Conflict):
    """Nothing about the order's credit asks for an approval."""

    code = "order.nothing_to_release"


class ReleasePending(Conflict):
    """An approval of this order is being asked for already."""

    code = "order.release_pending"


class CreditExceeded(Conflict):
    """Goods may not leave: the account is over its credit. ``details``: ``findings``."""

    code = "order.credit_exceeded"


class QuantityNotOpen(RuleViolation):
    """More than is open of an item. ``details``: ``item``, ``open``."""

    code = "order.quantity_not_open"


class InspectionIncomplete(RuleViolation):
    """The inspection does not say of each item how many were good. ``details``: ``items``."""

    code = "order_return.inspection_incomplete"


class LimitTaken(Conflict):
    """The person or role has a limit already."""

    code = "discount_limit.taken"


class LimitOfNobody(RuleViolation):
    """A limit is either a person's or a role's."""

    code = "discount_limit.whose"


class WarehouseCodeTaken(Conflict):
    """Another warehouse has the code."""

    code = "warehouse.code_taken"
