"""Runs the application under uvicorn: workers, signals and the order of stopping."""

import logging
import signal
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from pixy_core import ConfigurationError
from pixy_web.app import open_configured_services
from pixy_web.log_lines import configure_logging
from pixy_web.own_process import allow_many_descriptors, count_connections
from pixy_web.protocols import GuardedH11Protocol, GuardedHttpToolsProtocol
from pixy_web.settings import Settings

logger = logging.getLogger(__name__)

PROTOCOLS = {"httptools": GuardedHttpToolsProtocol, "h11": GuardedH11Protocol}

STOP_MARGIN = 30
"""Seconds that a stop waits beyond the longest generation, for slow readers to finish."""


def serve(settings: Settings) -> None:
    """Serve until a signal stops the process; running requests finish first.

    Args:
        settings: The settings; workers read the same ones from the environment.

    Raises:
        PixyProxyException: The service can't start with these settings.
    """
    configure_logging(settings.log_level)
    for name, value in settings.shown().items():
        logger.info("setting %s=%s", name, value)
    allow_many_descriptors()
    # workers would say it in tracebacks, one each; and so the tables are made once
    options = _options(settings)
    open_configured_services(settings).close()
    _check_port_is_free(settings.host, settings.port)
    options |= {
        "app": "pixy_web.app:create_app_from_environment",
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
    }
    if settings.workers == 1:
        uvicorn.run(**options)
    else:
        config = uvicorn.Config(**options)
        Supervisor(config, [config.bind_socket()]).run()


class Supervisor(Multiprocess):
    """Runs several workers, replaces those that die, and stops them; its signals are a process's.

    uvicorn's own restarts the workers at SIGHUP, one after the other, deaf to a stop meanwhile.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        # as nohup(1) has it
        is_hang_up_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().__init__(config, sockets)
        if is_hang_up_ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def handle_hup(self) -> None:
        """Stop."""
        logger.info("received SIGHUP, stopping")
        self.should_exit.set()

    def handle_quit(self) -> None:
        """Stop."""
        logger.info("received SIGQUIT, stopping")
        self.should_exit.set()


def build_server(app: FastAPI, settings: Settings) -> uvicorn.Server:
    """Return a server for an application in this process, still to be run."""
    return uvicorn.Server(uvicorn.Config(app, **_options(settings)))


def _options(settings: Settings) -> dict[str, Any]:
    return {
        # logging is configured by whoever starts a process, not by its server
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # a forged X-Forwarded-For is not believed
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "http": PROTOCOLS[settings.http_parser],
        # the protocol for httptools has this limit too
        "h11_max_incomplete_event_size": settings.max_header_size,
        "ws": "none",
        "limit_concurrency": count_connections(settings.generation_concurrency, settings.threads),
        "lifespan": "on",
        "timeout_graceful_shutdown": int(settings.generation_timeout) + STOP_MARGIN,
        # uvicorn kills a worker that doesn't answer in time; it may only be busy
        "timeout_worker_healthcheck": 30,
    }


def _check_port_is_free(host: str, port: int) -> None:
    try:
        bind(host, port).close()
    except (OSError, UnicodeError) as error:  # UnicodeError: no name that DNS could know
        reason = getattr(error, "strerror", None) or "no host has this name"
        raise ConfigurationError(
            f"PIXY_HOST, PIXY_PORT: can't listen on {host} port {port}: {reason}"
        ) from error


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address.

    Raises:
        OSError: The address is taken, or not this machine's.
        UnicodeError: The host can't be a name.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
