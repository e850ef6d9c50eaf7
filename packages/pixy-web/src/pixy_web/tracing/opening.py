"""Opens tracing, if its libraries are installed."""

from typing import TYPE_CHECKING

from pixy_core import ConfigurationError

if TYPE_CHECKING:
    from pixy_web.tracing.traces import Exclude, Tracing


def open_tracing(exclude: "Exclude") -> "Tracing":
    """Return tracing as the `OTEL_…` variables want it; it exports once it is started.

    Args:
        exclude: As for `Tracing`.

    Raises:
        ConfigurationError: The extra is not installed, or a variable can't be used.
    """
    try:
        # an extra; the SDK reads some of its variables when it is imported
        from pixy_web.tracing.traces import Tracing  # noqa: PLC0415

        return Tracing(exclude)
    except ImportError as error:
        raise ConfigurationError(
            "PIXY_TRACING needs libraries that are not installed: pip install 'pixy-web[otel]'"
        ) from error
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            f"PIXY_TRACING: an OTEL_… variable can't be used: {error}"
        ) from error
