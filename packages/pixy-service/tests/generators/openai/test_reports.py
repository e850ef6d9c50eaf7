"""What a provider reports about its image: kept as it is, and never a reason to lose the image."""

import base64
import json
import logging

import pytest

from pixy_core import Purchase
from pixy_core.images import MAX_USAGE_BYTES
from pixy_service.generators.interface import ImageOrder, ignore_partial
from pixy_service.generators.openai.generator import OpenAIGenerator
from pixy_service.generators.openai.replies import Answer
from pixy_service.generators.openai.reports import Report
from provider import Provider
from provider_answers import PNG, USAGE, USAGE_ANSWERS
from provider_events import frame

FINAL = base64.b64encode(PNG).decode()
REPORTED = {"size": "64x48", "quality": "medium", "background": "opaque", "output_format": "png"}
PARTIAL = {"type": "image_generation.partial_image", "b64_json": FINAL}
COMPLETED = {"type": "image_generation.completed", "b64_json": FINAL}


def buy(provider: Provider, behaviour: str = "png", **options: object) -> Purchase:
    provider.behave(behaviour)
    generator = OpenAIGenerator("k", base_url=provider.base_url, model="m", timeout=20)
    image = generator.generate(ImageOrder("a fox", "ann", **options))  # type: ignore[arg-type]
    assert image.content == PNG
    assert image.purchase is not None
    return image.purchase


def report(content: bytes) -> Report:
    answer = Answer(0, ignore_partial)
    answer.feed(content)
    picture = answer.conclude(None)
    assert picture.content == PNG
    # what is kept can be written to the journal and read from it
    kept = Purchase(usage=picture.report.usage, reported=picture.report.choices)
    assert Purchase.model_validate_json(kept.model_dump_json()) == kept
    return picture.report


def report_usage(usage: str) -> object:
    return report(f'{{"data": [{{"b64_json": "{FINAL}"}}], "usage": {usage}}}'.encode()).usage


def test_a_purchase_has_what_was_asked_and_what_was_reported(provider: Provider) -> None:
    assert buy(provider, size="1536x1024", quality="high") == Purchase(
        size="1536x1024",
        quality="high",
        reported=REPORTED,
        usage=USAGE,
        upstream_request_id="req_stand_in",
    )


def test_a_purchase_of_a_stream_has_the_usage_of_the_completed_event(provider: Provider) -> None:
    assert buy(provider, partial_images=2).usage == USAGE


@pytest.mark.parametrize("behaviour", USAGE_ANSWERS)
@pytest.mark.parametrize("partial_images", [0, 1])
def test_an_image_is_taken_whatever_its_usage_is(
    provider: Provider, behaviour: str, partial_images: int
) -> None:
    body = USAGE_ANSWERS[behaviour].body
    assert isinstance(body, dict)
    usage = body.get("usage")
    expected = usage if isinstance(usage, dict) else None
    if behaviour == "usage_negative":
        # JSON has no form for infinity
        expected = {"input_tokens": -1, "output_tokens": "Infinity"}
    assert buy(provider, behaviour, partial_images=partial_images).usage == expected


@pytest.mark.parametrize(
    "usage",
    [
        '{"total_tokens": 208, "cost": 0.125, "cached": null, "free": false, "n": "208"}',
        '{"a": {"b": [1, {"c": [{}]}]}}',
        '{"é": "漢字 😀", "escaped": "\\u00e9\\ud83d\\ude00\\u0000"}',
        '{"huge": 1' + "0" * 1000 + "}",
        "{}",
    ],
)
def test_usage_is_kept_unchanged(usage: str) -> None:
    assert report_usage(usage) == json.loads(usage)


@pytest.mark.parametrize("usage", ["null", "[]", "7", '"many"', "true"])
def test_usage_that_is_no_object_is_left_out(usage: str) -> None:
    assert report_usage(usage) is None


@pytest.mark.parametrize(
    "usage",
    [
        '{"a": "' + "x" * MAX_USAGE_BYTES + '"}',
        '{"a": [' + "1," * MAX_USAGE_BYTES + "1]}",
        '{"a": ' + "[" * 8 + "]" * 8 + "}",
        '{"a": ' + "[" * 500 + "]" * 500 + "}",
        '{"huge": 1' + "0" * 5000 + "}",
    ],
)
def test_usage_that_is_too_large_or_too_deep_is_left_out_and_logged(
    usage: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert report_usage(usage) is None
    (record,) = caplog.records
    assert (record.levelno, "usage" in record.getMessage()) == (logging.WARNING, True)


def test_usage_with_half_a_character_is_kept_without_it() -> None:
    assert report_usage('{"a\\ud800": ["\\udfff"]}') == {"a?": ["?"]}


def test_a_number_that_json_has_no_form_for_is_kept_as_text() -> None:
    usage = '{"a": 1e400, "b": -1e400, "c": NaN, "d": 1e308}'
    assert report_usage(usage) == {"a": "1e400", "b": "-1e400", "c": "NaN", "d": 1e308}


def test_usage_of_the_most_bytes_is_kept() -> None:
    usage = {"a": "x" * (MAX_USAGE_BYTES - len('{"a": ""}'))}
    assert report_usage(json.dumps(usage)) == usage
    usage["a"] += "x"
    assert report_usage(json.dumps(usage)) is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("1024x1024", "1024x1024"),
        (None, None),
        ("", None),
        (7, "7"),
        ("x" * 65, None),
        ("a\nb", None),
        ("é", None),
        (["high"], None),
    ],
)
def test_a_choice_is_kept_if_it_is_a_word(value: object, kept: str | None) -> None:
    body = {"data": [{"b64_json": FINAL}], "size": value, "quality": "low"}
    expected = {"quality": "low"} if kept is None else {"size": kept, "quality": "low"}
    assert report(json.dumps(body).encode()).choices == expected


def test_what_a_gateway_wraps_is_found() -> None:
    body = {"result": {"images": [{"b64_json": FINAL, "size": "64x48"}], "usage": {"n": 1}}}
    assert report(json.dumps(body).encode()) == ({"size": "64x48"}, {"n": 1})


def test_a_partial_image_reports_nothing() -> None:
    partial = frame(PARTIAL | {"size": "1x1", "usage": {"n": 1}})
    assert report(partial + frame(COMPLETED)) == ({}, None)
    assert report(partial + frame(COMPLETED | {"usage": {"n": 2}})) == ({}, {"n": 2})


@pytest.mark.parametrize("header", [None, "", "x" * 256])
def test_a_request_id_that_can_t_be_kept_is_left_out(
    provider: Provider, header: str | None
) -> None:
    answer = provider.answers["png"]
    provider.answers["png"] = type(answer)(200, answer.body, {"x-request-id": header})
    assert buy(provider).upstream_request_id is None
