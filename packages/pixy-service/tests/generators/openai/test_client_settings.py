"""What is refused at the start because nobody could be asked with it, and what is let through."""

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx2
import pytest

from pixy_core import ConfigurationError
from pixy_service import DEFAULT_OPENAI_BASE_URL
from pixy_service.generators.openai.client_settings import check_base_url, check_environment

HTTPS, HTTP = "https://provider.invalid/v1", "http://provider.invalid/v1"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9100/v1",
        "https://[::1]/v1",
        "https://api.openai.com/v1/",
        "HTTPS://API.OpenAI.com",
        "http://my_gateway:4000",
        "https://bücher.example/v1",
        "https://xn--bcher-kva.example./v1;x=1/%20",
        "https://company.openai.azure.com/openai/v1/",
    ],
)
def test_a_valid_base_url_is_accepted(url: str) -> None:
    assert check_base_url(url) == url
    assert httpx2.Request("POST", url).url.host


@pytest.mark.parametrize("url", [f"{HTTP}\r\n", f"{HTTP} ", f" \t{HTTP}\n"])
def test_white_space_around_a_base_url_is_taken_off(url: str) -> None:
    assert check_base_url(url) == HTTP


@pytest.mark.parametrize("url", [None, "", " \n"])
def test_without_a_base_url_it_is_the_public_one(url: str | None) -> None:
    assert check_base_url(url) == DEFAULT_OPENAI_BASE_URL


@pytest.mark.parametrize(
    "url",
    [
        *(f"{HTTPS}?api-version=2025-04-01", f"{HTTPS}?", f"{HTTPS}#top", f"{HTTPS}#"),
        *("https://user:pass-of-it@host/v1", "https://user@host/v1", "https://@host/v1"),
        *("https://ho\nst/v1", "https://host/v 1", "https://ho\0st/v1", "https://host /v1"),
        *("host/v1", "ftp://host/v1", "http://", "http://:80/v1", "http:///v1"),
        *("http://[::1", "http://[v1.x]/v1", "http://[:::]/v1", "http://300.1.1.1/v1"),
        *("http://host:port/v1", "http://host:0/v1", "http://host:65536/v1", "http://host:-1/v1"),
        *("http://a..b/v1", f"http://{'a' * 64}.example/v1", "http://exa%20mple/v1"),
    ],
)
def test_an_invalid_base_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^OPENAI_BASE_URL .*or leave it out$") as caught:
        check_base_url(url)
    assert url not in str(caught.value)
    assert "pass-of-it" not in str(caught.value)


def test_an_empty_environment_is_fine() -> None:
    check_environment({}, HTTPS)


@pytest.fixture
def certificates() -> str:
    """Return a file of certificates of this machine's."""
    file = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    if not Path(file).is_file():
        pytest.skip("this machine has no file of certificates")
    return file


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "junk"])
@pytest.mark.parametrize("url", [HTTP, HTTPS])
def test_a_file_without_certificates_is_refused(kind: str, url: str, tmp_path: Path) -> None:
    file = tmp_path / "secret-place"
    if kind == "folder":
        file.mkdir()
    elif kind != "missing":
        file.write_text("" if kind == "empty" else "-----BEGIN CERTIFICATE-----\nx\n")
    with pytest.raises(ConfigurationError, match=r"^SSL_CERT_FILE ") as caught:
        check_environment({"SSL_CERT_FILE": str(file)}, url)
    assert "secret-place" not in str(caught.value)


def test_a_file_of_certificates_is_taken(certificates: str) -> None:
    # of both, httpx2 looks at the file alone
    check_environment({"SSL_CERT_FILE": certificates, "SSL_CERT_DIR": "/missing"}, HTTPS)


def test_a_folder_without_certificates_is_refused_where_they_are_needed(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        environment = {"SSL_CERT_DIR": str(folder)}
        check_environment(environment, HTTP)
        with pytest.raises(ConfigurationError, match=r"^SSL_CERT_DIR "):
            check_environment(environment, HTTPS)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl names the certificates")
def test_one_of_several_folders_has_the_certificates(certificates: str, tmp_path: Path) -> None:
    first = Path(certificates).read_text().partition("-----END CERTIFICATE-----")
    (tmp_path / "one.pem").write_text(first[0] + first[1] + "\n")
    subprocess.run(["openssl", "rehash", tmp_path], check=True, capture_output=True)
    check_environment({"SSL_CERT_DIR": f"/missing:{tmp_path}"}, HTTPS)


def test_a_key_log_that_can_t_be_written_is_refused(certificates: str, tmp_path: Path) -> None:
    check_environment({"SSLKEYLOGFILE": "/missing/log"}, HTTPS)  # read only with certificates
    environment = {"SSL_CERT_FILE": certificates, "SSLKEYLOGFILE": str(tmp_path / "log")}
    check_environment(environment, HTTPS)
    with pytest.raises(ConfigurationError, match=r"^SSLKEYLOGFILE "):
        check_environment(environment | {"SSLKEYLOGFILE": "/missing/log"}, HTTPS)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "proxy",
    [
        *("ftp://proxy", "socks4://proxy", "junk junk", "http://", "http://:3128", "://proxy"),
        *("http://[::1", "http://proxy:0", "http://proxy:65536", "http://pro\rxy", "http://a..b"),
        *("http://user:pass-of-it\n@proxy", "http://300.1.1.1"),
    ],
)
def test_a_proxy_that_is_none_is_refused_and_not_shown(name: str, proxy: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name} is not the URL of a proxy") as caught:
        check_environment({name: proxy}, HTTP)
    assert "pass-of-it" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://proxy", "socks5h://user:pass-of-it@proxy:1080"])
def test_a_socks_proxy_needs_its_package(proxy: str) -> None:
    # the package is not among what PixyProxy asks for
    with pytest.raises(ConfigurationError, match=r"^ALL_PROXY .*pip install socksio") as caught:
        check_environment({"ALL_PROXY": proxy}, HTTP)
    assert "pass-of-it" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "http://user:pass@proxy:3128/", "https://proxy", "127.0.0.1", ""]
)
def test_a_proxy_is_taken(proxy: str) -> None:
    check_environment({"HTTPS_PROXY": proxy, "NO_PROXY": "fd00::/8, [::1]:x, *.example"}, HTTPS)


def test_the_lower_case_of_a_proxy_s_variable_hides_the_other() -> None:
    check_environment({"HTTPS_PROXY": "ftp://proxy", "https_proxy": ""}, HTTPS)


@pytest.mark.parametrize("name", ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID"])
def test_an_id_that_can_t_be_sent_is_refused(name: str) -> None:
    for value in ("", "org-1", "two words"):
        check_environment({name: value}, HTTPS)
    for value in ("org-ü", "org\n", "org\r", " org", "org\t", "o\nrg", "org\0"):
        with pytest.raises(ConfigurationError, match=f"^{name} "):
            check_environment({name: value}, HTTPS)


def test_a_custom_header_that_can_t_be_sent_is_refused() -> None:
    fine = "Authorization: Basic x\r\n\nX-Empty:\n no header \n x_y : a b "
    check_environment({"OPENAI_CUSTOM_HEADERS": fine}, HTTPS)
    for line in (
        *("X: ü", "Ü: x", "X Y: a", ": a", "X: a\rb", "X: a\0"),
        *("Content-Length: 5", "TRANSFER-ENCODING : chunked"),
    ):
        with pytest.raises(ConfigurationError, match=r"^OPENAI_CUSTOM_HEADERS "):
            check_environment({"OPENAI_CUSTOM_HEADERS": f"{fine}\n{line}"}, HTTPS)
