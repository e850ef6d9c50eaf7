"""The unit of work: all or nothing, and conflicts between transactions."""

import threading
from collections.abc import Callable

import pytest

from image_samples import make_detail
from pixy_core import ConstraintViolationError, DatabaseBusyError, RecordNotFoundError, User
from pixy_data import Database, DatabaseContext, ImageRepository, UserRepository, run_transaction

BERT = User(username="bert", password="hash", class_key="red")
SET_NUMBER = "UPDATE numbers SET number = :number WHERE name = :name"


@pytest.fixture
def numbers(database: Database) -> Callable[[str], int]:
    database.execute("CREATE TABLE numbers (name VARCHAR(1) PRIMARY KEY, number INTEGER)", {})
    for name in "ab":
        database.execute("INSERT INTO numbers VALUES (:name, 0)", {"name": name})
    # MySQL reads the transaction's snapshot, SQLite has the write lock already
    lock = "" if database.sqlite else " FOR UPDATE"

    def read(name: str, lock: str = lock) -> int:
        sql = f"SELECT number FROM numbers WHERE name = :name{lock}"
        row = database.fetch_one(sql, {"name": name})
        assert row is not None
        return int(row[0])

    return read


def run_in_threads(*works: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_commit_is_durable(database: Database, users: UserRepository) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
        db.commit_transaction()
    assert users.authenticate_user("bert") is not None


def test_leaving_without_commit_rolls_back(database: Database, users: UserRepository) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
    assert users.authenticate_user("bert") is None


def test_an_exception_rolls_back(database: Database, users: UserRepository) -> None:
    with pytest.raises(KeyError), DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
        raise KeyError
    assert users.authenticate_user("bert") is None


def test_rolling_back_undoes_and_a_new_transaction_may_begin(
    database: Database, users: UserRepository
) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
        db.rollback_transaction()
        db.begin_transaction()
        users.insert_user(BERT)
        db.commit_transaction()
    assert len(users.list_users()) == 1


def test_the_specification_s_use_works(database: Database, users: UserRepository) -> None:
    with pytest.raises(RecordNotFoundError), DatabaseContext(database) as db:
        try:
            db.begin_transaction()
            user = users.authenticate_user("nobody")
            db.commit_transaction()
            if user is None:
                raise RecordNotFoundError
        except RecordNotFoundError:
            db.rollback_transaction()
            raise


def test_a_transaction_sees_its_own_changes_and_no_other_thread_does(
    database: Database, users: UserRepository
) -> None:
    seen_elsewhere: list[User | None] = []
    with DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
        assert users.authenticate_user("bert") is not None
        run_in_threads(lambda: seen_elsewhere.append(users.authenticate_user("bert")))
        db.commit_transaction()
    assert seen_elsewhere == [None]


def test_without_begin_each_statement_is_committed_on_its_own(
    database: Database, users: UserRepository
) -> None:
    with DatabaseContext(database):
        assert users.authenticate_user("bert") is None
    assert users.list_users() == []


def test_a_violated_constraint_leaves_the_transaction_usable(
    database: Database, users: UserRepository, anna: User
) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        with pytest.raises(ConstraintViolationError):
            users.insert_user(anna)
        users.insert_user(BERT)
        db.commit_transaction()
    assert len(users.list_users()) == 2


def test_after_another_failure_nothing_can_be_committed(
    database: Database, users: UserRepository
) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        users.insert_user(BERT)
        with pytest.raises(Exception, match="refused a statement"):
            database.fetch_one("SELECT nothing FROM nowhere", {})
        with pytest.raises(Exception, match="refused a statement"):
            users.insert_user(BERT)
        with pytest.raises(Exception, match="refused a statement"):
            db.commit_transaction()
    assert users.authenticate_user("bert") is None


def test_units_of_work_do_not_nest(database: Database) -> None:
    with (
        DatabaseContext(database),
        pytest.raises(RuntimeError, match="already"),
        DatabaseContext(database),
    ):
        pass


def test_beginning_twice_is_refused(database: Database) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        with pytest.raises(RuntimeError, match="already"):
            db.begin_transaction()


def test_a_commit_without_begin_is_refused(database: Database) -> None:
    with DatabaseContext(database) as db, pytest.raises(RuntimeError, match="no transaction"):
        db.commit_transaction()


def test_run_transaction_commits_and_returns(database: Database, users: UserRepository) -> None:
    assert run_transaction(database, lambda: users.insert_user(BERT)).username == "bert"
    assert users.authenticate_user("bert") is not None


def test_run_transaction_rolls_back_after_a_failure(
    database: Database, users: UserRepository, images: ImageRepository
) -> None:
    def insert() -> None:
        users.insert_user(BERT)
        images.insert_image(make_detail(), BERT.model_copy(update={"class_key": "blue"}))

    with pytest.raises(ConstraintViolationError):
        run_transaction(database, insert)
    assert users.list_users() == []


def test_ten_threads_count_without_a_lost_update(
    database: Database, numbers: Callable[[str], int]
) -> None:
    def count() -> None:
        database.execute(SET_NUMBER, {"name": "a", "number": numbers("a") + 1})

    def count_often() -> None:
        for _ in range(20):
            run_transaction(database, count)

    run_in_threads(*[count_often] * 10)
    assert numbers("a") == 200


@pytest.mark.usefixtures("mysql_server")
def test_a_deadlock_is_retried(database: Database, numbers: Callable[[str], int]) -> None:
    both_hold_one = threading.Barrier(2)
    attempts: list[str] = []

    def change(names: str) -> None:
        attempts.append(names)
        for name in names:
            database.execute(SET_NUMBER, {"name": name, "number": numbers(name) + 1})
            if len(attempts) <= 2 and name == names[0]:
                both_hold_one.wait()

    run_in_threads(
        lambda: run_transaction(database, lambda: change("ab")),
        lambda: run_transaction(database, lambda: change("ba")),
    )
    assert len(attempts) == 3
    assert (numbers("a"), numbers("b")) == (2, 2)


def test_a_lock_that_is_never_free_is_busy(
    database: Database, numbers: Callable[[str], int]
) -> None:
    failures: list[BaseException] = []

    def change() -> None:
        with DatabaseContext(database) as db:
            try:
                db.begin_transaction()
                database.execute(SET_NUMBER, {"name": "a", "number": 2})
            except DatabaseBusyError as error:
                failures.append(error)

    with DatabaseContext(database) as db:
        db.begin_transaction()
        database.execute(SET_NUMBER, {"name": "a", "number": 1})
        run_in_threads(change)
        db.commit_transaction()
    assert len(failures) == 1
    assert numbers("a", lock="") == 1


def test_a_lock_that_becomes_free_is_waited_for(
    database: Database, numbers: Callable[[str], int]
) -> None:
    with DatabaseContext(database) as db:
        db.begin_transaction()
        database.execute(SET_NUMBER, {"name": "a", "number": 1})
        waiting = threading.Thread(
            target=database.execute, args=(SET_NUMBER, {"name": "a", "number": 2})
        )
        waiting.start()
        waiting.join(0.2)
        db.commit_transaction()
    waiting.join()
    assert numbers("a", lock="") == 2
