"""Logins: one form for every way to type them."""

import unicodedata


def normal_login(login: str) -> str:
    """Lower case, composed, without surrounding space: ``' Kim '`` and ``'kim'`` are one person."""
    return unicodedata.normalize("NFKC", login).strip().casefold()
