import pytest

from pixy_core import ConfigurationError
from pixy_service import (
    DEFAULT_OPENAI_BASE_URL,
    DEFAULT_OPENAI_MODEL,
    GENERATOR_NAMES,
    ImageGenerator,
    build_generator,
)


def build(
    name: str, api_key: str | None = "sk-secret", base_url: str | None = None
) -> ImageGenerator:
    return build_generator(
        name, api_key=api_key, base_url=base_url, model=DEFAULT_OPENAI_MODEL, timeout=180
    )


@pytest.mark.parametrize("name", GENERATOR_NAMES)
def test_each_generator_is_built_by_its_name(name: str) -> None:
    assert build(name).name == name


def test_the_sketch_needs_no_key() -> None:
    assert build("sketch", api_key=None).name == "sketch"


@pytest.mark.parametrize("name", ["", "Sketch", "dall-e"])
def test_an_unknown_name_is_refused_with_the_setting_and_what_to_set(name: str) -> None:
    with pytest.raises(ConfigurationError, match="set PIXY_GENERATOR=openai or"):
        build(name)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_is_refused_with_the_setting_and_what_to_set(key: str | None) -> None:
    with pytest.raises(ConfigurationError, match=r"set OPENAI_API_KEY.*PIXY_GENERATOR=sketch"):
        build("openai", api_key=key)


@pytest.mark.parametrize("key", ["sk-secret\n", "sk secret", "sk-sécret", "\0", "sk-\ud83d"])
def test_a_key_that_would_break_the_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
        build("openai", api_key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["api.openai.com", "ftp://host/v1", "http://", "http://[::1", "http://host:port/v1"]
)
def test_a_base_url_that_is_none_is_refused_with_the_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"OPENAI_BASE_URL={DEFAULT_OPENAI_BASE_URL}"):
        build("openai", base_url=url)
