"""The page's scripts: their length, and functions that they must not use."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "packages" / "pixy-web" / "src" / "pixy_web" / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))


def test_a_script_is_short_and_says_what_it_is() -> None:
    assert len(SCRIPTS) > 20
    for script in SCRIPTS:
        text = script.read_text()
        assert text.startswith("// "), script.name
        assert text.count("\n") <= 250, script.name
        assert max(map(len, text.splitlines())) <= 120, script.name


@pytest.mark.parametrize(
    "word", ["innerHTML", "insertAdjacentHTML", "document.write", "eval(", "console.", "debugger"]
)
def test_no_script_parses_text_as_markup_or_code_or_chats(word: str) -> None:
    assert [script.name for script in SCRIPTS if word in script.read_text()] == []


def test_every_script_is_used() -> None:
    imported = {
        name
        for script in SCRIPTS
        for name in re.findall(r'from "\./([a-z]+\.js)"', script.read_text())
    }
    assert imported | {"main.js"} == {script.name for script in SCRIPTS}


def test_every_id_that_a_script_looks_for_is_in_the_page() -> None:
    page = (STATIC / "index.html").read_text()
    for script in SCRIPTS:
        for name in re.findall(r'\bfind\("([^"]+)"\)', script.read_text()):
            assert f'id="{name}"' in page, f"{script.name}: {name}"
