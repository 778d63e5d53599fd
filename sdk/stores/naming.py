"""Names as JavaScript writes them."""


def camel(name: str) -> str:
    """``legal_name`` as ``legalName``."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def pascal(name: str) -> str:
    """``account_relation`` as ``AccountRelation``."""
    return "".join(part.title() for part in name.split("_"))


def plural(name: str) -> str:
    """``activity`` as ``activities``."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"
