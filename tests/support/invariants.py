"""Checks of the invariants after every fault, I1 to I8 of docs/reliability.md, from outside."""

import hashlib
import re
from collections import Counter
from urllib.parse import urlsplit

import httpx2

from deployment import Deployment, wait_until
from installed_pixy import PASSWORD
from log_format import END, LINE, START

_KEY = "sk-of-the-test"
_PROVIDERS_WORDS = "The stand-in repeats"
_WORD = re.compile(r"\w+")
_SQL = re.compile(r"SELECT |INSERT |UPDATE |DELETE FROM|OperationalError|IntegrityError")


def settle(deployment: Deployment, damaged: frozenset[str] = frozenset()) -> None:
    """Let a deployment recover, check that all slots are free, and check the invariants.

    Args:
        deployment: It is started if it does not run.
        damaged: See `check_invariants`.
    """
    deployment.provider.behave("png")
    if not deployment.pixy.is_running:
        deployment.pixy.start()
    deployment.wait_for_recovery()
    deployment.use_every_place()
    check_invariants(deployment, damaged=damaged)


def check_invariants(deployment: Deployment, *, damaged: frozenset[str] = frozenset()) -> None:
    """Check all invariants of a deployment that has recovered.

    Args:
        deployment: The deployment; it must not be serving requests.
        damaged: Guids of images whose files the test itself has damaged.

    Raises:
        AssertionError: An invariant does not hold; the message begins with its number.
    """
    _check_rows_and_files(deployment, damaged)
    _check_purchases(deployment)
    failures = [answer for answer in deployment.answers if answer.status_code >= 400]
    texts = "\n".join({answer.text for answer in failures})
    _check_secrets(deployment, "an answer", texts)
    assert str(deployment.data) not in texts, "I5 an answer tells a path"
    for answer in failures:
        _check_problem(answer)
    # the END line is written after the client has its answer
    wait_until(
        lambda: len(deployment.requests_without_end()) <= deployment.killed_in_flight,
        "I8 the end of each request",
    )
    _check_log(deployment)


def _check_rows_and_files(deployment: Deployment, damaged: frozenset[str]) -> None:
    rows, files = deployment.rows(), deployment.files()
    for guid, (filename, size, sha256) in rows.items():
        if guid in damaged:
            continue
        assert filename in files, f"I1 the row of {guid} has no file"
        content = files[filename].read_bytes()
        assert len(content) == size, f"I1 the file of {guid} has another size"
        assert hashlib.sha256(content).hexdigest() == sha256, f"I1 {guid} has another hash"
    without_row = set(files) - {filename for filename, _, _ in rows.values()}
    assert not without_row, f"I2 files have no row: {without_row}"
    assert not deployment.journal(), "I3 the journal still waits for rows"
    assert not deployment.unfinished(), "I7 temporary files are left"
    shown = [answer for answer in deployment.answers if answer.status_code in (201, 202)]
    for answer in shown:
        if answer.request.method == "POST":
            guid = answer.json()["guid"]
            assert guid in {*rows, *deployment.deleted}, f"I3 {guid} was promised and has no row"


def _check_purchases(deployment: Deployment) -> None:
    bought = Counter(deployment.provider.purchases)
    twice = {prompt: count for prompt, count in bought.items() if count > 1}
    assert not twice, f"I4 bought more than once: {twice}"


def _check_secrets(deployment: Deployment, where: str, text: str) -> None:
    secrets = [PASSWORD, _KEY, _PROVIDERS_WORDS]
    secrets += [urlsplit(deployment.database_url).password or PASSWORD]
    told = [secret for secret in secrets if secret in text]
    assert not told, f"I5 {where} tells {told}"
    words = set(_WORD.findall(text))
    for prompt in {request.body["prompt"] for request in deployment.provider.requests}:
        # one search of the whole log for each of thousands of ids would take minutes
        if words.issuperset(_WORD.findall(prompt)[1:-1]):
            assert prompt not in text, f"I5 {where} tells a prompt: {prompt}"


def _check_problem(answer: httpx2.Response) -> None:
    assert "Traceback" not in answer.text, f"I5 an answer tells a traceback: {answer.text}"
    assert not _SQL.search(answer.text), f"I5 an answer tells SQL: {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", "I6 not a problem"
    assert answer.json()["request_id"] == answer.headers["x-request-id"], "I6 another request id"
    assert "no-store" in answer.headers["cache-control"], "I6 an error may be cached"


def _check_log(deployment: Deployment) -> None:
    text = deployment.pixy.log
    _check_secrets(deployment, "the log", text)
    starts, ends = Counter[str](), Counter[str]()
    for line in map(LINE.fullmatch, text.splitlines()):
        if line and START.fullmatch(line["message"]):
            starts[line["request_id"]] += 1
        elif line and END.fullmatch(line["message"]):
            ends[line["request_id"]] += 1
    assert set(starts.values()) <= {1}, "I8 a request started twice"
    assert set(ends.values()) <= {1}, "I8 a request ended twice"
    assert set(ends) <= set(starts), "I8 a request ended that never started"
    answered = {answer.headers["x-request-id"] for answer in deployment.answers}
    assert answered <= set(starts), "I8 a request was answered and never started"
    unanswered = set(starts) - set(ends)
    assert len(unanswered) <= deployment.killed_in_flight, f"I8 no end of {unanswered}"
