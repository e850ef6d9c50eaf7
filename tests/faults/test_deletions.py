"""Deleted images whose files could not be removed immediately: rows F52 and F53."""

from pathlib import Path

import httpx2
import pytest

from deployment import Deployment
from syscalls import Strace


def is_gone(deployment: Deployment, guid: str) -> bool:
    """Return whether an image is neither shown nor sent to its owner."""
    with deployment.client() as ada:
        answers = [ada.get(f"/image/{guid}"), ada.get(f"/image/{guid}/content")]
        listed = ada.get("/image").text
    return [answer.status_code for answer in answers] == [404, 404] and guid not in listed


@pytest.mark.slow
@pytest.mark.fault("F52")
def test_the_file_can_t_be_removed(deployment: Deployment) -> None:
    guid = deployment.make_image("to be deleted")
    deployment.deleted.add(guid)
    file = deployment.files()[f"{guid}.png"]
    content = file.read_bytes()
    file.unlink()
    file.mkdir()  # unlink refuses a folder, for root as well
    with deployment.client() as ada:
        assert ada.delete(f"/image/{guid}").status_code == 204
    assert is_gone(deployment, guid)
    file.rmdir()
    file.write_bytes(content)
    assert is_gone(deployment, guid)
    deployment.wait_for_recovery()
    assert not file.exists()


@pytest.mark.fault("F53")
def test_the_server_is_killed_between_the_row_and_the_file(
    deployment: Deployment, tmp_path: Path
) -> None:
    guid = deployment.make_image("to be deleted")
    deployment.deleted.add(guid)
    file = deployment.files()[f"{guid}.png"]
    # the first call is for the journal's entry, before the transaction ends
    inject = "unlink:signal=KILL:when=2"
    strace = Strace(deployment.pixy.process_id, tmp_path / "killed", "unlink", inject)
    with pytest.raises(httpx2.TransportError), deployment.client() as ada:
        ada.delete(f"/image/{guid}")
    strace.stop()
    assert guid not in deployment.rows()
    assert file.exists()
    deployment.crash()
    deployment.pixy.start()
    assert is_gone(deployment, guid)
    deployment.wait_for_recovery()
    assert not file.exists()
