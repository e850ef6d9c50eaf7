"""How each row of the benchmark is measured: every contender once, one after the other."""

import time

from contenders import MODEL, make_stand_in
from load import WaitingPosts, download_list, get_json, post_one_by_one, run_wrk
from processes import Process
from setting import PROMPT, SIGNED_IN, Setting
from targets import BARE, FRONT, LITELLM, NGINX, PIXY, TEXTBOOK, Figures

CONNECTIONS = 32
WAITING = 200
POSTS = 15
GENERATIONS = "/v1/images/generations"
REQUEST = {"prompt": PROMPT["prompt"], "model": MODEL, "n": 1}
PAGE = "/image?limit=50"


def detail(setting: Setting) -> Figures:
    """Details of many images in turn, of which the database has more than it is asked for."""
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


def content(setting: Setting) -> Figures:
    """The files of the pictures in turn, asked for directly and through nginx."""
    return {
        PIXY: _rate(setting, setting.pixy, setting.contents, connections=16),
        FRONT: _rate(setting, setting.front, setting.contents, connections=16),
        NGINX: _rate(setting, setting.nginx, setting.files, connections=16),
        TEXTBOOK: _rate(setting, setting.textbook, setting.contents, connections=16),
    }


def unchanged(setting: Setting) -> Figures:
    """Files that the client has already, against details."""
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
    """The whole list, once; what is held beyond what was held before is its growth."""
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
    """The last page of a long list and its first, asked for one after the other."""
    return {
        name: run_wrk(
            setting.deep_pixy.url, [path], connections=1, seconds=setting.seconds, headers={}
        ).p50
        for name, path in (("last page", setting.last_page), ("page one", PAGE))
    }


def create(setting: Setting) -> Figures:
    """Creates one after the other, less what the provider takes when it is asked directly."""

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
    """Details of a server that does nothing else, and of one that waits for a slow provider."""
    slow = make_stand_in(setting.folder / "slow-provider", 20)
    pixy = setting.make_pixy("waiting", slow, PIXY_GENERATION_CONCURRENCY=str(WAITING))
    with slow, pixy:
        idle = _p99(setting, pixy)
        # a password that isn't remembered yet would be checked by all of them at once
        get_json(pixy.url, "/image?limit=1", SIGNED_IN)
        posts = WaitingPosts(pixy.url, "/image", PROMPT, SIGNED_IN, WAITING)
        try:
            _wait_for_posts(slow, WAITING)
            busy = _p99(setting, pixy)
            asked, _ = get_json(slow.url, "/", {})
        finally:
            posts.join()
    if asked != WAITING:
        raise RuntimeError(f"only {asked} creates waited to the end")
    return {"200 waiting": busy, "idle": idle}


def start(setting: Setting) -> Figures:
    """From the start of the command to the first answer of its readiness check."""
    figures = {PIXY: _start_time(setting.make_pixy("start-pixy"))}
    if setting.litellm is not None:
        figures[LITELLM] = _start_time(setting.make_litellm("start-litellm"))
    return figures


def memory(setting: Setting) -> Figures:
    """What a worker holds in memory after it has made images; PixyProxy's has served, too."""
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


def _p99(setting: Setting, process: Process) -> float:
    return run_wrk(
        process.url,
        setting.details,
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
