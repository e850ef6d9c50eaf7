import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from pixy_core import InvalidCredentialsError, InvalidInputError, User
from pixy_service import Credentials, CredentialService, Services
from pixy_service.accounts.passwords import hash_password
from pixy_service.validation import DEFAULT_LIMITS

PASSWORD = "correct horse"
MAX_PASSWORD_BYTES = DEFAULT_LIMITS.password_length
ANN = Credentials("ann", PASSWORD)
CountingHashes = Callable[[], AbstractContextManager[list[str]]]
IMPOSSIBLE = [
    Credentials("", PASSWORD),
    Credentials("a" * 65, PASSWORD),
    Credentials("ann:", PASSWORD),
    Credentials("ann\0", PASSWORD),
    Credentials("ann ", PASSWORD),
    Credentials("\ud83d", PASSWORD),
    Credentials("ann", ""),
    Credentials("ann", "a" * (MAX_PASSWORD_BYTES + 1)),
    Credentials("ann", "ä" * (MAX_PASSWORD_BYTES // 2 + 1)),
    Credentials("ann", "\ud83d"),
    Credentials("ann", f"{PASSWORD}\0"),
    Credentials("ann", f"{PASSWORD}\n"),
]


@pytest.fixture
def ann(services: Services) -> User:
    return services.users.add_user("ann", PASSWORD, "red")


@pytest.fixture
def credentials(services: Services, ann: User) -> CredentialService:
    assert ann.username == "ann"
    return services.credentials


def test_printed_credentials_show_no_password() -> None:
    assert PASSWORD not in f"{ANN} {ANN!r}"


def test_the_right_password_is_accepted(credentials: CredentialService, ann: User) -> None:
    assert credentials.check(ANN) == ann


@pytest.mark.parametrize("password", ["Correct horse", "correct horse ", "x", PASSWORD * 2])
def test_a_wrong_password_is_refused(credentials: CredentialService, password: str) -> None:
    with pytest.raises(InvalidCredentialsError):
        credentials.check(Credentials("ann", password))


@pytest.mark.parametrize("name", ["ANN", "ánn", "nobody"])
def test_another_spelling_of_the_name_is_refused(credentials: CredentialService, name: str) -> None:
    with pytest.raises(InvalidCredentialsError):
        credentials.check(Credentials(name, PASSWORD))


@pytest.mark.parametrize("password", ["pass:word:with:colons", "Zürich 🦊 Ωmega", " inner space "])
def test_any_printable_password_is_accepted(services: Services, password: str) -> None:
    services.users.add_user("ann", password, "red")
    assert services.credentials.check(Credentials("ann", password)).username == "ann"


def test_a_password_is_accepted_in_its_other_unicode_form(services: Services) -> None:
    services.users.add_user("ann", "schl\u00fcssel", "red")
    assert services.credentials.check(Credentials("ann", "schlu\u0308ssel")).username == "ann"


def test_a_password_of_the_greatest_length_is_accepted(services: Services) -> None:
    password = "a" * MAX_PASSWORD_BYTES
    services.users.add_user("ann", password, "red")
    assert services.credentials.check(Credentials("ann", password)).username == "ann"


def test_a_password_is_measured_as_it_is_typed() -> None:
    password = "e\u0301" * 400
    assert len(password.encode()) > MAX_PASSWORD_BYTES
    with pytest.raises(InvalidInputError):
        hash_password(password)


def test_impossible_credentials_are_refused_without_hashing(
    counting_hashes: CountingHashes, credentials: CredentialService
) -> None:
    with counting_hashes() as hashes:
        for impossible in IMPOSSIBLE:
            with pytest.raises(InvalidCredentialsError):
                credentials.check(impossible)
            with pytest.raises(InvalidCredentialsError):
                credentials.recall(impossible)
    assert hashes == []


def test_a_known_user_costs_one_hash(
    counting_hashes: CountingHashes, credentials: CredentialService
) -> None:
    with counting_hashes() as hashes:
        credentials.check(ANN)
    assert hashes == ["verify_secret"]


def test_a_wrong_password_costs_one_hash(
    counting_hashes: CountingHashes, credentials: CredentialService
) -> None:
    with counting_hashes() as hashes, pytest.raises(InvalidCredentialsError):
        credentials.check(Credentials("ann", "wrong horse"))
    assert hashes == ["verify_secret"]


def test_an_unknown_user_costs_one_hash(
    counting_hashes: CountingHashes, credentials: CredentialService
) -> None:
    with counting_hashes() as hashes, pytest.raises(InvalidCredentialsError):
        credentials.check(Credentials("nobody", PASSWORD))
    assert hashes == ["verify_secret"]


def test_a_disabled_user_costs_one_hash(
    counting_hashes: CountingHashes, services: Services, credentials: CredentialService
) -> None:
    services.users.disable_user("ann")
    with counting_hashes() as hashes, pytest.raises(InvalidCredentialsError):
        credentials.check(ANN)
    assert hashes == ["verify_secret"]


def test_every_refusal_reads_the_same(services: Services, credentials: CredentialService) -> None:
    services.users.add_user("off", PASSWORD, "red")
    services.users.disable_user("off")
    seen = set()
    for name, password in (("nobody", PASSWORD), ("ann", "wrong horse"), ("off", PASSWORD)):
        with pytest.raises(InvalidCredentialsError) as caught:
            credentials.check(Credentials(name, password))
        seen.add((str(caught.value), str(vars(caught.value))))
    assert len(seen) == 1


def test_unchecked_credentials_are_not_recalled(credentials: CredentialService) -> None:
    assert credentials.recall(ANN) is None


def test_checked_credentials_are_recalled_without_hashing(
    counting_hashes: CountingHashes, credentials: CredentialService, ann: User
) -> None:
    credentials.check(ANN)
    with counting_hashes() as hashes:
        assert credentials.recall(ANN) == ann
    assert hashes == []


def test_another_password_is_not_recalled(credentials: CredentialService) -> None:
    credentials.check(ANN)
    assert credentials.recall(Credentials("ann", "wrong horse")) is None


def test_a_refused_password_is_never_recalled(credentials: CredentialService) -> None:
    wrong = Credentials("ann", "wrong horse")
    with pytest.raises(InvalidCredentialsError):
        credentials.check(wrong)
    assert credentials.recall(wrong) is None


def test_another_user_with_the_same_password_is_not_recalled(
    services: Services, credentials: CredentialService
) -> None:
    services.users.add_user("ben", PASSWORD, "red")
    credentials.check(ANN)
    assert credentials.recall(Credentials("ben", PASSWORD)) is None


def test_an_old_password_is_refused_at_once(
    services: Services, credentials: CredentialService
) -> None:
    credentials.check(ANN)
    services.users.set_password("ann", "another horse")
    assert credentials.recall(ANN) is None
    with pytest.raises(InvalidCredentialsError):
        credentials.check(ANN)


def test_a_new_password_is_accepted_at_once(
    services: Services, credentials: CredentialService
) -> None:
    services.users.set_password("ann", "another horse")
    assert credentials.check(Credentials("ann", "another horse")).username == "ann"


def test_a_disabled_user_is_refused_at_once(
    services: Services, credentials: CredentialService
) -> None:
    credentials.check(ANN)
    services.users.disable_user("ann")
    assert credentials.recall(ANN) is None
    with pytest.raises(InvalidCredentialsError):
        credentials.check(ANN)


def test_an_enabled_user_is_recalled_with_the_row_as_it_is_now(
    services: Services, credentials: CredentialService
) -> None:
    credentials.check(ANN)
    services.users.disable_user("ann")
    services.users.enable_user("ann")
    assert credentials.recall(ANN) == services.users.authenticate_user("ann")


def test_what_one_process_checked_another_does_not_recall(
    services: Services, credentials: CredentialService
) -> None:
    credentials.check(ANN)
    other = CredentialService(services.users.user_repo, services.credentials.limit)
    assert other.recall(ANN) is None


def test_more_checks_than_may_hash_at_once_all_succeed(credentials: CredentialService) -> None:
    results: list[User] = []
    threads = [
        threading.Thread(target=lambda: results.append(credentials.check(ANN))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6


def test_a_row_with_a_hash_of_another_kind_refuses_every_password(services: Services) -> None:
    services.users.user_repo.insert_user(User(username="old", password="md5:x", class_key="red"))
    with pytest.raises(InvalidCredentialsError):
        services.credentials.check(Credentials("old", "md5:x"))


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password(PASSWORD) != hash_password(PASSWORD)


def test_a_refused_new_password_is_not_repeated() -> None:
    with pytest.raises(InvalidInputError) as caught:
        hash_password("secret")
    assert "secret" not in str(caught.value.errors)
