"""A paid answer without an image: row F36."""

import json

import pytest

from deployment import Deployment


@pytest.mark.fault("F36")
def test_a_paid_answer_without_an_image_is_kept_for_the_operator(deployment: Deployment) -> None:
    deployment.provider.behave("null_data")
    before = set(deployment.creations())
    answer = deployment.post("paid for and not an image", "kept")
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_sent_no_image")
    (guid,) = set(deployment.creations()) - before
    folder = deployment.data / "quarantine"
    kept = folder / f"{guid}.answer"
    assert json.loads(kept.read_bytes()) == {"created": 1, "data": None}
    note = json.loads((folder / f"{guid}.json").read_bytes())
    assert (note["owner"], note["prompt"]) == ("ada", "paid for and not an image")
    assert [kept.stat().st_mode & 0o777, folder.stat().st_mode & 0o777] == [0o600, 0o700]
    lines = [line for line in deployment.pixy.log.splitlines() if kept.name in line]
    assert [" CRITICAL " in line for line in lines] == [True]
    # neither file is reported as an orphan
    assert "Problems left: 0." in deployment.pixy.run("check", "--min-age", "0")
