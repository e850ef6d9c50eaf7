"""The measurement of each row: every contender once, one after the other."""

import statistics
import time

from contenders import MODEL, make_stand_in
from load import (
    SlowReaders,
    WaitingPosts,
    count_requests,
    download_list,
    get_json,
    post_one_by_one,
    run_wrk,
)
from processes import Process, find_free_port
from setting import PROMPT, SIGNED_IN, Setting
from targets import ADDED, BARE, FRONT, LITELLM, NGINX, PIXY, STORE, TEXTBOOK, Figures

CONNECTIONS = 32
WAITING = 200
READERS = 200
POSTS = 15
GENERATIONS = "/v1/images/generations"
REQUEST = {"prompt": PROMPT["prompt"], "model": MODEL, "n": 1}
PAGE = "/image?limit=50"


def detail(setting: Setting) -> Figures:
    """Details of many images in turn; the database has more images than are requested."""
    return {
        PIXY: _rate(setting, setting.pixy, setting.details),
        BARE: _rate(setting, setting.bare, ["/ready"]),
        TEXTBOOK: _rate(setting, setting.textbook, setting.details),
    }


def credentials(setting: Setting) -> Figures:
    """The same details with and without credentials."""
    return {
        "with": _rate(setting, setting.pixy, setting.details, headers=SIGNED_IN),
        "without": _rate(setting, setting.pixy, setting.details),
    }


def key(setting: Setting) -> Figures:
    """The same details with an API key, with a remembered password, and without either."""
    return {
        "with a key": _rate(setting, setting.pixy, setting.details, headers=setting.keyed),
        "with a password": _rate(setting, setting.pixy, setting.details, headers=SIGNED_IN),
        "without": _rate(setting, setting.pixy, setting.details),
    }


def metrics(setting: Setting) -> Figures:
    """The same details with metrics and without, in turn: both get the same share of the noise."""
    port = find_free_port()
    pixies = {
        "without": setting.make_pixy("without-metrics"),
        "with": setting.make_pixy("with-metrics", PIXY_METRICS_PORT=str(port)),
    }
    rates: dict[str, list[float]] = {name: [] for name in pixies}
    with pixies["without"], pixies["with"]:
        for name in ("without", "with", *("without", "with", "with", "without") * 2):
            rates[name].append(_rate(setting, pixies[name], setting.details))
        if count_requests(f"http://127.0.0.1:{port}") < len(setting.details):
            raise RuntimeError("the metrics have not counted the requests")
    # the first of each warms up
    return {name: statistics.mean(measured[1:]) for name, measured in rates.items()}


def content(setting: Setting) -> Figures:
    """The files of the images in turn, requested directly and through nginx."""
    return {
        PIXY: _rate(setting, setting.pixy, setting.contents, connections=16),
        FRONT: _rate(setting, setting.front, setting.contents, connections=16),
        NGINX: _rate(setting, setting.nginx, setting.files, connections=16),
        TEXTBOOK: _rate(setting, setting.textbook, setting.contents, connections=16),
    }


def bucket(setting: Setting) -> Figures:
    """Images in a bucket, one request after the other: through PixyProxy and from the store."""
    images, _ = get_json(setting.bucket_pixy.url, PAGE, {})
    contents = [f"/image/{image['guid']}/content" for image in images]
    objects = [setting.bucket.sign(image["filename"]) for image in images]
    figures = {
        PIXY: _p50(setting, setting.bucket_pixy.url, contents),
        STORE: _p50(setting, setting.bucket.url, objects),
        "PixyProxy on files": _p50(setting, setting.pixy.url, setting.contents),
    }
    return figures | {ADDED: figures[PIXY] - figures[STORE]}


def readers(setting: Setting) -> Figures:
    """Details of a new server whose images are in a bucket, with slow readers and without."""
    images, _ = get_json(setting.bucket_pixy.url, PAGE, {})
    details = [f"/image/{image['guid']}" for image in images]
    path = f"{setting.large_image}/content"
    with setting.make_bucket_pixy("readers") as pixy:
        idle = _p99(setting, pixy, details)
        before = pixy.memory()
        with SlowReaders(pixy.url, path, SIGNED_IN, READERS):
            busy = _p99(setting, pixy, details)
            growth = pixy.memory() - before
    return {"200 readers": busy, "idle": idle, "MiB for each reader": growth / READERS}


def unchanged(setting: Setting) -> Figures:
    """Requests for files that the client has already (304), compared with details."""
    known = {"If-None-Match": setting.tags[0]}
    return {
        "unchanged": _rate(setting, setting.pixy, setting.contents, headers=known),
        "details": _rate(setting, setting.pixy, setting.details),
    }


def page(setting: Setting) -> Figures:
    """The first page of the list."""
    return {
        PIXY: _rate(setting, setting.pixy, [PAGE]),
        TEXTBOOK: _rate(setting, setting.textbook, [PAGE]),
    }


def all_images(setting: Setting) -> Figures:
    """The whole list, once, and the growth of the memory meanwhile."""
    figures = {}
    for name, process in ((PIXY, setting.pixy), (TEXTBOOK, setting.textbook)):
        process.forget_peak()
        before = process.memory()
        download = download_list(process.url, "/image")
        if download.images < setting.many:
            raise RuntimeError(f"{name} listed {download.images} images")
        figures[name] = download.images / download.seconds
        figures[f"{name}, memory growth in MiB"] = process.peak_memory() - before
        figures[f"{name}, first byte in ms"] = download.first_byte * 1000
    return figures


def depth(setting: Setting) -> Figures:
    """The last and the first page of a long list, one request after the other."""
    return {
        "last page": _p50(setting, setting.deep_pixy.url, [setting.last_page]),
        "page one": _p50(setting, setting.deep_pixy.url, [PAGE]),
    }


def create(setting: Setting) -> Figures:
    """Creates one after the other, minus the time of the same request to the provider itself."""

    def post(process: Process, path: str, body: object, headers: dict[str, str]) -> float:
        status = 201 if process is setting.pixy else 200
        return post_one_by_one(process.url, path, body, headers, count=POSTS, status=status)

    direct = post(setting.provider, GENERATIONS, REQUEST, {})
    figures = {PIXY: post(setting.pixy, "/image", PROMPT, SIGNED_IN) - direct}
    if setting.litellm is not None:
        key = {"Authorization": f"Bearer {setting.litellm_key}"}
        figures[LITELLM] = post(setting.proxy, GENERATIONS, REQUEST, key) - direct
    return figures | {"the provider itself": direct}


def waiting(setting: Setting) -> Figures:
    """Details of an idle server, and of one that waits for a slow provider."""
    slow = make_stand_in(setting.folder / "slow-provider", 20)
    pixy = setting.make_pixy("waiting", slow, PIXY_GENERATION_CONCURRENCY=str(WAITING))
    with slow, pixy:
        idle = _p99(setting, pixy, setting.details)
        # otherwise all of them would check the password, which is not remembered yet
        get_json(pixy.url, "/image?limit=1", SIGNED_IN)
        posts = WaitingPosts(pixy.url, "/image", PROMPT, SIGNED_IN, WAITING)
        try:
            _wait_for_posts(slow, WAITING)
            busy = _p99(setting, pixy, setting.details)
            asked, _ = get_json(slow.url, "/", {})
        finally:
            posts.join()
    if asked != WAITING:
        raise RuntimeError(f"only {asked} creates waited to the end")
    return {"200 waiting": busy, "idle": idle}


def start(setting: Setting) -> Figures:
    """The time from the start of the command to the first answer of its readiness check."""
    figures = {PIXY: _start_time(setting.make_pixy("start-pixy"))}
    if setting.litellm is not None:
        figures[LITELLM] = _start_time(setting.make_litellm("start-litellm"))
    return figures


def memory(setting: Setting) -> Figures:
    """The memory of a worker after it has made images; PixyProxy has also served reads."""
    create(setting)
    detail(setting)
    figures = {PIXY: setting.pixy.memory()}
    if setting.litellm is not None:
        figures[LITELLM] = setting.proxy.memory()
    return figures


def _rate(
    setting: Setting,
    process: Process,
    paths: list[str],
    *,
    connections: int = CONNECTIONS,
    headers: dict[str, str] | None = None,
) -> float:
    return run_wrk(
        process.url,
        paths,
        connections=connections,
        seconds=setting.seconds,
        headers=headers or {},
    ).rate


def _p50(setting: Setting, url: str, paths: list[str]) -> float:
    return run_wrk(url, paths, connections=1, seconds=setting.seconds, headers={}).p50


def _p99(setting: Setting, process: Process, paths: list[str]) -> float:
    return run_wrk(
        process.url,
        paths,
        connections=CONNECTIONS,
        seconds=setting.seconds,
        headers={},
    ).p99


def _wait_for_posts(provider: Process, count: int) -> None:
    deadline = time.monotonic() + 15
    while get_json(provider.url, "/", {})[0] != count:
        if time.monotonic() > deadline:
            raise RuntimeError("the creates did not reach the provider in time")
        time.sleep(0.05)


def _start_time(process: Process) -> float:
    try:
        return process.start()
    finally:
        process.stop()
