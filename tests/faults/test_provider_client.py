"""Local settings and faults that prevent requests to the provider: rows F34 and F35."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from deployment import Deployment

UNUSABLE = {
    "OPENAI_BASE_URL": "https://ada:pass-of-it@provider.invalid/v1?api-version=2025-04-01",
    "OPENAI_API_KEY": "sk-of-the-test\n",
    "OPENAI_ORG_ID": "org-1\r\n",
    "OPENAI_PROJECT_ID": "project ü",
    "OPENAI_CUSTOM_HEADERS": "Content-Length: 5",
    "SSL_CERT_FILE": "/missing.pem",
    "ALL_PROXY": "socks5://ada:pass-of-it@127.0.0.1:9",
    "HTTPS_PROXY": "ftp://ada:pass-of-it@127.0.0.1:9",
}


@pytest.mark.slow
@pytest.mark.fault("F34")
def test_settings_that_no_client_can_use_are_refused_at_the_start(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy()
    environment = deployment.pixy.environment
    before, connections = environment.copy(), deployment.provider.connections
    for name, value in UNUSABLE.items():
        environment[name] = value
        with pytest.raises(subprocess.CalledProcessError) as caught:
            deployment.pixy.run("serve", "--port", "0")
        said = caught.value.stderr
        assert (caught.value.returncode, f"\npixy: {name} " in f"\n{said}") == (2, True), said
        assert "Traceback" not in said
        assert "pass-of-it" not in said
        # `pixy config` still shows the settings, secrets masked
        assert "pass-of-it" not in deployment.pixy.run("config")
        environment.clear()
        environment.update(before)
    assert deployment.provider.connections == connections


@pytest.mark.fault("F35")
def test_a_client_that_breaks_later_is_not_billed_and_recovers(
    deploy: Callable[..., Deployment], tmp_path: Path
) -> None:
    certificates = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(certificates))
    deployment = deploy(SSL_CERT_FILE=str(certificates))
    deployment.pixy.start()
    away = certificates.rename(tmp_path / "away.pem")
    paid = deployment.provider.paid_requests
    answer = deployment.post("asked once the client is mended", "key")
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_not_asked")
    assert (answer.json()["billed"], answer.json()["retryable"]) == ("no", True)
    assert "retry-after" in answer.headers
    assert list(deployment.creations().values()) == ["failed"]
    assert deployment.provider.paid_requests == paid
    away.rename(certificates)
    assert deployment.post("asked once the client is mended", "key").status_code == 201
