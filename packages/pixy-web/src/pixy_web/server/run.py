"""Runs the application under uvicorn: workers, signals and the order of stopping."""

import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from pixy_core import ConfigurationError
from pixy_web.server.log_lines import configure_logging
from pixy_web.server.process import allow_many_descriptors, count_connections
from pixy_web.server.protocols import GuardedH11Protocol, GuardedHttpToolsProtocol
from pixy_web.settings import Settings
from pixy_web.tracing.parents import TracedConfig

logger = logging.getLogger(__name__)

PROTOCOLS = {"httptools": GuardedHttpToolsProtocol, "h11": GuardedH11Protocol}

STOP_MARGIN = 30
"""Seconds that a stop waits for slow readers, beyond the longest generation."""

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than in a proxy, which reuses connections."""


ServeMetrics = Callable[
    [Settings, list[socket.socket]], contextlib.AbstractContextManager[Callable[[int], None]]
]
"""Serves the metrics on these sockets while a block runs; the function takes dead workers' ids."""


def serve(
    settings: Settings,
    factory: str,
    prepare: Callable[[Settings], None],
    serve_metrics: ServeMetrics,
) -> None:
    """Serve until a signal stops the process; running requests finish first.

    Args:
        settings: The settings; workers read the same settings from the environment.
        factory: `module:function` that returns the application in each worker.
        prepare: Checks the settings, and creates missing tables and folders, once.
        serve_metrics: Is used if the settings name a port for metrics.

    Raises:
        PixyProxyException: The service cannot start with these settings.
    """
    configure_logging(settings.log_level, settings.log_format)
    for name, value in settings.masked().items():
        logger.info("setting %s=%s", name, value)
    allow_many_descriptors()
    config = _configure(factory, settings, factory=True, workers=settings.workers)
    listeners = _listen(settings.host, settings.port)
    metrics_listeners = _listen_for_metrics(settings)
    # before the workers start: each of them would report the same problem, with a traceback
    prepare(settings)
    if metrics_listeners is None:
        _run(config, listeners)
        return
    with _outliving_termination(), serve_metrics(settings, metrics_listeners) as note_death:
        _run(config, listeners, note_death)


def _run(
    config: uvicorn.Config,
    listeners: list[socket.socket],
    note_death: Callable[[int], None] = lambda _: None,
) -> None:
    if config.workers == 1:
        # uvicorn raises KeyboardInterrupt again after it has closed everything
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(listeners)
    else:
        Supervisor(config, listeners, note_death).run()


class _TerminatedError(BaseException):
    """SIGTERM, where it must not end this process at once."""


@contextlib.contextmanager
def _outliving_termination() -> Iterator[None]:
    """End by SIGTERM only after the block was left.

    uvicorn raises the signal again when it has closed everything, and the block is left then.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except _TerminatedError:
        signal.signal(signal.SIGTERM, before)
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise _TerminatedError


class Supervisor(Multiprocess):
    """Runs several workers, replaces those that die, and stops them.

    uvicorn's base class keeps the listening sockets open until the last worker has ended. On
    SIGHUP it restarts the workers one by one and ignores a stop until it is done.

    Args:
        config: What the workers run.
        sockets: What they listen on.
        note_death: Called with the process id of each worker that has ended before the others.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        note_death: Callable[[int], None],
    ) -> None:
        # nohup(1) ignores SIGHUP; keep that
        is_hang_up_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().__init__(config, sockets)
        self._note_death = note_death
        if is_hang_up_ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def init_processes(self) -> None:
        """Start the workers."""
        with _interrupts_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have died."""
        before = self._list_workers()
        with _interrupts_blocked():
            super().keep_subprocess_alive()
        for pid in before - self._list_workers():
            self._note_death(pid)

    def handle_ttou(self) -> None:
        """Stop one worker."""
        before = self._list_workers()
        super().handle_ttou()
        for pid in before - self._list_workers():
            self._note_death(pid)

    def _list_workers(self) -> set[int]:
        return {process.pid for process in self.processes if process.pid is not None}

    def terminate_all(self) -> None:
        """Tell the workers to stop, and stop accepting connections."""
        super().terminate_all()
        for listener in self.sockets:
            listener.close()

    def handle_hup(self) -> None:
        """Stop."""
        logger.info("received SIGHUP, stopping")
        self.should_exit.set()

    def handle_quit(self) -> None:
        """Stop."""
        logger.info("received SIGQUIT, stopping")
        self.should_exit.set()


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C here and in the workers that are started, which unblock it (entry.py)."""
    # otherwise the first worker starts the resource tracker, which unblocks Ctrl-C
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def build_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Return a server for an application in this process; the caller runs it."""
    return uvicorn.Server(_configure(app, settings))


def _configure(app: FastAPI | str, settings: Settings, **options: Any) -> uvicorn.Config:
    kind = TracedConfig if settings.tracing else uvicorn.Config
    return kind(app, **options, **_options(settings))


def _options(settings: Settings) -> dict[str, Any]:
    return {
        # the process configures logging itself
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # only trusted proxies may set X-Forwarded-For
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "http": PROTOCOLS[settings.http_parser],
        # our httptools protocol applies this limit too
        "h11_max_incomplete_event_size": settings.max_header_size,
        "ws": "none",
        "timeout_keep_alive": KEEP_ALIVE,
        "limit_concurrency": count_connections(
            settings.generation_concurrency, settings.threads, settings.max_uploads
        ),
        "lifespan": "on",
        "timeout_graceful_shutdown": int(settings.generation_timeout) + STOP_MARGIN,
        # uvicorn kills a worker that does not answer in time, even if it is only busy
        "timeout_worker_healthcheck": 30,
    }


def _listen(host: str, port: int, prefix: str = "PIXY_") -> list[socket.socket]:
    """Return a bound socket for each address of a host.

    Args:
        host: The host.
        port: The port.
        prefix: Of the settings that name both.

    Raises:
        ConfigurationError: An address is in use or is not one of this machine.
    """
    try:
        with contextlib.ExitStack() as stack:
            addresses = dict.fromkeys(_resolve(host, port))
            listeners = [stack.enter_context(_bind(*address)) for address in addresses]
            stack.pop_all()
    except (OSError, UnicodeError) as error:  # UnicodeError: no valid DNS name
        reason = getattr(error, "strerror", None) or "no host has this name"
        raise ConfigurationError(
            f"{prefix}HOST, {prefix}PORT: can't listen on {host} port {port}: {reason}"
        ) from error
    for listener in listeners:
        name, number = listener.getsockname()[:2]
        address = f"[{name}]" if ":" in name else name
        what = "will serve" if prefix == "PIXY_" else "will serve metrics"
        logger.info("%s on http://%s:%d", what, address, number)
    return listeners


def _listen_for_metrics(settings: Settings) -> list[socket.socket] | None:
    if settings.metrics_port is None:
        return None
    # two sockets may have one port until one of them accepts connections
    if settings.metrics_port == settings.port != 0:
        raise ConfigurationError("PIXY_METRICS_PORT: must be another port than PIXY_PORT")
    return _listen(settings.metrics_host, settings.metrics_port, "PIXY_METRICS_")


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the first address of a host.

    Raises:
        OSError: The address is in use or is not one of this machine.
        UnicodeError: The host is not a valid name.
    """
    return _bind(*_resolve(host, port)[0])


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


def _bind(family: socket.AddressFamily, address: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
