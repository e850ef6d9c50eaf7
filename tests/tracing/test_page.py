"""The samples of docs/tracing.md: its settings, and the trace that they show."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from installed_pixy import InstalledPixy
from markdown_pages import read_blocks
from otlp_receiver import OtlpReceiver, Span

PAGE = Path(__file__).parents[2] / "docs/tracing.md"
COLLECTOR = "http://127.0.0.1:4318"


def draw(spans: list[Span], parent_id: str = "", indent: str = "") -> list[str]:
    """Return a line for each span below a parent: name, kind and status."""
    lines = []
    for span in spans:
        if span.parent_id == parent_id:
            status = span.attributes["http.response.status_code"]
            lines.append(f"{indent + span.name:32}{span.kind}  {status}")
            lines += draw(spans, span.span_id, indent + "  ")
    return lines


def test_these_settings_give_that_trace(
    make_pixy: Callable[..., InstalledPixy], receiver: OtlpReceiver
) -> None:
    (settings,) = read_blocks(PAGE, "dotenv")
    (drawing,) = read_blocks(PAGE, "text")
    assert COLLECTOR in settings
    values = dotenv_values(stream=StringIO(settings.replace(COLLECTOR, receiver.endpoint)))
    pixy = make_pixy(**{name: value or "" for name, value in values.items()})
    pixy.add_user("ada")
    pixy.start()
    with pixy.client("ada") as ada:
        assert ada.post("/image", json={"prompt": "a lighthouse"}).status_code == 201
    pixy.stop()
    spans = receiver.wait_for(lambda span: True, 2)
    assert {span.resource["service.name"] for span in spans} == {"pixyproxy"}
    assert "\n".join(draw(spans)) == drawing.strip()
