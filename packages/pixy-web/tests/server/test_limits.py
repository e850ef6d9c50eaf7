"""Configurable maximum lengths: cases C113 and C290."""

from collections.abc import Callable

import pytest

from running_service import RunningService

LONG_NAME, LONG_PASSWORD = "a" * 9, "ä" * 33


@pytest.fixture
def limited(start_service: Callable[..., RunningService]) -> RunningService:
    return start_service(max_prompt_length=100, max_username_length=8, max_password_length=64)


@pytest.mark.case("C113")
def test_credentials_over_the_limits_are_refused_and_not_hashed(
    limited: RunningService,
) -> None:
    with limited.open_users() as users:
        users.add_user(LONG_NAME, "a password", "class")
        users.add_user("ada", LONG_PASSWORD, "class")
        users.add_user("a" * 8, "ä" * 32, "class")
    for client in (
        limited.client(LONG_NAME, "a password"),
        limited.client("ada", LONG_PASSWORD),
    ):
        # passwords that are hashed are counted, and get 429 from the sixth on
        answers = [client.get("/image") for _ in range(7)]
        assert {answer.status_code for answer in answers} == {401}
        assert answers[0].json()["code"] == "invalid_credentials"
    assert limited.client("a" * 8, "ä" * 32).get("/image").status_code == 200


@pytest.mark.case("C290")
def test_a_prompt_over_the_configured_limit_is_refused(limited: RunningService) -> None:
    client = limited.client(limited.add_user())
    for headers in ({}, {"Idempotency-Key": "a key"}):
        answer = client.post("/image", json={"prompt": "🦊" * 101}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
        assert answer.json()["errors"] == [
            {"location": ["body", "prompt"], "reason": "must have at most 100 characters"}
        ]
    assert limited.draw_image(client, "🦊" * 100)["prompt"] == "🦊" * 100


@pytest.mark.case("C290")
def test_the_document_contains_the_limit_of_a_prompt(
    limited: RunningService, service: RunningService
) -> None:
    for running, most in ((limited, 100), (service, 32_000)):
        schemas = running.client().get("/openapi.json").json()["components"]["schemas"]
        assert schemas["ImageRequest"]["properties"]["prompt"]["maxLength"] == most
