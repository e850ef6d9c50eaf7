"""The model guard: warns of models that a provider is going to shut down, and refuses dead ones."""

import logging
import queue
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime

from pixy_core import ConfigurationError
from pixy_service.generators.interface import ImageGenerator, ModelInfo

logger = logging.getLogger(__name__)

WARNING_DAYS = 60
"""How long before its shutdown a model is warned of."""

_DAY, _HOUR = 24 * 3600.0, 3600.0
"""Seconds until the provider is asked for its models again: after an answer, and without one."""

_CLOSING_PATIENCE = 5.0

_START_PATIENCE = 3.0
"""Seconds that a start waits for the provider's models; the SDK is imported meanwhile."""

_version = re.compile(r"gpt-image-(\d+)(?:\.(\d+))?(?:-[a-z]+)?").fullmatch


def today() -> date:
    """Return the date in UTC."""
    return datetime.now(UTC).date()


def choose_pause(found: Sequence[ModelInfo]) -> float:
    """Return the seconds until the provider is asked for its models again.

    Args:
        found: What it told; empty if it did not answer.
    """
    return _DAY if found else _HOUR


def date_models(generator: ImageGenerator, known: Iterable[ModelInfo]) -> list[ModelInfo]:
    """Return a generator's models, with the dates of their shutdown that are known.

    Args:
        generator: Whose models are returned, in its order.
        known: What the provider told.
    """
    dates = {model.id: model.shutdown_date for model in known}
    return [ModelInfo(name, dates.get(name)) for name in generator.models]


class ModelGuard:
    """Reads a provider's models at start and daily, in a thread of its own.

    A provider that can't be asked, or that tells no dates, is no error.

    Args:
        generator: Whose models are guarded.
    """

    def __init__(self, generator: ImageGenerator) -> None:
        self._generator = generator
        self._known: tuple[ModelInfo, ...] = ()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="pixy-models", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; safe to call twice, and before `start`."""
        self._closing.set()
        if self._thread.is_alive():
            # a name server that does not answer may hold it longer
            self._thread.join(_CLOSING_PATIENCE)

    def list_models(self) -> list[ModelInfo]:
        """Return the generator's models, with the dates that are known by now."""
        return date_models(self._generator, self._known)

    def list_warnings(self) -> list[str]:
        """Return a sentence for each of the generator's models that is or will soon be dead."""
        known, now = self._known, today()
        return [
            _explain(self._generator, model, known, now)
            for model in self.list_models()
            if model.shutdown_date is not None and (model.shutdown_date - now).days <= WARNING_DAYS
        ]

    def _repeat(self) -> None:
        while True:
            try:
                found = self._generator.list_provider_models()
            except Exception:
                logger.exception("the provider's models can't be read")
                found = []
            if found:
                self._known = tuple(found)
            for warning in self.list_warnings():
                logger.warning("%s", warning)
            if self._closing.wait(choose_pause(found)):
                return


def check_models(generator: ImageGenerator, patience: float = _START_PATIENCE) -> None:
    """Return if the provider tells in time of none of a generator's models that it is shut down.

    Args:
        generator: Whose models are checked.
        patience: Seconds to wait for the provider.

    Raises:
        ConfigurationError: It has shut one down; the message names the setting to change.
    """
    found = _call_in_time(generator.list_provider_models, patience)
    now = today()
    problems = [
        _explain(generator, model, found, now)
        for model in date_models(generator, found)
        if model.shutdown_date is not None and model.shutdown_date <= now
    ]
    if problems:
        raise ConfigurationError("\n".join(problems))


def _call_in_time(
    list_models: Callable[[], list[ModelInfo]], patience: float
) -> Sequence[ModelInfo]:
    results: queue.SimpleQueue[list[ModelInfo]] = queue.SimpleQueue()
    # not waited for at the end: it may hang in a name server
    threading.Thread(
        target=lambda: results.put(list_models()), name="pixy-models", daemon=True
    ).start()
    try:
        return results.get(timeout=patience)
    except queue.Empty:
        logger.info("the provider did not tell its models within %g seconds", patience)
        return ()


def _explain(
    generator: ImageGenerator, model: ModelInfo, known: Sequence[ModelInfo], now: date
) -> str:
    """Return what happens to a model, and which setting to change."""
    is_dead = model.shutdown_date is not None and model.shutdown_date <= now
    replacement = _find_replacement(known, now)
    name = replacement or "a model of https://platform.openai.com/docs/models"
    if model.id == generator.models[0]:
        advice = (
            f"set PIXY_OPENAI_MODEL={name}" if replacement else f"set PIXY_OPENAI_MODEL to {name}"
        )
    else:
        advice = f"remove it from PIXY_OPENAI_FURTHER_MODELS, or name {name} there"
    verb = "was" if is_dead else "will be"
    return f"The model {model.id} {verb} shut down on {model.shutdown_date}: {advice}"


def _find_replacement(known: Sequence[ModelInfo], now: date) -> str | None:
    """Return the newest image model that no warning is due for; None if none is known."""
    living = [
        (int(match[1]), int(match[2] or 0), model.id)
        for model in known
        if (match := _version(model.id))
        and (model.shutdown_date is None or (model.shutdown_date - now).days > WARNING_DAYS)
    ]
    if not living:
        return None
    newest = max(living)[:2]
    return min(name for *version, name in living if tuple(version) == newest)
