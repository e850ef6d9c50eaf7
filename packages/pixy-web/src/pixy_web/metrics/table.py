"""The table of metrics, which docs/metrics.md repeats. No label is a user, a guid or a prompt."""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

REQUEST_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 120.0, 240.0)
"""Seconds. From a read of details to a create that takes as long as it may."""

GENERATION_BUCKETS = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 240.0)
OVERHEAD_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: As it is scraped; a histogram has `_bucket`, `_sum` and `_count` after it.
        kind: What Prometheus calls its type.
        labels: The names of its labels.
        meaning: What it measures; also its `HELP` line.
        buckets: The upper bounds of a histogram, without infinity.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


REQUEST_DURATION = Metric(
    "pixy_http_request_duration_seconds",
    "histogram",
    ("method", "route", "status"),
    "Seconds from a request's arrival to the end of its response.",
    REQUEST_BUCKETS,
)
ACTIVE_REQUESTS = Metric(
    "pixy_http_active_requests", "gauge", (), "Requests that are being answered."
)
GENERATIONS = Metric(
    "pixy_generations_total",
    "counter",
    ("model", "outcome", "billed"),
    "Images that the generator was asked for, once their outcome is clear.",
)
GENERATION_DURATION = Metric(
    "pixy_generation_duration_seconds",
    "histogram",
    ("model", "quality"),
    "Seconds that the generator took for an image; without failures.",
    GENERATION_BUCKETS,
)
GENERATION_PLACES = Metric(
    "pixy_generation_places", "gauge", ("state",), "Places for images that are being made."
)
OVERHEAD = Metric(
    "pixy_overhead_seconds",
    "histogram",
    (),
    "Seconds that making an image took in addition to the provider's time.",
    OVERHEAD_BUCKETS,
)
IMAGE_TOKENS = Metric(
    "pixy_image_tokens_total",
    "counter",
    ("model", "direction", "modality"),
    "Tokens that the provider reported for images.",
)
JOURNAL_ENTRIES = Metric(
    "pixy_journal_entries", "gauge", (), "Journal entries that have no row yet."
)
UNKNOWN = Metric(
    "pixy_unknown_total",
    "counter",
    (),
    "Creations that ended as unknown: the provider may have charged for them.",
)
STORE_FREE_BYTES = Metric(
    "pixy_store_free_bytes", "gauge", (), "Free bytes on the disk of the data folder."
)
DATABASE_UP = Metric(
    "pixy_database_up", "gauge", (), "1 if the database answers within 2 seconds, otherwise 0."
)
MODEL_SHUTDOWN_DAYS = Metric(
    "pixy_model_shutdown_days",
    "gauge",
    (),
    "Days until the provider shuts down the first of the configured models; 0 or less: it is gone.",
)

METRICS = (
    REQUEST_DURATION,
    ACTIVE_REQUESTS,
    GENERATIONS,
    GENERATION_DURATION,
    GENERATION_PLACES,
    OVERHEAD,
    IMAGE_TOKENS,
    JOURNAL_ENTRIES,
    UNKNOWN,
    STORE_FREE_BYTES,
    DATABASE_UP,
    MODEL_SHUTDOWN_DAYS,
)
"""All of them, in the order of the documentation."""

LABELS = {
    "method": "The request's method; `other` if it is unknown, or not for this path (405).",
    "route": "The template of the route, such as `/image/{guid}`, or `unmatched`.",
    "status": "The status of the response; 499 if the client left before its end.",
    "model": "The model that made the image or was asked to.",
    "outcome": "`ready`, or the code of the failure, such as `prompt_rejected`.",
    "billed": "Whether the provider charged for it: `yes`, `no` or `unknown`.",
    "quality": "The quality that was asked for, such as `auto` or `high`.",
    "state": "`used` and `total`: images that the workers of this server make, and may make. "
    "`fleet_used` and `fleet_total`: the same for all servers of the database, if "
    "`PIXY_PROVIDER_PLACES` limits them.",
    "direction": "`input` or `output`.",
    "modality": "`text` or `image`; `unspecified` if the provider did not say.",
}
"""What each label says, in the order of the documentation."""
