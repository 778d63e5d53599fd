"""No process starts on a secret that can be guessed."""

import base64
import secrets

import pytest

from app.config import Config, ConfigInvalid

SETTINGS = dict.fromkeys(("DATABASE_URL", "DATABASE_ENGINE_URL", "DATABASE_OWNER_URL"), "postgresql://x@/x")
DEFAULTS = ("secret", "changeme", "change-me", "development", "fieldmerge", "password")
GUESSED = {
    "nothing": "",
    "one letter short": secrets.token_hex(16)[:-1],
    "one letter over and over": "a" * 64,
    "few letters over and over": "abcdefg" * 10,
    "blanks": " " * 64,
    "counting": "0123456789abcdef" * 2,
    **{f"the default {word}": word for word in DEFAULTS},
    **{f"the default {word} over and over": word * 8 for word in DEFAULTS},
    **{f"the default {word} with dashes": "-".join([word] * 8) for word in DEFAULTS},
    **{f"the default {word} in changing case": (word + word.upper()) * 8 for word in DEFAULTS},
}


@pytest.mark.parametrize("what", GUESSED)
def test_a_secret_that_can_be_guessed_is_refused_and_not_repeated(what: str) -> None:
    secret = GUESSED[what]

    with pytest.raises(ConfigInvalid, match="FIELDMERGE_SECRET_KEY") as refused:
        Config.from_env(SETTINGS | {"FIELDMERGE_SECRET_KEY": secret})

    assert len(secret) < 12 or secret not in str(refused.value)


@pytest.mark.parametrize(
    "secret",
    [secrets.token_hex(16), base64.b64encode(secrets.token_bytes(32)).decode()],
    ids=["hexadecimal", "base64"],  # every process has to collect the same names
)
def test_a_random_one_of_32_bytes_is_taken(secret: str) -> None:
    assert Config.from_env(SETTINGS | {"FIELDMERGE_SECRET_KEY": secret}).secret_key == secret


def test_the_settings_do_not_print_it() -> None:
    secret = secrets.token_urlsafe(48)

    assert secret not in repr(Config.from_env(SETTINGS | {"FIELDMERGE_SECRET_KEY": secret}))


def test_webhooks_go_to_this_machine_by_one_word_only() -> None:
    whole = SETTINGS | {"FIELDMERGE_SECRET_KEY": secrets.token_urlsafe(48)}
    words = ("", "1", "true", "for-tests-only")
    told = {word: Config.from_env(whole | {"FIELDMERGE_WEBHOOKS_LOOPBACK": word}) for word in words}

    assert [word for word, config in told.items() if config.webhooks_loopback] == ["for-tests-only"]
