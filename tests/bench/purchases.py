"""How often one call of a stock client is paid for where the provider fails, or is slow.

The client is the SDK of OpenAI with its defaults: two retries. The provider is the stand-in of the
tests, which counts what it would have charged for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openai

from contenders import MODEL, make_failing_provider
from load import get_json, put
from processes import Process
from setting import Setting
from targets import LITELLM, PIXY, Figures


@dataclass(frozen=True)
class Fault:
    """What a provider does to every paid request.

    Attributes:
        behaviour: One of the stand-in's.
        latency: The seconds until it answers.
        timeout: The client's own, in seconds; None for its default of ten minutes.
    """

    behaviour: str
    latency: float = 0
    timeout: float | None = None


SERVER_ERROR = Fault("server_error")
DROPPED_LINE = Fault("reset")
SLOW = Fault("png", latency=4, timeout=2)


def count_purchases(fault: Fault) -> Callable[[Setting], Figures]:
    """Return the measure of the paid requests that one call causes under a fault."""

    def measure(setting: Setting) -> Figures:
        folder = setting.folder / f"purchases-{fault.behaviour}"
        figures: dict[str, float] = {}
        with _run_provider(fault, folder / "for-pixy") as provider:
            pixy = setting.make_pixy(f"{folder.name}-pixy", provider)
            figures[PIXY] = _call(pixy, setting.pixy_key, provider, fault)
        if setting.litellm is not None:
            with _run_provider(fault, folder / "for-litellm") as provider:
                litellm = setting.make_litellm(f"{folder.name}-litellm", provider)
                figures[LITELLM] = _call(litellm, setting.litellm_key, provider, fault)
        return figures

    return measure


@contextmanager
def _run_provider(fault: Fault, folder: Path) -> Iterator[Process]:
    with make_failing_provider(folder, fault.behaviour) as provider:
        put(provider.url, f"/latency/{fault.latency}")
        yield provider


def _call(proxy: Process, key: str, provider: Process, fault: Fault) -> float:
    timeout = openai.NOT_GIVEN if fault.timeout is None else fault.timeout
    with proxy, openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=key, timeout=timeout) as client:
        try:
            client.images.generate(prompt="a lighthouse at dusk", model=MODEL)
        except openai.APIError as error:
            if isinstance(error, openai.AuthenticationError | openai.NotFoundError):
                raise
    requests, _ = get_json(provider.url, "/requests", {})
    return float(requests["paid_requests"])
