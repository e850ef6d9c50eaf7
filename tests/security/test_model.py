"""Compares the API with a model in a dictionary, for random steps in random order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from running_service import PASSWORD, RunningService, run_service

VISIBILITIES = st.sampled_from(["private", "class", "public"])
CLASSES = st.sampled_from(["red", "blue"])
USERS = Bundle("users")
STEPS = 20


@dataclass
class Person:
    """A user of the model."""

    name: str
    class_key: str
    password: str
    enabled: bool = True


@dataclass
class Picture:
    """An image of the model."""

    owner: Person
    visibility: str
    prompt: str


@dataclass
class World:
    """The model: all users and images."""

    people: list[Person] = field(default_factory=list)
    pictures: dict[str, Picture] = field(default_factory=dict)

    def is_visible(self, guid: str, caller: Person | None) -> bool:
        picture = self.pictures.get(guid)
        if picture is None:
            return False
        if picture.visibility == "public" or caller is picture.owner:
            return True
        is_classmate = caller is not None and caller.class_key == picture.owner.class_key
        return picture.visibility == "class" and is_classmate


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    # runs disable users and change passwords: their wrong passwords must not reach the limit
    running = run_service(
        tmp_path_factory.mktemp("data"), sign_in_failures=100, sign_in_address_failures=10_000
    )
    yield running
    running.stop()


class Machine(RuleBasedStateMachine):
    """Applies each step to the service and to the model; the fixture sets the service."""

    service: RunningService
    gone: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.gone = []

    def ask(self, caller: Person | None, method: str, path: str, **options: Any) -> httpx2.Response:
        auth = httpx2.BasicAuth(caller.name, caller.password) if caller else None
        return self.service.clients[0].request(method, path, auth=auth, **options)

    @rule(target=USERS, class_key=CLASSES)
    def add_user(self, class_key: str) -> Person:
        person = Person(self.service.add_user(class_key=class_key), class_key, PASSWORD)
        self.world.people.append(person)
        return person

    @rule(person=USERS, visibility=VISIBILITIES, prompt=st.text("añ🦩 \n%", min_size=1, max_size=9))
    def make(self, person: Person, visibility: str, prompt: str) -> None:
        body = {"prompt": prompt, "visibility": visibility}
        answer = self.ask(person, "POST", "/image", json=body)
        if not person.enabled:
            assert answer.status_code == 401
        elif not prompt.strip():
            assert answer.status_code == 422
        else:
            assert answer.status_code == 201
            self.world.pictures[answer.json()["guid"]] = Picture(person, visibility, prompt)

    @rule(person=USERS, number=st.integers(0, 99), visibility=VISIBILITIES)
    def change(self, person: Person, number: int, visibility: str) -> None:
        guid = self.pick(number)
        answer = self.ask(person, "PATCH", f"/image/{guid}", json={"visibility": visibility})
        assert answer.status_code == self.status_of_write(person, guid, 200)
        if answer.status_code == 200:
            self.world.pictures[guid].visibility = visibility

    @rule(person=USERS, number=st.integers(0, 99))
    def delete(self, person: Person, number: int) -> None:
        guid = self.pick(number)
        answer = self.ask(person, "DELETE", f"/image/{guid}")
        assert answer.status_code == self.status_of_write(person, guid, 204)
        if answer.status_code == 204:
            del self.world.pictures[guid]
            self.gone.append(guid)

    @rule(person=USERS, password=st.sampled_from(["a new password", "another pässword"]))
    def change_password(self, person: Person, password: str) -> None:
        old = Person(person.name, person.class_key, person.password)
        with self.service.open_users() as users:
            users.set_password(person.name, password)
        person.password = password
        if old.password != password:
            assert self.ask(old, "GET", "/image?limit=1").status_code == 401

    @rule(person=USERS)
    def disable_or_enable(self, person: Person) -> None:
        person.enabled = not person.enabled
        with self.service.open_users() as users:
            (users.enable_user if person.enabled else users.disable_user)(person.name)
        # a refusal costs a hash, so the invariant leaves disabled users out
        assert self.ask(person, "GET", "/image").status_code == (200 if person.enabled else 401)

    @invariant()
    def each_caller_sees_what_the_dictionary_says(self) -> None:
        guids = [*self.world.pictures, *self.gone[-1:]]
        for caller in (None, *(person for person in self.world.people if person.enabled)):
            listed = self.ask(caller, "GET", "/image")
            # the service also has the images of earlier runs
            seen = {i["guid"]: i["prompt"] for i in listed.json() if i["guid"] in guids}
            visible = [guid for guid in guids if self.world.is_visible(guid, caller)]
            assert seen == {guid: self.world.pictures[guid].prompt for guid in visible}
            for guid in guids[-2:]:
                for path in (f"/image/{guid}", f"/image/{guid}/content"):
                    status = self.ask(caller, "HEAD", path).status_code
                    assert status == (200 if guid in visible else 404)

    def pick(self, number: int) -> str:
        guids = [*self.world.pictures, *self.gone, "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"]
        return guids[number % len(guids)]

    def status_of_write(self, person: Person, guid: str, success: int) -> int:
        if not person.enabled:
            return 401
        if not self.world.is_visible(guid, person):
            return 404
        return success if self.world.pictures[guid].owner is person else 403


def test_the_api_and_a_model_give_the_same_answers(
    service: RunningService, pytestconfig: pytest.Config
) -> None:
    service.client()
    machine = type("BoundMachine", (Machine,), {"service": service})
    wanted = pytestconfig.getoption("examples")
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=max(1, wanted // 20), stateful_step_count=STEPS),
    )
