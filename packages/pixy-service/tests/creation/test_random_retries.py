"""Random interleavings of requests, retries, deliveries and kills: nothing is bought twice.

A schedule lets a few clients ask for images through two processes. Each step of each request runs
at a random moment: clients leave, processes are killed, answers are lost, images are deleted. A
client that got no answer asks again, as the OpenAI SDKs do. The provider is a counter.
"""

import random
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from pixy_core import (
    Creation,
    GenerationUnknownError,
    GeneratorOverloadedError,
    Image,
    ImageDeletedError,
    ImageDetail,
    ImageDetailCreate,
    PixyProxyException,
    RecordNotFoundError,
    User,
)
from pixy_data import (
    Database,
    FileStore,
    UserRepository,
    open_database,
    run_transaction,
)
from pixy_service import Attempt, PrivateImageService
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.images.private import ImageTools
from pixy_service.stores import ImageStores

QUICK, SLOW, SHARDS = 300, 10_000, 4
MOST_ATTEMPTS = 3
KEYS = {"ann": ("annskey000", "annskey001"), "ben": ("benskey000",)}
PROMPTS = ("a lighthouse", "a fox")

HAPPENINGS = ("bought", "taken over", "left", "killed", "recovered", "delivered")

Steps = Generator[None]
Making = Generator[None, None, Image | None]


@dataclass
class Process:
    """A process: its claims die with it, and its requests are not served any more."""

    stores: ImageStores
    users: dict[str, User]
    claims: Claims = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.claims = Claims(self.stores)

    def open_images(self, user: str) -> PrivateImageService:
        creator = ImageCreator(
            self.stores, self.claims, ImageAdopter(self.stores), cast("Any", None)
        )
        nothing = cast("Any", None)
        tools = ImageTools(
            stores=self.stores,
            claims=self.claims,
            thumbnails=nothing,
            creator=creator,
            uploader=nothing,
            remover=nothing,
            executor=nothing,
            max_prompt_length=100,
        )
        return PrivateImageService(tools, self.users[user])


@dataclass
class Client:
    """One call of a client: what it asks for, and what it got."""

    user: str
    key_id: str
    prompt: str
    attempts: int = 0
    steps: Steps | None = None
    process: Process | None = None
    is_waiting: bool = False
    image: Image | None = None
    failure: PixyProxyException | None = None

    @property
    def is_done(self) -> bool:
        return self.image is not None or self.failure is not None

    @property
    def request(self) -> tuple[str, str]:
        return self.key_id, self.prompt


class Schedule:
    """One random interleaving."""

    def __init__(self, seed: int, processes: list[Process], recover: Callable[[str], None]) -> None:
        self.chance = random.Random(seed)
        self.processes = processes
        self.recover = recover
        self.purchases: Counter[tuple[str, str]] = Counter()
        # the database is the same for all schedules
        self.mark = f"{seed} "
        user = self.chance.choice(list(KEYS))
        requests = [(user, self.chance.choice(KEYS[user]), self.chance.choice(PROMPTS))]
        requests.append(("ben", KEYS["ben"][0], requests[0][2]))
        self.clients = [
            Client(*self.chance.choices(requests, (4, 1))[0])
            for _ in range(self.chance.randint(1, 3))
        ]
        self.abandoned: list[tuple[Process, Steps]] = []
        self.orphans: list[str] = []
        self.happened: Counter[str] = Counter()

    def run(self) -> None:
        while not all(client.is_done for client in self.clients):
            client = self.chance.choice([c for c in self.clients if not c.is_done])
            draw = self.chance.random()
            if not client.is_waiting:
                self.ask(client)
            elif draw < 0.18:
                self.leave(client)
            elif draw < 0.22:
                self.kill(self.chance.choice(self.processes))
            elif draw < 0.4 and self.abandoned:
                self.go_on()
            else:
                next(cast("Steps", client.steps), None)
            if self.orphans and self.chance.random() < 0.3:
                self.recover_one()
        while self.abandoned:
            self.go_on()

    def recover_one(self) -> None:
        """Let a third process judge a claim of a dead one."""
        self.happened["recovered"] += 1
        self.recover(self.orphans.pop())

    def ask(self, client: Client) -> None:
        if client.attempts == MOST_ATTEMPTS:
            client.failure = PixyProxyException()
            return
        client.attempts += 1
        client.is_waiting = True
        client.process = self.chance.choice(self.processes)
        client.steps = self.answer(client, client.attempts, client.process)

    def leave(self, client: Client) -> None:
        """Let a client time out; the server goes on, and may note it later."""
        assert client.process is not None
        assert client.steps is not None
        client.is_waiting = False
        self.happened["left"] += 1
        self.abandoned.append((client.process, client.steps))

    def kill(self, process: Process) -> None:
        for client in self.clients:
            if client.process is process:
                client.is_waiting, client.process, client.steps = False, None, None
        self.abandoned = [each for each in self.abandoned if each[0] is not process]
        self.orphans += process.claims._held
        self.happened["killed"] += 1
        process.start()

    def go_on(self) -> None:
        """Let a request go on whose client has left."""
        process, steps = self.chance.choice(self.abandoned)
        if next(steps, self) is self:
            self.abandoned.remove((process, steps))

    def answer(self, client: Client, number: int, process: Process) -> Steps:
        """Serve one attempt as the web layer does."""

        def has_left() -> bool:
            return client.is_done or client.attempts != number or not client.is_waiting

        images = process.open_images(client.user)
        attempt = Attempt(client.key_id, is_retry=number > 1, has_left=has_left)
        outcome: Image | PixyProxyException | None = None
        try:
            while outcome is None:
                yield
                found = images.find_replay(self.request(client), None, attempt)
                if found is None:
                    yield
                    outcome = yield from self.make(client, attempt, process)
                elif isinstance(found.image, Image):
                    outcome = found.image
                if outcome is None:
                    outcome = yield from self.follow(images, attempt)
        except PixyProxyException as error:
            outcome = error
        yield
        if has_left():
            images.release(attempt)
            return
        # the last byte
        client.image = outcome if isinstance(outcome, Image) else None
        self.happened["delivered"] += client.image is not None
        self.happened["taken over"] += attempt.taker == attempt.token
        client.failure = outcome if isinstance(outcome, PixyProxyException) else None
        if isinstance(outcome, GeneratorOverloadedError) and self.chance.random() < 0.7:
            # a status that the client repeats
            client.failure, client.is_waiting = None, False
        if self.chance.random() < 0.9:
            # otherwise it is killed before this
            images.note_delivery(attempt)

    def request(self, client: Client) -> ImageDetailCreate:
        return ImageDetailCreate(prompt=self.mark + client.prompt)

    def make(self, client: Client, attempt: Attempt, process: Process) -> Making:
        claims, stores, guid = process.claims, process.stores, str(uuid.uuid4())
        user = process.users[client.user]
        claim = claims.take(guid, self.request(client), user, None, attempt)
        yield
        if claim.is_replay:
            return None
        if attempt.has_left():
            claims.withdraw(guid)
            raise RecordNotFoundError
        yield
        claims.mark_asked(guid)
        yield
        draw = self.chance.random()
        if draw < 0.15:
            claims.fail(guid, GeneratorOverloadedError())
            raise GeneratorOverloadedError
        self.purchases[client.request] += 1
        self.happened["bought"] += 1
        if draw < 0.25:
            claims.fail(guid, GenerationUnknownError())
            raise GenerationUnknownError
        yield

        def adopt() -> Image:
            stores.creations.finish_creation(guid)
            made_at = claim.creation.created_at
            return stores.images.insert_image(describe(claim.creation), user, made_at)

        image = run_transaction(stores.database, adopt)
        claims.end(guid)
        if self.chance.random() < 0.1:
            yield
            stores.images.delete_image(guid, user.username)
            raise ImageDeletedError
        return image

    def follow(self, images: PrivateImageService, attempt: Attempt) -> Making:
        for _ in range(5):
            yield
            try:
                found = images.follow(attempt)
            except RecordNotFoundError:
                return None
            if found is not None:
                assert isinstance(found.image, Image)
                return found.image
            if self.orphans:
                self.recover_one()
        # the deadline of the request
        raise GenerationUnknownError

    def check(self, database: Database) -> None:
        wanted = Counter(client.request for client in self.clients)
        for request, bought in self.purchases.items():
            assert bought <= wanted[request], f"{self.mark}: {request} was bought {bought} times"
        for client in self.clients:
            if client.image is None:
                continue
            assert client.image.owner == client.user
            assert client.image.prompt == self.mark + client.prompt
            row = database.fetch_one(
                "SELECT key_id FROM creations WHERE guid = :guid", {"guid": client.image.guid}
            )
            assert row == (client.key_id,)


def describe(creation: Creation) -> ImageDetail:
    return ImageDetail(
        prompt=creation.prompt,
        visibility=creation.visibility,
        guid=creation.guid,
        filename=f"{creation.guid}.png",
        owner=creation.owner,
        media_type="image/png",
        width=64,
        height=48,
        size=100,
        sha256="0" * 64,
        generator="openai",
        model="m",
    )


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = open_database(database_url)
    yield database
    database.close()


@pytest.fixture
def run(database: Database, tmp_path: Path) -> Callable[[range], Counter[str]]:
    """Return a function that runs the schedules of some seeds, and counts what happened."""
    repository = UserRepository(database)
    users = {
        name: repository.insert_user(User(username=name, password="-", class_key="red"))
        for name in KEYS
    }
    stores = ImageStores.over(database, FileStore(tmp_path / "images"))
    processes = [Process(stores, users) for _ in range(2)]
    recovery = Recovery(stores, Claims(stores), ImageAdopter(stores), patience=0)

    def recover(guid: str) -> None:
        expire = "UPDATE creations SET expires_at = '2001-01-01 00:00:00.000000'"
        database.execute(f"{expire} WHERE guid = :guid AND status = 'pending'", {"guid": guid})
        # it judges what it has seen before
        recovery._judge_leases(recovery._judge_leases({}))

    def run_all(seeds: range) -> Counter[str]:
        happened: Counter[str] = Counter()
        for seed in seeds:
            schedule = Schedule(seed, processes, recover)
            schedule.run()
            schedule.check(database)
            happened += schedule.happened
        return happened

    return run_all


def test_nothing_is_bought_twice(run: Callable[[range], Counter[str]]) -> None:
    happened = run(range(QUICK))
    # else the schedules would show nothing
    assert all(happened[name] > QUICK / 30 for name in HAPPENINGS), happened


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(SHARDS))
def test_nothing_is_bought_twice_in_ten_thousand_schedules(
    run: Callable[[range], Counter[str]],
    record_property: Callable[[str, object], None],
    shard: int,
) -> None:
    part = SLOW // SHARDS
    happened = run(range(QUICK + shard * part, QUICK + (shard + 1) * part))
    record_property("figures", f"{part} schedules: {dict(happened)}; bought twice: 0")
