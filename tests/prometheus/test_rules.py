"""The alert rules, run by promtool over hours of samples: each alert fires when it should."""

import json
from pathlib import Path

import pytest
import yaml

from prometheus_server import DEPLOYED, run_promtool

RULES = [
    rule
    for group in yaml.safe_load((DEPLOYED / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
SERVER = 'job="pixy", instance="10.0.0.1:9464"'
REQUESTS = "pixy_http_request_duration_seconds"
DETAILS = 'method="GET", route="/image/{guid}", status="200"'
GENERATIONS = "pixy_generations_total"
DURATION = "pixy_generation_duration_seconds"

FREE = "pixy_store_free_bytes"
SHUTDOWN = "pixy_model_shutdown_days"


def series(name: str, labels: str = "") -> str:
    """Return a series of the server, as promtool writes it."""
    return f"{name}{{{SERVER}{', ' * bool(labels)}{labels}}}"


def generations(outcome: str, billed: str) -> str:
    return series(GENERATIONS, f'model="gpt-image-2", outcome="{outcome}", billed="{billed}"')


def bucket(name: str, le: str, labels: str = "") -> str:
    return series(f"{name}_bucket", f'le="{le}"{", " * bool(labels)}{labels}')


MODEL = 'model="gpt-image-2", quality="auto"'
HEALTHY = {
    series("up"): "1x600",
    series("pixy_database_up"): "1x600",
    series(f"{REQUESTS}_count", DETAILS): "0+60x600",
    series(f"{REQUESTS}_count", 'method="POST", route="/image", status="502"'): "0+1x600",
    # a load balancer asks a server that is not ready again and again
    series(f"{REQUESTS}_count", 'method="GET", route="/health/ready", status="503"'): "0+9x600",
    **{bucket(REQUESTS, le, DETAILS): "0+60x600" for le in ("0.1", "0.25", "1.0", "+Inf")},
    generations("ready", "yes"): "0+2x600",
    generations("prompt_rejected", "no"): "0+3x600",
    generations("provider_overloaded", "no"): "0x600",
    **{bucket(DURATION, le, MODEL): "0+2x600" for le in ("60.0", "90.0", "120.0", "+Inf")},
    **{bucket("pixy_overhead_seconds", le): "0+2x600" for le in ("0.5", "1.0", "2.5", "+Inf")},
    series("pixy_generation_places", 'state="used"'): "3x600",
    series("pixy_generation_places", 'state="total"'): "8x600",
    series("pixy_generation_places", 'state="fleet_used"'): "5x600",
    series("pixy_generation_places", 'state="fleet_total"'): "16x600",
    # in a bucket each image has an entry while it is written
    series("pixy_journal_entries"): "0 1 0 2 0 1 0 0x594",
    series("pixy_unknown_total"): "4x600",
    series(FREE): "50000000000-1000000x600",
    series(SHUTDOWN): "200x600",
}
"""Samples of ten hours, one a minute: `START+STEPxCOUNT`."""

Case = tuple[str, dict[str, str], int]
CASES: dict[str, Case] = {
    "the server does not answer": ("PixyDown", {series("up"): "1x120 0x240"}, 125),
    "Prometheus has no target": ("PixyDown", {series("up"): "1x120 stale"}, 125),
    "the database is away": (
        "PixyDatabaseDown",
        {series("pixy_database_up"): "1x120 0x240"},
        125,
    ),
    "a seventh of the requests fails": (
        "PixyServerErrors",
        {
            series(f"{REQUESTS}_count", 'method="POST", route="/image", status="502"'): (
                "0+1x120 130+10x240"
            )
        },
        135,
    ),
    "a tenth of the details takes longer": (
        "PixyReadsSlow",
        {bucket(REQUESTS, le, DETAILS): "0+60x120 7254+54x240" for le in ("0.1", "0.25")},
        145,
    ),
    "a third of the images fails": (
        "PixyGenerationsFail",
        {generations("provider_overloaded", "no"): "0x120 3+3x240"},
        150,
    ),
    "the first request that finds no budget": (
        "PixyAccountRefused",
        {generations("provider_quota_exhausted", "no"): "_x120 1x240"},
        125,
    ),
    "the key is refused again": (
        "PixyAccountRefused",
        {generations("provider_refused_credentials", "no"): "7x120 8x240"},
        125,
    ),
    "images take 90 to 120 seconds": (
        "PixyProviderSlow",
        {bucket(DURATION, le, MODEL): "0+2x120 240x240" for le in ("60.0", "90.0")},
        150,
    ),
    "storing takes more than a second": (
        "PixyOverheadHigh",
        {bucket("pixy_overhead_seconds", le): "0+2x120 240x240" for le in ("0.5", "1.0")},
        150,
    ),
    "the places of a server are taken": (
        "PixyPlacesExhausted",
        {series("pixy_generation_places", 'state="used"'): "3x120 8x240"},
        135,
    ),
    "the places of all servers are taken": (
        "PixyPlacesExhausted",
        {series("pixy_generation_places", 'state="fleet_used"'): "5x120 16x240"},
        135,
    ),
    "a model has 29 days": ("PixyModelShutDownSoon", {series(SHUTDOWN): "30x120 29x240"}, 185),
    "a model has 6 days": ("PixyModelShutDownNow", {series(SHUTDOWN): "200x120 6x240"}, 185),
    "a model is gone": ("PixyModelShutDownNow", {series(SHUTDOWN): "200x120 -1x240"}, 185),
    "one more outcome is unknown": (
        "PixyOutcomeUnknown",
        {series("pixy_unknown_total"): "4x120 5x240"},
        125,
    ),
    "a new server has an unknown outcome": (
        "PixyOutcomeUnknown",
        {series("pixy_unknown_total"): "_x120 1x240"},
        125,
    ),
    "the first image was paid for and is not there": (
        "PixyBilledWithoutImage",
        {generations("provider_sent_no_image", "yes"): "_x120 1x240"},
        125,
    ),
    "another image was paid for and is not there": (
        "PixyBilledWithoutImage",
        {generations("storage_unavailable", "yes"): "1x120 2x240"},
        125,
    ),
    "journal entries stay, and one scrape lacks them": (
        "PixyJournalStuck",
        {series("pixy_journal_entries"): "0x120 2x8 stale 2x240"},
        145,
    ),
    "the disk has less than 2 GiB": (
        "PixyStoreNearlyFull",
        {series(FREE): "2200000000-200000x600"},
        400,
    ),
    "the disk fills up within a day": (
        "PixyStoreFillsUp",
        {series(FREE): "90000000000-90000000x600"},
        400,
    ),
}
"""The alert, what is not as in HEALTHY, and the minute at which the alert fires."""


def run_rules(folder: Path, samples: dict[str, str], firing: dict[int, list[str]]) -> None:
    """Run the rules over samples.

    Args:
        folder: An empty folder.
        samples: As HEALTHY.
        firing: Which alerts must fire, and no others, by minute.
    """
    checks = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names],
        }
        for minute, names in firing.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in samples.items()]
    tests = [{"interval": "1m", "input_series": inputs, "promql_expr_test": checks}]
    file = {"rule_files": [str(DEPLOYED / "alerts.yml")], "evaluation_interval": "1m"}
    # each JSON text is YAML
    (folder / "tests.yml").write_text(json.dumps(file | {"tests": tests}))
    run_promtool("test", "rules", "tests.yml", folder=folder)


def test_prometheus_accepts_the_files() -> None:
    printed = run_promtool("check", "config", "prometheus.yml", folder=DEPLOYED)
    assert f"{len(RULES)} rules found" in printed


def test_no_alert_fires_while_all_is_well(tmp_path: Path) -> None:
    run_rules(tmp_path, HEALTHY, {minute: [] for minute in (75, 240, 420, 590)})


@pytest.mark.parametrize("case", CASES)
def test_only_the_right_alert_fires(case: str, tmp_path: Path) -> None:
    alert, changed, minute = CASES[case]
    run_rules(tmp_path, HEALTHY | changed, {100: [], minute: [alert]})


def test_every_alert_has_a_case() -> None:
    assert {rule["alert"] for rule in RULES} == {alert for alert, *_ in CASES.values()}
