"""The server is killed at each request to object storage: F115 and F116."""

import itertools
import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

import httpx2
import pytest

from bucket_deployment import BucketDeployment
from deployment import wait_until
from provider_answers import make_png
from s3_faults import Exchange, Fault, S3Request

LEFTOVER_AGE = 31
OUTCOMES = {"0 bought, then 201", "1 bought, then 201", "1 bought, then 502"}
_widths = itertools.count(100)


@pytest.fixture
def deployment(deploy_on_bucket: Callable[..., BucketDeployment]) -> BucketDeployment:
    """A running deployment on a bucket of its own."""
    deployment = deploy_on_bucket()
    deployment.pixy.start()
    return deployment


def upload(deployment: BucketDeployment, content: bytes) -> httpx2.Response:
    with deployment.client() as ada:
        headers = {"Content-Type": "image/png"}
        return ada.post("/image/upload", content=content, headers=headers)


def die(deployment: BucketDeployment, *, is_before: bool) -> Fault:
    """Return a fault that kills the server, before or after the store has done its work."""

    def kill(exchange: Exchange) -> None:
        if not is_before:
            exchange.forward()
        os.kill(deployment.pixy.pid, signal.SIGKILL)
        exchange.cut()

    return kill


class DieAt:
    """Chooses a fault for the n-th request about the next image that is made.

    Args:
        number: From 1, which reserves it.
        fault: The fault.
    """

    def __init__(self, number: int, fault: Fault) -> None:
        self._left = number
        self._fault = fault
        self._guid = ""

    def __call__(self, request: S3Request) -> Fault | None:
        """Return the fault of a request."""
        if not self._guid and request.method == "PUT" and "/reserved/" in request.path:
            self._guid = request.path.rpartition("/")[2]
        # objects are deleted by a POST without their names
        if not self._guid or not (self._guid in request.path or request.method == "POST"):
            return None
        self._left -= 1
        return self._fault if self._left == 0 else None


class Kill(NamedTuple):
    """A request at which the server is killed: its number, and whether it arrives."""

    number: int
    is_before: bool

    @property
    def is_safe(self) -> bool:
        """Whether the bytes have arrived: the third request is theirs."""
        return self.number > 3 or (self.number == 3 and not self.is_before)

    def __str__(self) -> str:
        return f"killed {'before' if self.is_before else 'after'} request {self.number}"


def kill_at(deployment: BucketDeployment, point: Kill, send: Callable[[], object]) -> None:
    """Send a request whose server is killed, and start the next server."""
    deployment.faults.choose = DieAt(point.number, die(deployment, is_before=point.is_before))
    with pytest.raises(httpx2.TransportError):
        send()
    deployment.faults.choose = lambda _: None
    deployment.crash()
    deployment.pixy.start()
    # a start makes what is safe visible
    wait_until(lambda: not deployment.journal())


def kill_in_creates(deployment: BucketDeployment, points: list[Kill]) -> None:
    """Kill the server at requests of creates, whose prompts and keys are the points' names."""
    for point in points:
        name = str(point)
        kill_at(deployment, point, lambda name=name: deployment.post(name, name))


def check_creates(deployment: BucketDeployment, points: list[Kill]) -> None:
    """Repeat the creates whose server was killed, and check their outcomes."""
    purchases, outcomes = deployment.provider.purchases, set()
    for point in points:
        name = str(point)
        bought = purchases.count(name)
        again = deployment.post(name, name)
        outcomes.add(f"{bought} bought, then {again.status_code}")
        assert purchases.count(name) == 1, name
        assert bought == (point.number > 1), name
        if point.is_safe or not bought:
            assert again.status_code == 201, name
        else:
            assert (again.status_code, again.json()["code"]) == (502, "outcome_unknown"), name
            assert again.json()["billed"] == "unknown", name
    assert outcomes == OUTCOMES


def kill_in_uploads(deployment: BucketDeployment, points: list[Kill]) -> dict[Kill, bytes]:
    """Kill the server at requests of uploads, and return what was uploaded."""
    contents = {point: make_png(next(_widths), 48) for point in points}
    for point, content in contents.items():
        kill_at(deployment, point, lambda content=content: upload(deployment, content))
    return contents


def check_uploads(deployment: BucketDeployment, contents: dict[Kill, bytes]) -> None:
    """Repeat the uploads whose server was killed, and check their outcomes."""
    for point, content in contents.items():
        expected = 200 if point.is_safe else 201
        assert upload(deployment, content).status_code == expected, point


@pytest.mark.long
# one test for both, because a recovery judges a lease after half a minute
@pytest.mark.fault("F115")
@pytest.mark.fault("F116")
@pytest.mark.parametrize(
    "is_before", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["after", "before"]
)
def test_the_server_is_killed_at_each_request_of_a_create_and_an_upload(
    deployment: BucketDeployment, is_before: bool
) -> None:
    points = [Kill(number, is_before) for number in range(1, 7)]
    contents = kill_in_uploads(deployment, points)
    kill_in_creates(deployment, points)
    deployment.wait_for_recovery()
    check_uploads(deployment, contents)
    check_creates(deployment, points)


@pytest.mark.slow
@pytest.mark.fault("F115")
def test_the_server_is_killed_at_the_last_requests_of_a_create(
    deployment: BucketDeployment,
) -> None:
    points = [Kill(number, is_before) for number in (7, 8) for is_before in (True, False)]
    kill_in_creates(deployment, points)
    deployment.wait_for_recovery()
    for point in points:
        assert deployment.post(str(point), str(point)).status_code == 201
        assert deployment.provider.purchases.count(str(point)) == 1


@pytest.mark.slow
@pytest.mark.fault("F115")
def test_no_reservation_stays_for_ever(deployment: BucketDeployment) -> None:
    kill_at(deployment, Kill(2, is_before=True), lambda: deployment.post("only reserved"))
    assert deployment.reserved()
    time.sleep(LEFTOVER_AGE)
    deployment.crash()
    deployment.pixy.start()
    wait_until(lambda: not deployment.reserved(), "reservations to be removed")
