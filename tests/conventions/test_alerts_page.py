"""Each alert has a section in docs/alerts.md, to which its runbook link leads."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "deploy/prometheus/alerts.yml").read_text()
PAGE = (ROOT / "docs/alerts.md").read_text()
PROJECT = tomllib.loads((ROOT / "packages/pixy-web/pyproject.toml").read_text())["project"]
ALERTS = re.findall(r"^ +- alert: (\w+)$", RULES, re.MULTILINE)
SEVERITIES = re.findall(r"^ +severity: (\w+)$", RULES, re.MULTILINE)


def test_every_alert_has_a_section_and_no_other_is_described() -> None:
    assert len(ALERTS) > 10
    assert re.findall(r"^## (Pixy\w+)$", PAGE, re.MULTILINE) == ALERTS


def test_a_section_names_the_severity_of_its_alert() -> None:
    described = re.findall(r"^## Pixy\w+\n\n\*(\w+)\.\* ", PAGE, re.MULTILINE)
    assert described == SEVERITIES


def test_every_runbook_link_leads_to_the_section() -> None:
    links = re.findall(r"^ +runbook_url: (\S+)$", RULES, re.MULTILINE)
    page = f"{PROJECT['urls']['Documentation']}/alerts/"
    assert links == [f"{page}#{alert.lower()}" for alert in ALERTS]
