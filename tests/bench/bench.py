"""The benchmark: `nox -s bench`, or `nox -s bench -- detail page --rounds 1`.

A whole run, of every row, also writes its table and chart into docs/.
"""

import argparse
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import machine
import publication
from contenders import find_program
from report import make_summary, make_table, take_medians, write_number
from rows import ROWS
from setting import Setting
from targets import Figures, Row


def main() -> None:
    """Measure the requested rows, and print the results."""
    arguments = parse_arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # both stop all running processes
        signal.signal(number, signal.default_int_handler)
    rows = [row for row in ROWS if row.name in arguments.rows]
    if arguments.litellm is None:
        say("LiteLLM could not be installed: what is measured against it is left out")
    with TemporaryDirectory(prefix="pixy-bench-") as folder:
        setting = Setting(
            Path(arguments.mysqld or find_program("mariadbd")),
            arguments.litellm,
            Path(folder),
            arguments.seconds,
            arguments.many,
            arguments.deep,
        )
        say(f"starting on {machine.describe_database(setting.mysqld)}")
        with setting:
            measured = {row.name: measure(row, setting, arguments.rounds) for row in rows}
    medians = {name: take_medians(rounds) for name, rounds in measured.items()}
    table, summary = make_table(rows, medians), make_summary(rows, medians)
    say(f"\n{table}\n\n{summary}")
    if len(rows) == len(ROWS) and not arguments.dry:
        facts = machine.describe(setting.mysqld, setting.litellm, arguments)
        publication.publish(table, summary, facts, rows, medians)
        say(f"written to {publication.PAGE} and {publication.CHART}")


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(prog="nox -s bench --")
    names = [row.name for row in ROWS]
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(names)}; all if none is named")
    parser.add_argument("--rounds", type=int, default=3, help="rounds to take the medians of")
    parser.add_argument("--seconds", type=int, default=5, help="duration of each load")
    parser.add_argument("--many", type=int, default=100_000, help="images of the stock")
    parser.add_argument("--deep", type=int, default=1_000_000, help="images of the long list")
    parser.add_argument("--mysqld", type=Path, help="the database server; MariaDB if not named")
    parser.add_argument("--litellm", type=Path, help="the command of LiteLLM")
    parser.add_argument("--dry", action="store_true", help="write nothing into docs/")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(names):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    arguments.rows = arguments.rows or names
    return arguments


def measure(row: Row, setting: Setting, rounds: int) -> list[Figures]:
    """Measure one row in all rounds."""
    measured = []
    for number in range(1, rounds + 1):
        figures = row.measure(setting)
        shown = ", ".join(f"{name} {write_number(value)}" for name, value in figures.items())
        say(f"{row.name} {number}/{rounds}, {row.unit}: {shown}")
        measured.append(figures)
    return measured


def say(text: str) -> None:
    """Print without buffering, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
