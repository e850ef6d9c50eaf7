"""The rows of creations as their owners ask for them: only theirs, newest first, by status."""

import uuid

import pytest

from pixy_core import (
    ConstraintViolationError,
    Creation,
    CreationProblem,
    CreationStatus,
    ImageDetailCreate,
    User,
    Visibility,
)
from pixy_data import (
    CreationRepository,
    Database,
    Position,
    UserRepository,
    run_transaction,
)

ASKED = ImageDetailCreate(prompt="a fox 🦊\r\nby night ' \\ %s", visibility=Visibility.CLASS)
FINGERPRINT = "f" * 64
PROBLEM = CreationProblem(
    code="prompt_rejected", detail="no", retryable=False, billed="no", upstream_request_id="req_1"
)


@pytest.fixture
def creations(database: Database) -> CreationRepository:
    return CreationRepository(database)


def insert(creations: CreationRepository, owner: User, key: str | None = None) -> Creation:
    return creations.insert_creation(str(uuid.uuid4()), ASKED, owner, FINGERPRINT, key)


def test_a_new_creation_is_pending_and_keeps_what_was_asked_for(
    creations: CreationRepository, anna: User
) -> None:
    inserted = insert(creations, anna)
    assert inserted.status == CreationStatus.PENDING
    assert inserted.prompt == ASKED.prompt
    assert inserted.visibility == Visibility.CLASS
    assert creations.find_creation(inserted.guid, "anna") == inserted


def test_a_creation_whose_size_is_not_allowed_any_more_is_still_read(
    creations: CreationRepository, database: Database, anna: User
) -> None:
    inserted = insert(creations, anna)
    stored = '{"prompt": "a fox", "size": "16x16"}'
    database.execute("UPDATE creations SET request = :stored", {"stored": stored})
    found = creations.find_creation(inserted.guid, "anna")
    assert found is not None
    assert found.size == "16x16"


def test_a_creation_is_found_by_its_owner_alone(
    creations: CreationRepository, users: UserRepository, anna: User
) -> None:
    users.insert_user(User(username="bert", password="-", class_key="red"))
    assert creations.find_creation(insert(creations, anna).guid, "bert") is None


def test_times_are_the_database_s(
    creations: CreationRepository, database: Database, anna: User
) -> None:
    before = database.now()
    assert before <= insert(creations, anna).created_at <= database.now()


def test_the_same_key_is_taken_once_for_each_owner(
    creations: CreationRepository, users: UserRepository, anna: User
) -> None:
    bert = users.insert_user(User(username="bert", password="-", class_key="red"))
    inserted = insert(creations, anna, "key")
    insert(creations, bert, "key")
    with pytest.raises(ConstraintViolationError):
        insert(creations, anna, "key")
    found = creations.find_keyed_creation("anna", "key")
    assert found is not None
    assert found == (inserted, FINGERPRINT)


def test_keys_that_differ_in_case_are_two(creations: CreationRepository, anna: User) -> None:
    insert(creations, anna, "key")
    insert(creations, anna, "KEY")
    assert creations.find_keyed_creation("anna", "Key") is None


def test_any_number_of_creations_has_no_key(creations: CreationRepository, anna: User) -> None:
    assert len({insert(creations, anna).guid for _ in range(3)}) == 3


def test_a_creation_of_nobody_is_refused(creations: CreationRepository, anna: User) -> None:
    with pytest.raises(ConstraintViolationError):
        insert(creations, anna.model_copy(update={"username": "gone"}))


def test_a_problem_is_kept(creations: CreationRepository, anna: User) -> None:
    guid = insert(creations, anna).guid
    assert creations.fail_creation(guid, CreationStatus.FAILED, PROBLEM)
    found = creations.find_creation(guid, "anna")
    assert found is not None
    assert (found.status, found.problem) == (CreationStatus.FAILED, PROBLEM)


def test_a_list_has_one_owner_s_creations_of_one_status_newest_first(
    creations: CreationRepository, users: UserRepository, anna: User
) -> None:
    insert(creations, users.insert_user(User(username="bert", password="-", class_key="red")))
    guids = [insert(creations, anna).guid for _ in range(4)]
    creations.fail_creation(guids[1], CreationStatus.FAILED, PROBLEM)
    pending = creations.list_creations("anna", CreationStatus.PENDING, 10)
    assert {creation.guid for creation in pending} == {guids[0], guids[2], guids[3]}
    order = [(creation.created_at, creation.guid) for creation in pending]
    assert order == sorted(order, reverse=True)
    failed = creations.list_creations("anna", CreationStatus.FAILED, 10)
    assert [creation.guid for creation in failed] == [guids[1]]


def test_pages_follow_each_other(creations: CreationRepository, anna: User) -> None:
    guids = {insert(creations, anna).guid for _ in range(5)}
    seen: list[str] = []
    after: Position | None = None
    while page := creations.list_creations("anna", CreationStatus.PENDING, 2, after):
        seen += [creation.guid for creation in page]
        after = Position(page[-1].created_at, page[-1].guid)
    assert len(seen) == 5
    assert set(seen) == guids


def test_a_request_of_a_later_version_is_read_as_far_as_it_is_known(
    creations: CreationRepository, database: Database, anna: User
) -> None:
    guid = insert(creations, anna).guid
    stored = '{"prompt": "a fox", "visibility": "public", "frames": 12}'
    database.execute("UPDATE creations SET request = :stored", {"stored": stored})
    found = creations.find_creation(guid, "anna")
    assert found is not None
    assert (found.prompt, found.visibility) == ("a fox", Visibility.PUBLIC)


def test_the_longest_prompt_is_kept(creations: CreationRepository, anna: User) -> None:
    asked = ImageDetailCreate(prompt="🦊" * 32_000)
    guid = str(uuid.uuid4())
    creations.insert_creation(guid, asked, anna, FINGERPRINT, None)
    found = creations.find_creation(guid, "anna")
    assert found is not None
    assert found.prompt == asked.prompt


def test_a_creation_follows_its_owner_into_another_class(
    creations: CreationRepository, database: Database, anna: User
) -> None:
    insert(creations, anna)
    database.execute("UPDATE users SET class_key = 'blue'", {})
    assert database.fetch_one("SELECT class_key FROM creations", {}) == ("blue",)


def test_a_deleted_creation_frees_its_key(creations: CreationRepository, anna: User) -> None:
    creations.delete_creation(insert(creations, anna, "key").guid)
    insert(creations, anna, "key")


def test_an_insert_that_is_rolled_back_claims_nothing(
    creations: CreationRepository, database: Database, anna: User
) -> None:
    def work() -> None:
        insert(creations, anna, "key")
        raise KeyError

    with pytest.raises(KeyError):
        run_transaction(database, work)
    assert creations.find_keyed_creation("anna", "key") is None
