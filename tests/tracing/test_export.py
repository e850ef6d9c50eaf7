"""When traces are exported, what happens without a collector, and what it costs to be off."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from installed_pixy import InstalledPixy
from lasting_ports import find_lasting_port
from otlp_receiver import OtlpReceiver, Span
from provider import Provider

HOUR = str(3_600_000)

Make = Callable[..., InstalledPixy]


def stop(pixy: InstalledPixy) -> list[dict[str, str]]:
    """Stop a server, and return the lines of its log."""
    pixy.stop()
    return [json.loads(line) for line in pixy.log.splitlines()]


def find_spans(receiver: OtlpReceiver, service: str) -> list[Span]:
    """Return the spans of a service, in the order of their end."""
    return [span for span in receiver.spans if span.resource["service.name"] == service]


def test_a_stop_exports_the_last_spans_of_each_worker_and_those_of_what_runs(
    make_pixy: Make, receiver: OtlpReceiver, provider: Provider
) -> None:
    settings = {
        "OTEL_SERVICE_NAME": "pictures",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_BSP_SCHEDULE_DELAY": HOUR,
    }
    pixy = make_pixy(PIXY_WORKERS="2", PIXY_LOG_FORMAT="text", **settings)
    pixy.add_user("ada")
    pixy.start()
    workers, count = set[str](), 0
    while len(workers) < 2:
        assert count < 1000
        # a new connection, which either of them accepts
        with pixy.client() as client:
            answer = client.get("/image")
        assert answer.status_code == 200
        workers.add(answer.headers["x-request-id"].rpartition("-")[2])
        count += 1
    provider.latency = lambda: 1.0
    with pixy.client("ada") as ada:
        ada.post("/image", json={"prompt": "x"}, headers={"Prefer": "respond-async"})
    assert find_spans(receiver, "pictures") == []
    pixy.stop()
    provider.latency = lambda: 0.0
    spans = find_spans(receiver, "pictures")
    assert {span.resource["deployment.environment.name"] for span in spans} == {"test"}
    assert len({span.resource["service.instance.id"] for span in spans}) == 2
    made = [span for span in spans if span.name != "GET /image"]
    assert len(spans) == count + len(made)
    assert [span.name for span in made] == ["POST /image", "POST /v1/images/generations"]
    assert made[0].trace_id == made[1].trace_id
    assert "REQUEST END 202" in pixy.log
    assert made[0].trace_id not in pixy.log  # it is text


def test_without_a_collector_everything_works_and_is_said_once(make_pixy: Make) -> None:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{find_lasting_port()}",
        "OTEL_BSP_SCHEDULE_DELAY": HOUR,
        # a full batch does not wait for an hour
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16",
        "OTEL_BSP_MAX_QUEUE_SIZE": "64",
        # in a wrong form
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization Bearer secrettoken",
    }
    pixy = make_pixy(PIXY_TRUSTED_PROXIES="127.0.0.1", **settings)
    pixy.add_user("ada")
    pixy.start()
    parent = f"00-{'a' * 32}-{'1' * 16}-01"
    state = {"traceparent": parent, "tracestate": "secretstate"}
    with pixy.client("ada") as ada:
        # what the libraries log about these is not taken for the failure of an export
        for headers in ({"baggage": "secretbaggage"}, state, {"baggage": "secret" * 2000}):
            assert ada.get("/image", headers=headers).status_code == 200
        assert ada.post("/image", json={"prompt": "x"}).status_code == 201
        # more than wait in memory
        statuses = [ada.get("/image").status_code for _ in range(150)]
    assert set(statuses) == {200}
    told = [line for line in stop(pixy) if "traces can't be exported" in line["message"]]
    assert len(told) == 1
    assert told[0]["level"] == "WARNING"
    assert "refused" in told[0]["message"]
    assert "Header format invalid" in pixy.log
    assert "secret" not in pixy.log


def test_a_collector_that_does_not_answer_delays_no_stop(make_pixy: Make) -> None:
    with OtlpReceiver() as silent:
        silent.answers.clear()
        # it would wait longer than this test
        settings = {"OTEL_EXPORTER_OTLP_TIMEOUT": "3600"}
        pixy = make_pixy(OTEL_EXPORTER_OTLP_ENDPOINT=silent.endpoint, **settings)
        pixy.start()
        with pixy.client() as client:
            assert client.get("/image").status_code == 200
            assert silent.asked.wait(20)
            assert client.get("/image").status_code == 200
        lines = stop(pixy)
    assert "the last traces were not exported within 5 seconds" in {x["message"] for x in lines}


def run(pixy: InstalledPixy, *arguments: str) -> tuple[int, str]:
    """Run a command that fails; return its exit code and what it printed."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        pixy.run(*arguments)
    return failed.value.returncode, failed.value.stderr


@pytest.mark.parametrize(
    ("variable", "reason", "workers"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=many", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        # less than a batch has
        ("OTEL_BSP_MAX_QUEUE_SIZE=100", "max_queue_size", "2"),
        ("OTEL_BSP_SCHEDULE_DELAY=0", "schedule_delay_millis", "1"),
    ],
)
def test_a_wrong_variable_of_the_sdk_is_refused(
    make_pixy: Make, variable: str, reason: str, workers: str
) -> None:
    name, _, value = variable.partition("=")
    pixy = make_pixy(**{name: value}, PIXY_WORKERS=workers)
    code, told = run(pixy, "serve", "--port", "0")
    assert code == 2
    assert "PIXY_TRACING: an OTEL_… variable can't be used: " in told
    assert reason in told
    assert "Traceback" not in told


def test_without_the_extra_the_line_to_type_is_named(make_pixy: Make, tmp_path: Path) -> None:
    # an environment without the extra has no such package
    hidden = tmp_path / "opentelemetry" / "sdk"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError")
    pixy = make_pixy(PYTHONPATH=str(tmp_path))
    code, told = run(pixy, "serve", "--port", "0")
    assert code == 2
    assert told.endswith("are not installed: pip install 'pixy-web[otel]'\n")


RECORD_IMPORTS = """
import os, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        with open(os.environ["RECORDED"], "a") as file:
            file.write(f"{name}\\n")

sys.meta_path.insert(0, Finder)
"""


def test_a_server_that_does_not_trace_imports_nothing_of_the_extra(
    make_pixy: Make, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(RECORD_IMPORTS)
    recorded = tmp_path / "recorded"
    settings = {"PYTHONPATH": str(tmp_path), "RECORDED": str(recorded)}
    # a variable that would make FastAPI export
    pixy = make_pixy(PIXY_TRACING="", FASTAPI_OTEL_AUTO_CONFIGURE="true", **settings)
    pixy.start()
    with pixy.client() as client:
        client.get("/image")
    pixy.stop()
    imported = set(recorded.read_text().split())
    # the API, which FastAPI needs
    assert "opentelemetry.trace" in imported
    extra = ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests")
    assert [name for name in imported if name.startswith(extra)] == []
