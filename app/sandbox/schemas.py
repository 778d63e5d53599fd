"""Wire forms of a sandbox."""

from app.http.fields import Integer, Time, WireSchema


class SandboxSchema(WireSchema):
    """When the company goes back to its kept state, and when it last did."""

    every_s = Integer(dump_only=True, allow_none=True, metadata={"example": 86400})
    kept_at = Time(dump_only=True)
    last_reset_at = Time(dump_only=True, allow_none=True)
    next_reset_at = Time(dump_only=True, allow_none=True)
    resets = Integer(dump_only=True, metadata={"example": 3})
