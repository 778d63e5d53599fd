"""SQL text that renders a record's JSON body: compact, keys in wire order, the bytes of REST."""

from functools import cache

from sync.policy import Field, Kind, SyncEntity

ID, VERSION = slice(7, 43), 55
"""Where a body that ``body_sql`` renders has its id, and where the digits of its version begin."""


def body_sql(entity: SyncEntity, shape: str, alias: str = "t") -> str:
    """An expression over *alias* (a row of the entity's table) that gives the body in *shape*."""
    pairs = [f"""'{{"id":"' || {alias}.id || '","version":' || {alias}.version"""]
    pairs += [
        f"""',"{name}":' || {_value(name, f, alias, shape)}""" for name, f in entity.fields_of(shape).items()
    ]
    return "(" + " || ".join(pairs) + " || '}')"


def whole_sql(entity: SyncEntity, alias: str = "t") -> str:
    """The same with every field of the entity, for the server's own eyes."""
    pairs = [f"""'{{"id":"' || {alias}.id || '","version":' || {alias}.version"""]
    pairs += [f"""',"{name}":' || {_value(name, f, alias, "manager")}""" for name, f in entity.fields.items()]
    return "(" + " || ".join(pairs) + " || '}')"


def _value(name: str, field: Field, alias: str, shape: str) -> str:
    if field.sql is not None:
        return f"coalesce(({field.sql.replace('{shape}', shape)})::text, 'null')"
    if field.kind is Kind.ROWS:
        return _rows(field, alias)
    return _column(f"{alias}.{field.column or name}", field.kind)


def _rows(field: Field, alias: str) -> str:
    cells = """'{"id":"' || p.id || '"'""" + "".join(
        f""" || ',"{name}":' || {_column(f"p.{f.column or name}", f.kind)}"""
        for name, f in field.rows.items()
    )
    order = "p.position, p.id" if "position" in field.rows else "p.id"
    return (
        f"'[' || coalesce((SELECT string_agg({cells} || '}}', ',' ORDER BY {order}) FROM {field.table} p"  # noqa: S608  (names from the declarations)
        f" WHERE p.tenant_id = {alias}.tenant_id AND p.{field.root} = {alias}.id), '') || ']'"
    )


@cache
def _column(column: str, kind: Kind) -> str:
    match kind:
        case Kind.INTEGER | Kind.BOOLEAN | Kind.JSON:
            return f"coalesce({column}::text, 'null')"
        case Kind.MONEY:
            return f"wire_number({column}::numeric(18,4))"
        case Kind.QUANTITY:
            return f"wire_number({column}::numeric(18,6))"
        case Kind.TIME:
            return f"wire_time({column})"
        case Kind.DATE:
            return f"wire_date({column})"
        case Kind.TEXTS:
            return f"wire_texts({column})"
        case Kind.POINT:
            return (
                f"""coalesce('{{"lat":' || wire_float({column}[1]) || ',"lon":' || """
                f"""wire_float({column}[2]) || '}}', 'null')"""
            )
        case _:
            return f"coalesce(to_json({column})::text, 'null')"
