"""Models that the provider shuts down: refused at start, warned of before."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from new_databases import create_tables
from pixy_core import ConfigurationError
from pixy_service import (
    ModelInfo,
    OpenAIGenerator,
    Services,
    SketchGenerator,
    check_models,
    open_services,
)
from pixy_service.generators.model_guard import WARNING_DAYS, today
from pixy_service.generators.openai.models import MAX_LIST_BYTES, read_models
from provider import Provider
from provider_answers import Answer
from provider_models import LISTS

PATIENCE = 30
OWN = "gpt-image-2"


def in_days(days: int) -> str:
    return (today() + timedelta(days=days)).isoformat()


def tell(provider: Provider, **dates: str | None) -> None:
    """Let the provider tell these models; underscores in their names are hyphens."""
    models = [
        {"id": name.replace("_", "-").replace("--", "."), "shutdown_date": moment}
        for name, moment in dates.items()
    ]
    provider.models = Answer(200, {"object": "list", "data": models})


def open_generator(provider: Provider, *further: str) -> OpenAIGenerator:
    return OpenAIGenerator(
        "k", base_url=provider.base_url, model=OWN, further_models=further, timeout=PATIENCE
    )


def refuse(provider: Provider, *further: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check_models(open_generator(provider, *further), PATIENCE)
    return str(caught.value)


def wait_for_warnings(services: Services) -> list[str]:
    deadline = time.monotonic() + PATIENCE
    while not services.list_warnings():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return services.list_warnings()


@pytest.fixture
def open_guarded(tmp_path: Path, database_url: str, provider: Provider) -> Callable[..., Services]:
    create_tables(database_url)
    return lambda *further: open_services(
        database_url=database_url, data_dir=tmp_path, generator=open_generator(provider, *further)
    )


@pytest.mark.parametrize("days", [0, -1, -400])
def test_a_dead_model_is_refused_with_the_line_to_change(provider: Provider, days: int) -> None:
    tell(provider, gpt_image_2=in_days(days), gpt_image_2__5_flare=None, gpt_4o=None)
    expected = f"{OWN} was shut down on {in_days(days)}: set PIXY_OPENAI_MODEL=gpt-image-2.5-flare"
    assert refuse(provider).endswith(expected)
    assert (provider.model_requests, provider.paid_requests) == (1, 0)


def test_a_further_model_that_is_dead_is_refused_too(provider: Provider) -> None:
    tell(provider, gpt_image_2=None, old=in_days(-1), gpt_image_3=None)
    assert refuse(provider, "old", "unknown") == (
        f"The model old was shut down on {in_days(-1)}: "
        "remove it from PIXY_OPENAI_FURTHER_MODELS, or name gpt-image-3 there"
    )


def test_the_replacement_is_the_newest_model_that_lives_on(provider: Provider) -> None:
    tell(
        provider,
        gpt_image_2=in_days(-1),
        gpt_image_2__6_flare=in_days(WARNING_DAYS),
        gpt_image_2__5_sunburst=in_days(WARNING_DAYS + 1),
        gpt_image_2__5_flare_2026_09_08=None,
        gpt_image_1__5=None,
        chatgpt_image_latest=None,
    )
    assert refuse(provider).endswith("set PIXY_OPENAI_MODEL=gpt-image-2.5-sunburst")
    tell(provider, gpt_image_2=in_days(-1), gpt_4o=None)
    assert refuse(provider).endswith(
        "set PIXY_OPENAI_MODEL to a model of https://platform.openai.com/docs/models"
    )


def test_a_model_that_lives_is_accepted(provider: Provider) -> None:
    tell(provider, gpt_image_2=in_days(1), gpt_image_1=in_days(-1))
    check_models(open_generator(provider), PATIENCE)
    check_models(SketchGenerator(), PATIENCE)


@pytest.mark.parametrize("listed", [*sorted(set(LISTS) - {"dated"}), "odd", "too long"])
def test_a_provider_that_tells_no_dates_is_no_error(
    provider: Provider, listed: str, caplog: pytest.LogCaptureFixture
) -> None:
    odd = [7, None, {}, {"id": 7}, {"id": OWN, "shutdown_date": "soon"}, {"id": OWN}]
    dead = b'{"data": [{"id": "%s", "shutdown_date": "2001-01-01"}]}' % OWN.encode()
    further = {
        "odd": Answer(200, {"data": odd}),
        "too long": Answer(200, b" " * MAX_LIST_BYTES + dead),
    }
    provider.models = (LISTS | further)[listed]
    check_models(open_generator(provider), PATIENCE)
    ours = [record for record in caplog.records if record.name.startswith("pixy_service")]
    assert [record for record in ours if record.levelno > logging.INFO] == []
    assert provider.model_requests == 1


def test_a_provider_that_can_t_be_reached_is_no_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    check_models(OpenAIGenerator("k", base_url=url), PATIENCE)


def test_a_provider_that_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        checked = threading.Thread(
            target=check_models, args=(OpenAIGenerator("k", base_url=url), 0.1)
        )
        checked.start()
        checked.join(5)
        assert not checked.is_alive()


def test_the_key_is_sent_and_never_logged(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.models = Answer(401, {"error": {"message": "wrong key: sk-secret", "code": None}})
    caplog.set_level(logging.DEBUG, "pixy_service")
    generator = OpenAIGenerator("sk-secret", base_url=provider.base_url)
    assert generator.list_provider_models() == []
    assert "sk-secret" not in caplog.text


@pytest.mark.parametrize(("days", "verb"), [(WARNING_DAYS, "will be"), (1, "will be"), (0, "was")])
def test_a_model_is_warned_of_from_sixty_days_before(
    provider: Provider,
    open_guarded: Callable[..., Services],
    caplog: pytest.LogCaptureFixture,
    days: int,
    verb: str,
) -> None:
    tell(provider, gpt_image_2=in_days(days), gpt_image_3=None)
    with open_guarded() as services:
        (warning,) = wait_for_warnings(services)
        services.check_ready()
    assert warning == (
        f"The model {OWN} {verb} shut down on {in_days(days)}: set PIXY_OPENAI_MODEL=gpt-image-3"
    )
    levels = [record.levelno for record in caplog.records if record.getMessage() == warning]
    assert levels == [logging.WARNING]


def test_the_models_are_told_with_their_dates(
    provider: Provider, open_guarded: Callable[..., Services]
) -> None:
    later = today() + timedelta(days=WARNING_DAYS + 1)
    tell(provider, gpt_image_2=later.isoformat(), other=None, soon=in_days(1))
    with open_guarded("other", "soon", "unknown") as services:
        (warning,) = wait_for_warnings(services)
        assert "The model soon " in warning
        assert services.list_models() == [
            ModelInfo(OWN, later),
            ModelInfo("other"),
            ModelInfo("soon", today() + timedelta(days=1)),
            ModelInfo("unknown"),
        ]


def test_the_sketch_has_one_model_and_no_warnings(tmp_path: Path, database_url: str) -> None:
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=SketchGenerator()
    ) as services:
        assert services.list_models() == [ModelInfo("sketch-1")]
        assert services.list_warnings() == []


def test_closing_ends_the_guard(open_guarded: Callable[..., Services]) -> None:
    before = set(threading.enumerate())
    services = open_guarded()
    services.close()
    services.close()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert "pixy-models" not in left


@pytest.mark.parametrize(
    ("shutdown_date", "read"),
    [
        ('"2026-12-01"', date(2026, 12, 1)),
        ('"2026-12-01T00:00:00Z"', date(2026, 12, 1)),
        ("1796083200", date(2026, 12, 1)),
        *((odd, None) for odd in ('""', '"soon"', "null", "[]", "{}", "1e99", "true", "-1e30")),
    ],
)
def test_a_date_is_read_as_gateways_write_it(shutdown_date: str, read: date | None) -> None:
    body = f'{{"data": [{{"id": "m", "shutdown_date": {shutdown_date}}}]}}'
    assert read_models(body.encode()) == [ModelInfo("m", read)]
