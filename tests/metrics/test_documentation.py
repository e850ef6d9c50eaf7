"""The samples of docs/metrics.md."""

import re
from pathlib import Path

from scrape import MeasuredPixy

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
(CONFIGURATION,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_commands_install_the_extra_and_set_the_port(pixy: MeasuredPixy) -> None:
    install, write = COMMANDS.splitlines()
    assert install.endswith("pip install dist/*.whl 'pixy-web[metrics]'")
    (line,) = re.findall(r"^echo (\S+) >>/var/lib/pixy/\.env$", write)
    del pixy.environment["PIXY_METRICS_PORT"]
    (pixy.folder / ".env").write_text(f"{line}\n")
    shown = pixy.run("config").splitlines()
    assert line in shown
    host = next(line for line in shown if line.startswith("PIXY_METRICS_HOST="))
    target = f"{host.partition('=')[2]}:{line.partition('=')[2]}"
    assert f'- targets: ["{target}"]' in CONFIGURATION
