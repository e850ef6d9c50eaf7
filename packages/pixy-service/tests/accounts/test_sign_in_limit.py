"""The limit of wrong passwords: who is refused, who isn't, and for how long."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pixy_core import InvalidCredentialsError, TooManyFailuresError
from pixy_data import (
    Database,
    SignInFailureRepository,
    initialise_database,
    open_database,
)
from pixy_service import Credentials, CredentialService, ImageGenerator, Services, open_services
from pixy_service.accounts.sign_in_limit import SignInLimit, SignInRule

PASSWORD = "correct horse"
MAX_FAILURES = 5
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"
CountingHashes = Callable[[], AbstractContextManager[list[str]]]


def outcome_of(service: CredentialService, name: str, password: str, address: str = HERE) -> str:
    """Sign in as the web layer does, and tell what came of it."""
    credentials = Credentials(name, password, address)
    try:
        _ = service.recall(credentials) or service.check(credentials)
    except InvalidCredentialsError:
        return "wrong"
    except TooManyFailuresError:
        return "blocked"
    return "right"


@pytest.fixture
def credentials(services: Services) -> CredentialService:
    services.users.add_user("ann", PASSWORD, "red")
    return services.credentials


@pytest.fixture
def blocked(credentials: CredentialService) -> CredentialService:
    """The service after ann's password was wrong five times from HERE."""
    for number in range(MAX_FAILURES):
        assert outcome_of(credentials, "ann", f"wrong {number}") == "wrong"
    return credentials


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_the_sixth_wrong_password_is_refused(credentials: CredentialService, name: str) -> None:
    outcomes = [outcome_of(credentials, name, f"wrong {number}") for number in range(7)]
    assert outcomes == ["wrong"] * 5 + ["blocked"] * 2


def test_a_disabled_user_is_counted_as_any_other(
    services: Services, credentials: CredentialService
) -> None:
    services.users.disable_user("ann")
    assert [outcome_of(credentials, "ann", PASSWORD) for _ in range(6)] == ["wrong"] * 5 + [
        "blocked"
    ]


def test_the_blocked_are_refused_without_hashing(
    blocked: CredentialService, counting_hashes: CountingHashes
) -> None:
    with counting_hashes() as hashes:
        assert outcome_of(blocked, "ann", PASSWORD) == "blocked"
        with pytest.raises(TooManyFailuresError) as caught:
            blocked.check(Credentials("ann", PASSWORD, HERE))
    assert hashes == []
    assert 0 < caught.value.retry_after <= 300


def test_another_address_and_another_user_are_not_blocked(
    services: Services, blocked: CredentialService
) -> None:
    services.users.add_user("ben", PASSWORD, "red")
    assert outcome_of(blocked, "ann", PASSWORD, ELSEWHERE) == "right"
    assert outcome_of(blocked, "ben", PASSWORD) == "right"
    assert outcome_of(blocked, "ann", PASSWORD) == "right", "it is remembered now"


def test_who_is_remembered_is_never_blocked(credentials: CredentialService) -> None:
    assert outcome_of(credentials, "ann", PASSWORD) == "right"
    for number in range(MAX_FAILURES + 1):
        outcome_of(credentials, "ann", f"wrong {number}")
    assert outcome_of(credentials, "ann", PASSWORD) == "right"


def test_right_passwords_are_not_counted(credentials: CredentialService) -> None:
    for number in range(MAX_FAILURES - 1):
        outcome_of(credentials, "ann", f"wrong {number}")
    for _ in range(3):
        credentials.check(Credentials("ann", PASSWORD, HERE))
    assert outcome_of(credentials, "ann", "wrong") == "wrong"
    assert outcome_of(credentials, "ann", "wrong") == "blocked"


def test_of_an_ipv6_address_the_network_counts(credentials: CredentialService) -> None:
    for number in range(MAX_FAILURES):
        outcome_of(credentials, "ann", f"wrong {number}", "2001:db8:1:2::1")
    for same in ("2001:db8:1:2::2", "2001:db8:1:2:ffff::"):
        assert outcome_of(credentials, "ann", "wrong", same) == "blocked"
    for other in ("2001:db8:1:3::1", "192.0.2.1"):
        assert outcome_of(credentials, "ann", "wrong", other) == "wrong"


def test_an_ipv4_address_is_the_same_in_ipv6(blocked: CredentialService) -> None:
    assert outcome_of(blocked, "ann", PASSWORD, f"::ffff:{HERE}") == "blocked"


def test_guesses_sent_at_once_are_counted_before_the_next_is_checked(
    credentials: CredentialService,
) -> None:
    guesses = [f"wrong {number}" for number in range(11)] + [PASSWORD]
    barrier, outcomes = threading.Barrier(len(guesses)), list[str]()

    def guess(password: str) -> None:
        barrier.wait()
        outcomes.append(outcome_of(credentials, "ann", password))

    threads = [threading.Thread(target=guess, args=(password,)) for password in guesses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = Counter(outcomes)
    assert counted["wrong"] == MAX_FAILURES
    assert counted["right"] <= 1
    assert counted["blocked"] == len(guesses) - MAX_FAILURES - counted["right"]
    assert not credentials.limit._turns


@pytest.fixture
def second(
    tmp_path: Path, database_url: str, services: Services, generator: ImageGenerator
) -> Iterator[Services]:
    """Another worker on the same database."""
    assert services
    with open_services(database_url=database_url, data_dir=tmp_path, generator=generator) as other:
        yield other


def test_workers_count_together(credentials: CredentialService, second: Services) -> None:
    workers = [credentials, second.credentials]
    outcomes = [outcome_of(workers[n % 2], "ann", f"wrong {n}") for n in range(6)]
    assert outcomes == ["wrong"] * 5 + ["blocked"]
    assert {outcome_of(worker, "ann", PASSWORD) for worker in workers} == {"blocked"}


def test_workers_that_count_at_the_same_moment_bear_no_more(
    credentials: CredentialService, second: Services
) -> None:
    workers = [credentials, second.credentials] * 4
    barrier, outcomes = threading.Barrier(len(workers)), list[str]()

    def guess(worker: CredentialService) -> None:
        barrier.wait()
        outcomes.extend(outcome_of(worker, "ann", f"wrong {n}") for n in range(2))

    threads = [threading.Thread(target=guess, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"wrong": MAX_FAILURES, "blocked": 16 - MAX_FAILURES}


def test_the_block_ends_with_the_period_and_old_rows_are_deleted(
    services: Services, database_url: str
) -> None:
    database = open_database(database_url)
    failures = SignInFailureRepository(database)
    limit = SignInLimit(failures, lambda: database.secret("sign_in"), SignInRule(2, 0.0))
    credentials = CredentialService(services.users.user_repo, limit)
    assert [outcome_of(credentials, "ann", f"wrong {n}") for n in range(5)] == ["wrong"] * 5
    for counter in limit._counters("ann", HERE):
        assert len(failures.list_failures(counter.key, 5)) < 3
    database.close()


class ClockOfItsOwn(Database):
    """A database whose clock differs from this machine's."""

    ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.ahead


@pytest.fixture
def elsewhere(services: Services, database_url: str) -> Iterator[ClockOfItsOwn]:
    services.users.add_user("ann", PASSWORD, "red")
    database = ClockOfItsOwn(database_url)
    initialise_database(database)
    yield database
    database.close()


def open_credentials(services: Services, database: Database) -> CredentialService:
    limit = SignInLimit(
        SignInFailureRepository(database), lambda: database.secret("sign_in"), SignInRule()
    )
    return CredentialService(services.users.user_repo, limit)


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_machine_whose_clock_is_wrong_has_the_same_limit(
    services: Services, elsewhere: ClockOfItsOwn, hours: int
) -> None:
    elsewhere.ahead = timedelta(hours=hours)
    workers = [open_credentials(services, elsewhere) for _ in range(2)]
    outcomes = [outcome_of(workers[n % 2], "ann", f"wrong {n}") for n in range(6)]
    assert outcomes == ["wrong"] * 5 + ["blocked"]
    with pytest.raises(TooManyFailuresError) as caught:
        workers[0].check(Credentials("ann", PASSWORD, HERE))
    assert 0 < caught.value.retry_after <= 300


def test_the_block_ends_by_the_database_s_clock(
    services: Services, elsewhere: ClockOfItsOwn
) -> None:
    credentials = open_credentials(services, elsewhere)
    outcomes = [outcome_of(credentials, "ann", f"wrong {n}") for n in range(6)]
    assert outcomes == ["wrong"] * 5 + ["blocked"]
    elsewhere.ahead = timedelta(seconds=301)
    assert outcome_of(credentials, "ann", PASSWORD) == "right"


MAX_ADDRESS_FAILURES = 4


@pytest.fixture
def strict(services: Services, database_url: str) -> Iterator[list[CredentialService]]:
    """Two workers that bear few failures of an address."""
    services.users.add_user("ann", PASSWORD, "red")
    database = open_database(database_url)
    rule = SignInRule(max_address_failures=MAX_ADDRESS_FAILURES)
    yield [
        CredentialService(
            services.users.user_repo,
            SignInLimit(
                SignInFailureRepository(database), lambda: database.secret("sign_in"), rule
            ),
        )
        for _ in range(2)
    ]
    database.close()


def test_an_address_that_fails_for_many_names_is_refused_by_every_worker(
    strict: list[CredentialService],
) -> None:
    outcomes = [outcome_of(strict[n % 2], f"name{n}", PASSWORD) for n in range(6)]
    assert outcomes == ["wrong"] * MAX_ADDRESS_FAILURES + ["blocked"] * 2
    assert outcome_of(strict[0], "ann", PASSWORD) == "blocked"
    assert outcome_of(strict[0], "ann", PASSWORD, ELSEWHERE) == "right"
    assert outcome_of(strict[0], "ann", PASSWORD) == "right", "it is remembered now"


def test_of_an_ipv6_address_the_network_counts_for_many_names(
    strict: list[CredentialService],
) -> None:
    for number in range(MAX_ADDRESS_FAILURES):
        outcome_of(strict[0], f"name{number}", PASSWORD, f"2001:db8:1:2::{number}")
    assert outcome_of(strict[0], "other", PASSWORD, "2001:db8:1:2:ffff::") == "blocked"
    assert outcome_of(strict[0], "other", PASSWORD, "2001:db8:1:3::1") == "wrong"


def test_guesses_of_an_address_sent_at_once_are_counted_before_the_next_is_checked(
    strict: list[CredentialService],
) -> None:
    barrier, outcomes = threading.Barrier(10), list[str]()

    def guess(number: int) -> None:
        barrier.wait()
        outcomes.append(outcome_of(strict[0], f"name{number}", PASSWORD))

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(outcomes) == {"wrong": MAX_ADDRESS_FAILURES, "blocked": 6}
    assert not strict[0].limit._turns


def test_the_rows_tell_neither_name_nor_address(
    blocked: CredentialService, database_url: str
) -> None:
    assert blocked
    database = open_database(database_url)
    rows = database.fetch_all("SELECT client, number FROM sign_in_failures", {})
    # for the name and the address, and for the address
    assert sorted(number for _, number in rows) == sorted([1, 2, 3, 4, 5] * 2)
    assert all(set(client) <= set("0123456789abcdef") and len(client) == 64 for client, _ in rows)
    database.close()
