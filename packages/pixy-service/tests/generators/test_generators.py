import pytest

from pixy_core import ConfigurationError
from pixy_service import (
    DEFAULT_OPENAI_BASE_URL,
    OpenAIGenerator,
    SketchGenerator,
)


def test_a_generator_has_the_name_of_its_setting() -> None:
    assert SketchGenerator().name == "sketch"
    assert OpenAIGenerator("sk-secret").name == "openai"


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_is_refused_with_the_setting_and_what_to_set(key: str | None) -> None:
    with pytest.raises(ConfigurationError, match=r"set OPENAI_API_KEY.*PIXY_GENERATOR=sketch"):
        OpenAIGenerator(key)


@pytest.mark.parametrize("key", ["sk-secret\n", "sk secret", "sk-sécret", "\0", "sk-\ud83d"])
def test_a_key_that_would_break_the_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
        OpenAIGenerator(key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["api.openai.com", "ftp://host/v1", "http://", "http://[::1", "http://host:port/v1"]
)
def test_an_invalid_base_url_is_refused_with_the_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"OPENAI_BASE_URL={DEFAULT_OPENAI_BASE_URL}"):
        OpenAIGenerator("sk-secret", base_url=url)
