"""Broken streams of partial images, and processes that die during one: rows F26 and F27."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from deployment import Deployment, wait_until

OUTCOMES = {
    "events_cut": (502, "outcome_unknown", "unknown", "unknown"),
    "events_without_end": (502, "outcome_unknown", "unknown", "unknown"),
    "events_error": (502, "outcome_unknown", "unknown", "unknown"),
    "events_broken_json": (502, "outcome_unknown", "unknown", "unknown"),
    "events_odd": (502, "outcome_unknown", "unknown", "unknown"),
    "events_moderation_blocked": (422, "prompt_rejected", "no", "failed"),
    "events_insufficient_quota": (503, "provider_quota_exhausted", "no", "failed"),
    "events_completed_without_image": (502, "provider_sent_no_image", "yes", "failed"),
    "events_completed_with_junk": (502, "provider_sent_no_image", "yes", "failed"),
    # before the stream starts
    "bad_request": (502, "provider_refused_request", "no", "failed"),
    "reset": (502, "outcome_unknown", "unknown", "unknown"),
}
PARTIALS = {"PIXY_PARTIAL_IMAGES": "2"}
Deploy = Callable[..., Deployment]


def partials(deployment: Deployment) -> list[str]:
    """Return the guids of the creations with a stored partial image."""
    return [path.name[:36] for path in deployment.data.rglob("*.partial.*.part")]


@pytest.mark.slow
@pytest.mark.fault("F26")
def test_each_end_of_a_stream_has_its_outcome(deploy: Deploy) -> None:
    deployment = deploy(**PARTIALS)
    deployment.pixy.start()
    for behaviour, (status, code, billed, state) in OUTCOMES.items():
        deployment.provider.behave(behaviour)
        before = deployment.creations()
        answer = deployment.post(f"streamed with {behaviour}", behaviour)
        told = answer.status_code, answer.json()["code"], answer.json()["billed"]
        assert told == (status, code, billed), behaviour
        (guid,) = set(deployment.creations()) - set(before)
        assert deployment.creations()[guid] == state, behaviour
        if billed == "no":
            continue
        again = deployment.post(f"streamed with {behaviour}", behaviour)
        assert (again.status_code, again.json()["code"]) == (status, code), behaviour
        assert deployment.provider.purchases.count(f"streamed with {behaviour}") == 1
    wait_until(lambda: not partials(deployment))


@pytest.mark.slow
@pytest.mark.fault("F26")
def test_no_stream_exceeds_the_deadline(deploy: Deploy) -> None:
    deployment = deploy(PIXY_GENERATION_TIMEOUT="3", **PARTIALS)
    deployment.pixy.start()
    for behaviour in ("events_drip", "events_stall", "silent"):
        deployment.provider.behave(behaviour)
        answer = deployment.post(f"streamed with {behaviour}")
        assert (answer.status_code, answer.json()["code"]) == (504, "generation_timeout")
        assert answer.json()["billed"] == "unknown"
    wait_until(lambda: list(deployment.creations().values()) == ["unknown"] * 3)
    wait_until(lambda: not partials(deployment))


@pytest.mark.slow
@pytest.mark.fault("F27")
def test_the_server_is_killed_between_a_partial_image_and_the_image(deploy: Deploy) -> None:
    deployment = deploy(**PARTIALS)
    deployment.pixy.start()
    before = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads, deployment.provider.unfinished():
        lost = threads.submit(deployment.post, "dies half seen", "k")
        wait_until(lambda: partials(deployment))
        deployment.crash()
        assert isinstance(lost.exception(), httpx2.TransportError)
    # the kill may leave the partial image twice: with and without its final name
    (guid,) = set(partials(deployment))
    deployment.pixy.start()
    wait_until(lambda: "pending" not in deployment.creations().values())
    assert deployment.creations() == {guid: "unknown"}
    for _ in range(2):
        again = deployment.post("dies half seen", "k")
        assert (again.status_code, again.json()["code"]) == (502, "outcome_unknown")
    with deployment.client() as ada:
        assert ada.get(f"/image/{guid}/preview").status_code == 204
    assert deployment.provider.paid_requests == before + 1
    assert deployment.rows() == {}
    wait_until(lambda: not partials(deployment))
