"""Requests that did not reach the provider, and answers without an image: C830 and C831."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provider import Provider
from running_service import RunningService


@pytest.mark.case("C830")
def test_a_request_that_can_t_be_sent_is_not_billed_and_runs_again(
    start_service: Callable[..., RunningService],
    provider: Provider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = start_service(
        generator="openai", openai_api_key="sk-of-the-test", openai_base_url=provider.base_url
    )
    client, key = service.sign_in(), {"Idempotency-Key": "key"}
    # as if the file were removed after the start
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    answer = client.post("/image", json={"prompt": "a fox"}, headers=key)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "provider_not_asked")
    assert (problem["billed"], problem["retryable"]) == ("no", True)
    assert int(answer.headers["retry-after"]) > 0
    assert str(tmp_path) not in answer.text
    assert provider.paid_requests == 0
    (creation,) = client.get("/image", params={"status": "failed"}).json()
    assert creation["problem"]["code"] == "provider_not_asked"
    monkeypatch.delenv("SSL_CERT_FILE")
    assert client.post("/image", json={"prompt": "a fox"}, headers=key).status_code == 201


@pytest.mark.case("C831")
def test_a_paid_answer_that_is_not_an_image_is_kept_and_not_shown(
    patient: RunningService, provider: Provider
) -> None:
    provider.behave("wrong_shape")
    client = patient.sign_in()
    answer = client.post("/image", json={"prompt": "a fox"})
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_sent_no_image")
    (creation,) = client.get("/image", params={"status": "failed"}).json()
    kept = patient.settings.data_dir / "quarantine" / f"{creation['guid']}.answer"
    assert json.loads(kept.read_bytes()) == {"created": 1, "data": "image"}
    assert "quarantine" not in answer.text
    assert client.get(f"/image/{creation['guid']}/content").status_code == 404
