"""API keys: made once, recognised by their hash, and refused as soon as they are over."""

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pixy_core import (
    ApiKey,
    Image,
    InvalidInputError,
    InvalidKeyError,
    PasswordRequiredError,
    RecordNotFoundError,
    Scope,
    ScopeMissingError,
    TooManyKeysError,
)
from pixy_core.keys import MAX_KEYS
from pixy_data import ApiKeyRepository, Database
from pixy_service import (
    Credentials,
    ImageGenerator,
    IssuedKey,
    KeyCredentials,
    KeyService,
    Services,
    open_keys,
    open_services,
)
from pixy_service.accounts.passwords import hash_password

CountingHashes = Callable[[], AbstractContextManager[list[str]]]
People = Any
EVERYTHING = tuple(Scope)
LONG_AGO = "2020-01-01 12:00:00.000000"


@pytest.fixture
def keys(services: Services, people: People) -> KeyService:
    assert people
    return services.keys


@pytest.fixture
def issued(keys: KeyService) -> IssuedKey:
    return keys.add_key("ann", "laptop", EVERYTHING)


def present(token: str, scope: Scope | None = Scope.READ, name: str | None = None) -> Any:
    return KeyCredentials(token, scope, name)


def test_a_key_is_plain_text_of_one_word_with_256_bits(issued: IssuedKey) -> None:
    assert re.fullmatch(r"pixy_[A-Za-z0-9]{10}_[A-Za-z0-9]{43}", issued.token)
    assert 62**43 > 2**256
    assert issued.token.split("_")[1] == issued.key.id


def test_two_keys_have_nothing_in_common(keys: KeyService, issued: IssuedKey) -> None:
    other = keys.add_key("ann", "laptop", EVERYTHING)
    pairs = zip(issued.token.split("_")[1:], other.token.split("_")[1:], strict=True)
    assert all(one != two for one, two in pairs)


def test_printed_forms_show_no_key(issued: IssuedKey) -> None:
    secret = issued.token.split("_")[2]
    for shown in (issued, present(issued.token)):
        assert secret not in f"{shown} {shown!r}"


def test_a_key_is_its_owner(services: Services, keys: KeyService, issued: IssuedKey) -> None:
    for scope in Scope:
        user = keys.recall(present(issued.token, scope))
        assert user == services.users.authenticate_user("ann")


def test_a_key_may_come_with_its_owner_s_name(services: Services, keys: KeyService) -> None:
    services.users.add_user("b\u00e4r", "correct horse", "red")
    token = keys.add_key("ba\u0308r", "laptop").token
    for name in ("b\u00e4r", "ba\u0308r"):
        assert keys.recall(present(token, name=name)).username == "b\u00e4r"


def test_another_name_is_refused(keys: KeyService, issued: IssuedKey) -> None:
    for name in ("ben", "nobody", "Ann", "ann ", "", "a" * 65, "\0", "\ud83d"):
        with pytest.raises(InvalidKeyError):
            keys.recall(present(issued.token, name=name))


def test_what_is_no_key_or_an_unknown_one_is_refused(keys: KeyService, issued: IssuedKey) -> None:
    _, key_id, secret = issued.token.split("_")
    other = ("A" if secret[0] != "A" else "B") + secret[1:]
    for token in (
        "",
        "pixy_",
        f"pixy_{key_id}_{other}",
        f"pixy_{key_id}_{secret[:-1]}",
        f"pixy_{key_id.swapcase()}_{secret}",
        f"pixy_{'0' * 10}_{secret}",
        f"{issued.token} ",
        f"{issued.token}ü",
    ):
        with pytest.raises(InvalidKeyError):
            keys.recall(present(token))
        with pytest.raises(InvalidKeyError):
            keys.recall_viewer(present(token), "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11")


def test_every_refusal_reads_the_same(
    services: Services, keys: KeyService, issued: IssuedKey
) -> None:
    revoked = keys.add_key("ann", "old").token
    keys.revoke_key(revoked.split("_")[1])
    seen = set()
    for credentials in (
        present(f"pixy_{'0' * 10}_{'0' * 43}"),
        present(issued.token, name="ben"),
        present(revoked),
        present(revoked, None),
    ):
        with pytest.raises(InvalidKeyError) as caught:
            keys.recall(credentials)
        seen.add((str(caught.value), str(vars(caught.value))))
    assert len(seen) == 1


@pytest.mark.parametrize("scope", Scope)
def test_a_key_may_do_what_its_scopes_say(keys: KeyService, scope: Scope) -> None:
    token = keys.add_key("ann", "laptop", (scope,)).token
    keys.recall(present(token, scope))
    for other in set(Scope) - {scope}:
        with pytest.raises(ScopeMissingError, match=f"`{other}`"):
            keys.recall(present(token, other))


def test_no_key_is_enough_for_what_needs_a_password(keys: KeyService, issued: IssuedKey) -> None:
    with pytest.raises(PasswordRequiredError):
        keys.recall(present(issued.token, None))


def test_a_key_costs_no_hash_of_a_password(
    counting_hashes: CountingHashes, keys: KeyService, issued: IssuedKey
) -> None:
    with counting_hashes() as hashes:
        keys.recall(present(issued.token))
        with pytest.raises(InvalidKeyError):
            keys.recall(present(f"pixy_{'0' * 10}_{'0' * 43}"))
    assert hashes == []


def test_unknown_keys_leave_the_sign_in_limit_alone(
    services: Services, keys: KeyService, database: Database
) -> None:
    for _ in range(8):
        with pytest.raises(InvalidKeyError):
            keys.recall(present(f"pixy_{'0' * 10}_{'0' * 43}", name="ann"))
    assert database.fetch_all("SELECT client FROM sign_in_failures", {}) == []
    services.credentials.limit.check("ann", "")


def test_the_image_is_found_in_the_same_query(
    keys: KeyService, issued: IssuedKey, make_image: Callable[..., Image]
) -> None:
    image = make_image("private")
    viewer = keys.recall_viewer(present(issued.token), image.guid)
    assert (viewer.user.username, viewer.image) == ("ann", image)
    other = keys.add_key("cleo", "laptop").token
    assert keys.recall_viewer(present(other), image.guid).image is None
    with pytest.raises(InvalidInputError):
        keys.recall_viewer(present(issued.token), "x")


def test_a_key_is_refused_as_soon_as_it_is_revoked(keys: KeyService, issued: IssuedKey) -> None:
    keys.recall(present(issued.token))
    keys.revoke_key(issued.key.id)
    with pytest.raises(InvalidKeyError):
        keys.recall(present(issued.token))
    with pytest.raises(RecordNotFoundError):
        keys.revoke_key(issued.key.id)


def test_a_key_is_refused_as_soon_as_it_has_expired(keys: KeyService, database: Database) -> None:
    issued = keys.add_key("ann", "laptop", days=1)
    keys.recall(present(issued.token))
    database.execute(f"UPDATE api_keys SET expires_at = {database.now_sql}", {})
    with pytest.raises(InvalidKeyError):
        keys.recall(present(issued.token))


def test_a_key_is_refused_while_its_owner_is_disabled(
    services: Services, keys: KeyService, issued: IssuedKey
) -> None:
    services.users.disable_user("ann")
    with pytest.raises(InvalidKeyError):
        keys.recall(present(issued.token))
    services.users.enable_user("ann")
    keys.recall(present(issued.token))


def test_a_changed_password_leaves_a_key_valid(
    services: Services, keys: KeyService, issued: IssuedKey
) -> None:
    services.users.set_password("ann", "another horse")
    keys.recall(present(issued.token))


def test_a_rotated_key_is_another_key_of_the_same_id(keys: KeyService, issued: IssuedKey) -> None:
    rotated = keys.rotate_key(issued.key.id, "ann")
    assert rotated.key == issued.key
    assert rotated.token != issued.token
    keys.recall(present(rotated.token))
    with pytest.raises(InvalidKeyError):
        keys.recall(present(issued.token))


def test_a_key_that_is_over_or_another_user_s_is_not_rotated(
    keys: KeyService, issued: IssuedKey
) -> None:
    for key_id, owner in ((issued.key.id, "ben"), ("0" * 10, None)):
        with pytest.raises(RecordNotFoundError):
            keys.rotate_key(key_id, owner)
        with pytest.raises(RecordNotFoundError):
            keys.revoke_key(key_id, owner)
    keys.revoke_key(issued.key.id)
    with pytest.raises(RecordNotFoundError):
        keys.rotate_key(issued.key.id)


def test_keys_are_listed_of_one_user_or_of_all(keys: KeyService, issued: IssuedKey) -> None:
    other = keys.add_key("ben", "laptop")
    assert keys.list_keys("ann") == [issued.key]
    assert keys.list_keys() == [issued.key, other.key]
    keys.revoke_key(issued.key.id)
    assert [key.revoked_at is None for key in keys.list_keys("ann")] == [False]


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("ann", ""), "name"),
        (("ann", "a\n"), "name"),
        (("ann", "a", ()), "scopes"),
        (("ann", "a", ("admin",)), "scopes"),
        (("ann", "a", EVERYTHING, 0), "expires_in_days"),
        (("a:b", "a"), "username"),
    ],
)
def test_a_key_that_breaks_a_rule_is_refused(
    keys: KeyService, arguments: tuple[Any, ...], place: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        keys.add_key(*arguments)
    assert caught.value.errors[0][0][0] == place


@pytest.mark.parametrize("key_id", ["", "x", "q7Rt2mXc0B ", "ä" * 10, None])
def test_an_id_that_no_key_has_is_refused(keys: KeyService, key_id: Any) -> None:
    with pytest.raises(InvalidInputError):
        keys.revoke_key(key_id)
    with pytest.raises(InvalidInputError):
        keys.rotate_key(key_id)


def test_nobody_is_no_owner(keys: KeyService) -> None:
    with pytest.raises(RecordNotFoundError):
        keys.add_key("nobody", "laptop")


def test_a_user_has_a_limited_number_of_keys(keys: KeyService) -> None:
    for _ in range(MAX_KEYS):
        last = keys.add_key("ann", "laptop")
    with pytest.raises(TooManyKeysError):
        keys.add_key("ann", "laptop")
    keys.revoke_key(last.key.id)
    keys.add_key("ann", "laptop")


def test_a_key_is_no_password(issued: IssuedKey) -> None:
    with pytest.raises(InvalidInputError) as caught:
        hash_password(issued.token)
    assert caught.value.errors[0][0] == ("password",)


def test_a_key_is_nothing_to_the_check_of_passwords(
    services: Services, keys: KeyService, issued: IssuedKey
) -> None:
    keys.recall(present(issued.token))
    assert services.credentials.recall(Credentials("ann", issued.token)) is None


# ------------------------------------------------------------------------------- last use


@pytest.fixture
def quiet(database: Database, services: Services) -> KeyService:
    """Return keys whose uses nobody stores in the background."""
    return KeyService(ApiKeyRepository(database), services.users.user_repo)


def read_key(keys: KeyService, key_id: str) -> ApiKey:
    return next(key for key in keys.list_keys() if key.id == key_id)


def test_a_use_is_stored_by_the_background_and_not_by_the_read(
    quiet: KeyService, issued: IssuedKey, database: Database
) -> None:
    before = database.now()
    quiet.recall(present(issued.token))
    assert read_key(quiet, issued.key.id).last_used_at is None
    quiet.note_uses()
    used = read_key(quiet, issued.key.id).last_used_at
    assert used is not None
    # SQLite rounds its time to milliseconds
    rounding = timedelta(milliseconds=1)
    assert before - rounding <= used <= database.now() + rounding


def test_uses_within_a_minute_are_one_write(
    quiet: KeyService, issued: IssuedKey, database: Database
) -> None:
    quiet.recall(present(issued.token))
    quiet.note_uses()
    database.execute("UPDATE api_keys SET last_used_at = :long_ago", {"long_ago": LONG_AGO})
    for _ in range(3):
        quiet.recall(present(issued.token))
        quiet.note_uses()
    assert read_key(quiet, issued.key.id).last_used_at == datetime.fromisoformat(f"{LONG_AGO}Z")
    quiet.close()
    assert read_key(quiet, issued.key.id).last_used_at != datetime.fromisoformat(f"{LONG_AGO}Z")


def test_refused_uses_are_no_uses(quiet: KeyService, keys: KeyService) -> None:
    token = keys.add_key("ann", "laptop", (Scope.READ,)).token
    for credentials, refusal in (
        (present(token, Scope.CREATE), ScopeMissingError),
        (present(token, None), PasswordRequiredError),
        (present(token, name="ben"), InvalidKeyError),
    ):
        with pytest.raises(refusal):
            quiet.recall(credentials)
    quiet.note_uses()
    assert read_key(quiet, token.split("_")[1]).last_used_at is None


def test_a_rotated_key_keeps_its_last_use(quiet: KeyService, issued: IssuedKey) -> None:
    quiet.recall(present(issued.token))
    quiet.note_uses()
    used = read_key(quiet, issued.key.id)
    assert quiet.rotate_key(issued.key.id).key == used


def test_uses_that_were_not_stored_are_stored_when_the_services_close(
    database_url: str, tmp_path: Path, generator: ImageGenerator
) -> None:
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=generator
    ) as services:
        services.users.add_user("ann", "correct horse", "red")
        issued = services.keys.add_key("ann", "laptop")
        services.keys.recall(present(issued.token))
    with open_keys(database_url) as keys:
        assert read_key(keys, issued.key.id).last_used_at is not None


def test_the_recovery_stores_uses(services: Services, keys: KeyService, issued: IssuedKey) -> None:
    keys.recall(present(issued.token))
    deadline = time.monotonic() + 30
    while read_key(keys, issued.key.id).last_used_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
