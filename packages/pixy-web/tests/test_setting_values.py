"""Settings that are lists: their syntax and invalid values."""

import pytest

from pixy_core import ConfigurationError
from pixy_web.settings import Settings


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("ALLOWED_HOSTS", "Pixy.example, [::1]", "pixy.example,[::1]"),
        ("ALLOWED_HOSTS", "", ""),
        ("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8 , ::1", "127.0.0.1,10.0.0.0/8,::1"),
        ("CORS_ORIGINS", "https://a.example, http://b:8080", "https://a.example,http://b:8080"),
    ],
)
def test_a_list_is_written_with_commas(
    name: str, text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PIXY_{name}", text)
    assert Settings.load().masked()[f"PIXY_{name}"] == shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ALLOWED_HOSTS", "https://pixy.example"),
        ("ALLOWED_HOSTS", "pixy.example:443"),
        ("ALLOWED_HOSTS", "*"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.example/"),
        ("CORS_ORIGINS", "a.example"),
    ],
)
def test_an_invalid_part_of_a_list_is_an_error(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PIXY_{name}", text)
    with pytest.raises(ConfigurationError, match=f"PIXY_{name}: must be"):
        Settings.load()
