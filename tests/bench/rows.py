"""The rows of the benchmark: what is measured, against what, and what it should at least be."""

import measures
from targets import BARE, FRONT, LITELLM, NGINX, PIXY, TEXTBOOK, Row, Target

ROWS = (
    Row(
        "detail",
        "Details by guid, 1 worker, 32 connections",
        "requests/s",
        measures.detail,
        (Target(PIXY, BARE, 0.42, 0.5), Target(PIXY, TEXTBOOK, 4)),
        (PIXY, BARE, TEXTBOOK),
    ),
    Row(
        "credentials",
        "Details, with credentials and without",
        "requests/s",
        measures.credentials,
        (Target("with", "without", 0.85, 0.95),),
    ),
    Row(
        "content",
        "Content, a PNG of 1.5 MB, 16 connections",
        "requests/s",
        measures.content,
        (Target(PIXY, TEXTBOOK, 3), Target(FRONT, NGINX, 0.7)),
        (PIXY, FRONT, NGINX, TEXTBOOK),
    ),
    Row(
        "unchanged",
        "Content that the client has (If-None-Match), and details",
        "requests/s",
        measures.unchanged,
        (Target("unchanged", "details", 0.9, 1.1),),
    ),
    Row(
        "page",
        "A page of 50, 32 connections",
        "requests/s",
        measures.page,
        (Target(PIXY, TEXTBOOK, 3.5, 6),),
        (PIXY, TEXTBOOK),
    ),
    Row(
        "all",
        "The list of all images",
        "images/s",
        measures.all_images,
        (
            Target(PIXY, TEXTBOOK, 2.8, 5),
            Target(f"{PIXY}, memory growth in MiB", None, 20, at_most=True, unit=" MiB"),
            Target(f"{PIXY}, first byte in ms", None, 50, at_most=True, unit=" ms"),
        ),
        (PIXY, TEXTBOOK),
    ),
    Row(
        "depth",
        "A page of 50 at the end of a long list, and page one",
        "ms",
        measures.depth,
        (Target("last page", "page one", 1.2, 1.0, at_most=True),),
    ),
    Row(
        "create",
        "What a create adds to a provider that answers 2 MB at once",
        "ms",
        measures.create,
        (Target(PIXY, LITELLM, 0.15, 0.05, at_most=True),),
        (PIXY, LITELLM),
    ),
    Row(
        "waiting",
        "Details while 200 creates wait for the provider, 99th percentile",
        "ms",
        measures.waiting,
        (Target("200 waiting", "idle", 1.5, 1.1, at_most=True),),
    ),
    Row(
        "start",
        "Start until ready to serve",
        "s",
        measures.start,
        (Target(PIXY, LITELLM, 0.15, at_most=True),),
        (PIXY, LITELLM),
    ),
    Row(
        "memory",
        "Memory of a worker that has served",
        "MiB",
        measures.memory,
        (Target(PIXY, LITELLM, 0.3, at_most=True),),
        (PIXY, LITELLM),
    ),
)
