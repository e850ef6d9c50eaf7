"""Builds the application: services, routers, error handler, middleware."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import Lifespan, Scope

from pixy_core import PixyProxyException
from pixy_service import (
    NO_OBSERVER,
    GenerationObserver,
    ImageGenerator,
    ObserveCall,
    OpenAIGenerator,
    Services,
    SignInRule,
    SketchGenerator,
    check_models,
    open_monitor,
    open_services,
    prepare_stores,
)
from pixy_web.api import health, keys, private_images, public_images, v1
from pixy_web.api.openapi_document import build_document
from pixy_web.api.pages import build_document_router, build_pages_router
from pixy_web.api.reference import build_reference_router
from pixy_web.http.error_handler import handle_error
from pixy_web.metrics.folder import check_library, join_folder, make_folder
from pixy_web.metrics.requests import RequestMeter
from pixy_web.runtime import Runtime, V1Rules, open_runtime
from pixy_web.server.guard import PROBES, Guard
from pixy_web.server.log_lines import configure_logging, drain_log
from pixy_web.server.process import (
    allow_many_descriptors,
    collect_garbage_rarely,
    end_with_parent,
    outlive_signals,
    share_memory_among_threads,
)
from pixy_web.server.request_log import RequestLog, check_client
from pixy_web.setting_values import parse_aliases
from pixy_web.settings import (
    Settings,
    find_metrics_folder,
    name_metrics_folder,
    read_client_environment,
)
from pixy_web.threads.places import UploadPlaces
from pixy_web.threads.pools import count_database_calls
from pixy_web.tracing.calls import find_trace_id
from pixy_web.tracing.opening import open_tracing

if TYPE_CHECKING:
    from pixy_web.metrics.worker import WorkerMetrics
    from pixy_web.tracing.traces import Tracing

logger = logging.getLogger(__name__)

CORS_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
CORS_EXPOSED = ("Content-Range", "ETag", "Link", "Location", "Retry-After", "X-Request-ID")
"""Headers that scripts may read, in addition to those that the Fetch standard allows."""

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's switches for OpenTelemetry. By default it asks on each request whether there are global
providers, which takes as long as a query, and would export paths and queries to them."""


def create_app(
    settings: Settings,
    *,
    alone: bool = False,
    upgrade: bool = True,
    metrics: "WorkerMetrics | None" = None,
) -> FastAPI:
    """Return the application; nothing is opened until a server starts it.

    Args:
        settings: The settings.
        alone: True if the process does nothing else than serve this application.
        upgrade: Whether to create missing tables and to upgrade older ones.
        metrics: Counts requests and images; None: nothing is counted.
    """
    tracing = open_tracing(_is_probe) if settings.tracing else None
    lifespan = partial(_open_runtime, settings, tracing, metrics, alone=alone, upgrade=upgrade)
    telemetry = NO_TELEMETRY if tracing is None else tracing.telemetry
    app = _build_application(lifespan, telemetry)
    for error in (PixyProxyException, RequestValidationError, HTTPException):
        app.add_exception_handler(error, handle_error)
    _wrap(app, settings, metrics)
    # include_router would match each request twice, which takes a third of its time
    app.router.routes += _by_path(public_images.router, private_images.router)
    for router in (v1.router, keys.router, health.router, build_pages_router()):
        app.router.routes.extend(router.routes)
    if settings.openapi:
        build = partial(build_document, app, settings.max_prompt_length)
        app.router.routes.extend(build_document_router(build).routes)
        app.router.routes.extend(build_reference_router().routes)
    return app


def _build_application(lifespan: Lifespan[FastAPI], telemetry: TelemetryConfig) -> FastAPI:
    return FastAPI(
        title="PixyProxy",
        version=version("pixy-web"),
        description="A team's image service: it makes images from prompts and keeps them.",
        lifespan=lifespan,
        # the redirect would be built from the client's Host header
        redirect_slashes=False,
        # these pages load their scripts from another origin
        docs_url=None,
        # FastAPI's route sends no caching headers
        openapi_url=None,
        redoc_url=None,
        telemetry=telemetry,
    )


def _is_probe(scope: Scope) -> bool:
    return scope.get("path") in PROBES


def _by_path(*routers: APIRouter) -> list[Route]:
    """Return the routes of all routers in order, grouped by path."""
    routes = [r for router in routers for r in router.routes if isinstance(r, Route)]
    paths = list(dict.fromkeys(route.path for route in routes))
    return sorted(routes, key=lambda route: paths.index(route.path))


def _wrap(app: FastAPI, settings: Settings, metrics: "WorkerMetrics | None") -> None:
    """Add the middleware, the outermost last."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=["*"],
            expose_headers=CORS_EXPOSED,
        )
    app.add_middleware(
        Guard,
        hosts=frozenset(settings.allowed_hosts),
        origins=frozenset(settings.cors_origins),
        max_head_size=settings.max_header_size,
    )
    app.add_middleware(RequestLog)
    if metrics is not None:
        app.add_middleware(RequestMeter, metrics=metrics)


@asynccontextmanager
async def _open_runtime(
    settings: Settings,
    tracing: "Tracing | None",
    metrics: "WorkerMetrics | None",
    app: FastAPI,
    *,
    alone: bool,
    upgrade: bool,
) -> AsyncIterator[None]:
    open_these = partial(open_configured_services, upgrade=upgrade, observer=metrics or NO_OBSERVER)
    observe_call = None if tracing is None else tracing.observe_call
    services = await asyncio.to_thread(open_these, settings, observe_call=observe_call)
    app.state.runtime = runtime = _start_threads(services, settings)
    is_forced = False
    try:
        if tracing is not None:
            tracing.start()
        if alone:
            collect_garbage_rarely()
        yield
    except asyncio.CancelledError:
        # a second signal: threads still finish their images, so keep everything open
        is_forced = True
        raise
    finally:
        if not is_forced:
            await _close_runtime(runtime, tracing, alone)


def _start_threads(services: Services, settings: Settings) -> Runtime:
    return open_runtime(
        services,
        threads=settings.threads,
        check=check_client,
        max_body_size=settings.max_body_size,
        max_upload_size=settings.max_upload_size,
        upload_places=UploadPlaces(settings.max_uploads),
        body_grace=settings.body_grace,
        v1=_build_v1_rules(settings),
        public_max_age=settings.public_max_age,
        accel_redirect=settings.accel_redirect,
    )


async def _close_runtime(runtime: Runtime, tracing: "Tracing | None", alone: bool) -> None:
    await runtime.pools.close()
    await asyncio.to_thread(runtime.services.close)
    if tracing is not None:
        await asyncio.to_thread(tracing.close)
    if alone:
        await asyncio.to_thread(drain_log)


def _build_v1_rules(settings: Settings) -> V1Rules:
    return V1Rules(
        aliases=parse_aliases(settings.model_aliases),
        is_lenient=settings.ignore_unknown_parameters,
        ping_interval=settings.stream_ping,
        generation_timeout=settings.generation_timeout,
    )


def create_app_from_environment() -> FastAPI:
    """Return the application for the settings in the environment; each worker calls this.

    Raises:
        ConfigurationError: A setting is unknown or wrong.
    """
    return _create_app_of_worker(upgrade=True)


def create_app_without_upgrade() -> FastAPI:
    """Return the same application, which never changes tables: `pixy serve --no-upgrade`."""
    return _create_app_of_worker(upgrade=False)


def _create_app_of_worker(*, upgrade: bool) -> FastAPI:
    settings = Settings.load()
    find_trace = find_trace_id if settings.tracing else None
    configure_logging(settings.log_level, settings.log_format, find_trace)
    outlive_signals()
    end_with_parent()
    share_memory_among_threads()
    allow_many_descriptors()
    return create_app(settings, alone=True, upgrade=upgrade, metrics=_open_metrics(settings))


def _open_metrics(settings: Settings) -> "WorkerMetrics | None":
    """Return what counts for the metrics in this worker; None if they are off."""
    folder = find_metrics_folder()
    if settings.metrics_port is None or folder is None:
        return None
    try:
        join_folder(folder)
    except OSError as error:
        logger.error("this worker is missing in the metrics: %s", error)  # noqa: TRY400
        return None
    from pixy_web.metrics.worker import WorkerMetrics  # noqa: PLC0415 - an extra

    return WorkerMetrics(settings.generation_concurrency)


@contextmanager
def serve_metrics(
    settings: Settings, listeners: list[socket.socket]
) -> Iterator[Callable[[int], None]]:
    """Serve the metrics of all workers while the block runs.

    Args:
        settings: The settings.
        listeners: Bound sockets.

    Returns:
        The context's value is a function to call with the process id of a worker that has died.

    Raises:
        ConfigurationError: The folder for the workers can't be made.
    """
    with closing(make_folder()) as folder:
        # before the library is imported, here and in the workers
        name_metrics_folder(folder.path)
        from pixy_web.metrics.collection import ServiceCollector  # noqa: PLC0415 - an extra
        from pixy_web.metrics.server import serving  # noqa: PLC0415 - an extra

        url, generator = settings.database_url.get_secret_value(), _build_generator(settings)
        with open_monitor(url, settings.data_dir, settings.content, generator) as monitor:
            collector = ServiceCollector(folder.path, monitor, settings.provider_places)
            with serving(collector, listeners):
                yield folder.note_death


def prepare(settings: Settings, *, upgrade: bool = True) -> None:
    """Check that these settings can be used, and create missing tables and folders.

    Args:
        settings: The settings.
        upgrade: As for `create_app`.

    Raises:
        ConfigurationError: A setting can't be used, or the provider has shut its model down.
        SchemaError: The tables belong to a later version and are not for this one; or they are
            missing or older, and `upgrade` is false.
    """
    if settings.tracing:
        open_tracing(_is_probe)
    if settings.metrics_port is not None:
        check_library()
    generator = _build_generator(settings)
    try:
        check_models(generator)
    finally:
        generator.close()
    url = settings.database_url.get_secret_value()
    prepare_stores(url, settings.data_dir, settings.content, upgrade=upgrade)


def open_configured_services(
    settings: Settings,
    *,
    upgrade: bool = True,
    observe_call: ObserveCall | None = None,
    observer: GenerationObserver = NO_OBSERVER,
) -> Services:
    """Open the services with these settings; the database may be down.

    Args:
        settings: The settings.
        upgrade: As for `create_app`.
        observe_call: Told of each request for an image to the provider.
        observer: Follows how images are made.

    Raises:
        ConfigurationError: A setting can't be used.
        SchemaError: The database belongs to a later version.
    """
    return open_services(
        database_url=settings.database_url.get_secret_value(),
        data_dir=settings.data_dir,
        content=settings.content,
        generator=_build_generator(settings, observe_call),
        generation_concurrency=settings.generation_concurrency,
        generation_timeout=settings.generation_timeout,
        provider_places=settings.provider_places,
        threads=count_database_calls(settings.threads),
        sign_in_rule=SignInRule(
            settings.sign_in_failures, settings.sign_in_period, settings.sign_in_address_failures
        ),
        limits=settings.limits,
        wait_for_database=True,
        upgrade=upgrade,
        observer=observer,
    )


def _build_generator(settings: Settings, observe_call: ObserveCall | None = None) -> ImageGenerator:
    if settings.generator == "sketch":
        return SketchGenerator(settings.partial_images)
    key = settings.openai_api_key
    return OpenAIGenerator(
        key.get_secret_value() if key else None,
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        further_models=settings.openai_further_models,
        timeout=settings.generation_timeout,
        partial_images=settings.partial_images,
        environment=read_client_environment(),
        observe_call=observe_call,
    )
