"""API keys: which texts are keys, and what may be asked for."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from pixy_core import ApiKey, ApiKeyCreate, Scope, find_key_id

SECRET = "s" * 43
TOKEN = f"pixy_q7Rt2mXc0B_{SECRET}"


def test_the_id_of_a_key_is_read_from_it() -> None:
    assert find_key_id(TOKEN) == "q7Rt2mXc0B"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pixy_",
        TOKEN[:-1],
        f"{TOKEN}s",
        f"{TOKEN}\n",
        f" {TOKEN}",
        TOKEN.upper(),
        TOKEN.replace("q", "ä"),
        TOKEN.replace("q", "٣"),
        TOKEN.replace("q", "-"),
        TOKEN.replace("B_s", "B-s"),
    ],
)
def test_any_other_text_is_no_key(text: str) -> None:
    assert find_key_id(text) is None


def test_a_key_may_read_and_never_expires_unless_more_is_asked_for() -> None:
    asked = ApiKeyCreate(name="laptop")
    assert asked.scopes == (Scope.READ,)
    assert asked.expires_in_days is None


def test_scopes_are_a_set_in_one_order() -> None:
    asked = ApiKeyCreate.model_validate({"name": "a", "scopes": ["change", "read", "change"]})
    assert asked.scopes == (Scope.READ, Scope.CHANGE)


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": " a"},
        {"name": "a\n"},
        {"name": "a\u200bb"},
        {"name": "a" * 65},
        {"name": 1},
        {"scopes": []},
        {"scopes": ["admin"]},
        {"scopes": "read"},
        {"expires_in_days": 0},
        {"expires_in_days": 3651},
        {"expires_in_days": 1.5},
        {"expires_in_days": "7"},
        {"expires_in_days": True},
        {"secret": "s"},
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ApiKeyCreate.model_validate({"name": "a", **change})


def test_a_name_may_have_a_colon_and_any_script() -> None:
    assert ApiKeyCreate(name="n8n: Zürich 🦊").name == "n8n: Zürich 🦊"


def test_a_key_has_no_member_for_its_secret() -> None:
    key = ApiKey(
        id="q7Rt2mXc0B", owner="ada", name="a", scopes=(Scope.READ,), created_at=datetime.now(UTC)
    )
    assert not {"hash", "secret", "key", "token"} & set(key.model_dump())
