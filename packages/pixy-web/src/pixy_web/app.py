"""Builds the application: services, routers, error handler, middleware."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from pixy_core import PixyProxyException
from pixy_service import (
    ImageGenerator,
    OpenAIGenerator,
    Services,
    SignInRule,
    SketchGenerator,
    open_services,
    prepare_stores,
)
from pixy_web.api import health, openapi, private_images, public_images
from pixy_web.api.pages import build_document_router, build_pages_router
from pixy_web.http.error_handler import handle_error
from pixy_web.runtime import open_runtime
from pixy_web.server.guard import Guard
from pixy_web.server.log_lines import configure_logging, drain_log
from pixy_web.server.process import (
    allow_many_descriptors,
    collect_garbage_rarely,
    end_with_parent,
    outlive_signals,
    share_memory_among_threads,
)
from pixy_web.server.request_log import RequestLog, check_client
from pixy_web.settings import Settings, read_client_environment
from pixy_web.threads.pools import count_database_calls

CORS_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
CORS_EXPOSED = ("Content-Range", "ETag", "Link", "Location", "Retry-After", "X-Request-ID")
"""What scripts may read beyond the headers that the Fetch standard gives them."""

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's switches for OpenTelemetry."""


def create_app(settings: Settings, *, alone: bool = False) -> FastAPI:
    """Return the application; nothing is opened until a server starts it.

    Args:
        settings: The settings to run with.
        alone: Whether the process serves this application and does nothing else.
    """
    app = FastAPI(
        title="PixyProxy",
        version=version("pixy-web"),
        description="A team's image service: a prompt goes in, an image comes out, and is kept.",
        lifespan=partial(_open_runtime, settings, alone),
        # the redirect would be built from the client's Host header
        redirect_slashes=False,
        # these pages load their scripts from another origin
        docs_url=None,
        # FastAPI's route sends no caching headers
        openapi_url=None,
        redoc_url=None,
        # without the SDK, FastAPI's check on each request costs as much as a query
        telemetry=None if find_spec("opentelemetry.sdk") else NO_TELEMETRY,
    )
    for error in (PixyProxyException, RequestValidationError, HTTPException):
        app.add_exception_handler(error, handle_error)
    _wrap(app, settings)
    # include_router would look for a request's route twice, at a third of the request's cost
    app.router.routes += _by_path(public_images.router, private_images.router)
    for router in (health.router, build_pages_router()):
        app.router.routes.extend(router.routes)
    document = openapi.build_document(app, settings.max_prompt_length)
    if settings.openapi:
        app.router.routes.extend(build_document_router(document).routes)
    return app


def _by_path(*routers: APIRouter) -> list[Route]:
    """Return the routes of all routers in order, with those of one path together."""
    routes = [r for router in routers for r in router.routes if isinstance(r, Route)]
    paths = list(dict.fromkeys(route.path for route in routes))
    return sorted(routes, key=lambda route: paths.index(route.path))


def _wrap(app: FastAPI, settings: Settings) -> None:
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


@asynccontextmanager
async def _open_runtime(settings: Settings, alone: bool, app: FastAPI) -> AsyncIterator[None]:
    services = await asyncio.to_thread(open_configured_services, settings)
    app.state.runtime = runtime = open_runtime(
        services,
        threads=settings.threads,
        check=check_client,
        max_body_size=settings.max_body_size,
        public_max_age=settings.public_max_age,
        accel_redirect=settings.accel_redirect,
    )
    if alone:
        collect_garbage_rarely()
    is_forced = False
    try:
        yield
    except asyncio.CancelledError:
        # a second signal: threads that make images still finish, so nothing is closed
        is_forced = True
        raise
    finally:
        if not is_forced:
            await runtime.pools.close()
            await asyncio.to_thread(services.close)
            if alone:
                await asyncio.to_thread(drain_log)


def create_app_from_environment() -> FastAPI:
    """Return the application for the settings in the environment: each worker's factory.

    Raises:
        ConfigurationError: A setting is unknown or wrong.
    """
    settings = Settings.load()
    configure_logging(settings.log_level)
    outlive_signals()
    end_with_parent()
    share_memory_among_threads()
    allow_many_descriptors()
    return create_app(settings, alone=True)


def prepare(settings: Settings) -> None:
    """Check that these settings can be used, and make the tables and folders that are missing.

    Raises:
        ConfigurationError: A setting can't be used.
        SchemaError: The database belongs to a later version.
    """
    _build_generator(settings).close()
    prepare_stores(settings.database_url.get_secret_value(), settings.data_dir)


def open_configured_services(settings: Settings) -> Services:
    """Return the services, opened with these settings; a database that is down may come later.

    Raises:
        ConfigurationError: A setting can't be used.
        SchemaError: The database belongs to a later version.
    """
    return open_services(
        database_url=settings.database_url.get_secret_value(),
        data_dir=settings.data_dir,
        generator=_build_generator(settings),
        generation_concurrency=settings.generation_concurrency,
        generation_timeout=settings.generation_timeout,
        threads=count_database_calls(settings.threads),
        sign_in_rule=SignInRule(
            settings.sign_in_failures, settings.sign_in_period, settings.sign_in_address_failures
        ),
        limits=settings.limits,
        wait_for_database=True,
    )


def _build_generator(settings: Settings) -> ImageGenerator:
    if settings.generator == "sketch":
        return SketchGenerator(settings.partial_images)
    key = settings.openai_api_key
    return OpenAIGenerator(
        key.get_secret_value() if key else None,
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        timeout=settings.generation_timeout,
        partial_images=settings.partial_images,
        environment=read_client_environment(),
    )
