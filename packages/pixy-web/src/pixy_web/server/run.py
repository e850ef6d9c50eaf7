"""Runs the application under uvicorn: workers, signals and the order of stopping."""

import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from pixy_core import ConfigurationError
from pixy_web.server.log_lines import configure_logging
from pixy_web.server.process import allow_many_descriptors, count_connections
from pixy_web.server.protocols import GuardedH11Protocol, GuardedHttpToolsProtocol
from pixy_web.settings import Settings

logger = logging.getLogger(__name__)

PROTOCOLS = {"httptools": GuardedHttpToolsProtocol, "h11": GuardedH11Protocol}

STOP_MARGIN = 30
"""Seconds that a stop waits for slow readers, beyond the longest generation."""

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than in a proxy, which reuses connections."""


def serve(settings: Settings, factory: str, prepare: Callable[[Settings], None]) -> None:
    """Serve until a signal stops the process; running requests finish first.

    Args:
        settings: The settings; workers read the same ones from the environment.
        factory: `module:function` that returns the application in each worker.
        prepare: Checks the settings, and creates missing tables and folders, once.

    Raises:
        PixyProxyException: The service cannot start with these settings.
    """
    configure_logging(settings.log_level)
    for name, value in settings.masked().items():
        logger.info("setting %s=%s", name, value)
    allow_many_descriptors()
    config = uvicorn.Config(
        factory,
        factory=True,
        workers=settings.workers,
        **_options(settings),
    )
    listeners = _listen(settings.host, settings.port)
    # workers would report the same problem once each, with a traceback
    prepare(settings)
    if settings.workers == 1:
        # uvicorn raises Ctrl-C again when all is closed
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(listeners)
    else:
        Supervisor(config, listeners).run()


class Supervisor(Multiprocess):
    """Runs several workers, replaces those that die, and stops them.

    uvicorn's base class keeps the listening sockets open until the last worker has ended. On
    SIGHUP it restarts the workers one by one and ignores a stop until it is done.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        # nohup(1) ignores SIGHUP; keep that
        is_hang_up_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().__init__(config, sockets)
        if is_hang_up_ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def init_processes(self) -> None:
        """Start the workers."""
        with _interrupts_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have died."""
        with _interrupts_blocked():
            super().keep_subprocess_alive()

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
    # the first worker would start this helper, and that unblocks Ctrl-C
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def build_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Return a server for an application in this process; the caller runs it."""
    return uvicorn.Server(uvicorn.Config(app, **_options(settings)))


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
        "limit_concurrency": count_connections(settings.generation_concurrency, settings.threads),
        "lifespan": "on",
        "timeout_graceful_shutdown": int(settings.generation_timeout) + STOP_MARGIN,
        # uvicorn kills a worker that does not answer in time, even if it is only busy
        "timeout_worker_healthcheck": 30,
    }


def _listen(host: str, port: int) -> list[socket.socket]:
    """Return a bound socket for each address of a host.

    Raises:
        ConfigurationError: An address is in use, or belongs to another machine.
    """
    try:
        with contextlib.ExitStack() as stack:
            addresses = dict.fromkeys(_resolve(host, port))
            listeners = [stack.enter_context(_bind(*address)) for address in addresses]
            stack.pop_all()
    except (OSError, UnicodeError) as error:  # UnicodeError: no valid DNS name
        reason = getattr(error, "strerror", None) or "no host has this name"
        raise ConfigurationError(
            f"PIXY_HOST, PIXY_PORT: can't listen on {host} port {port}: {reason}"
        ) from error
    for listener in listeners:
        name, number = listener.getsockname()[:2]
        logger.info("will serve on http://%s:%d", f"[{name}]" if ":" in name else name, number)
    return listeners


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to the first address of a host.

    Raises:
        OSError: The address is in use, or belongs to another machine.
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
