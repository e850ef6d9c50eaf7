"""What importing the package does not do."""

import subprocess
import sys

import pixy_service


def run(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_sketch_is_drawn_without_a_web_framework_and_the_sdk() -> None:
    code = (
        "import sys; from pixy_service import ImageOrder, SketchGenerator\n"
        "SketchGenerator().generate(ImageOrder('a fox', 'ann', size='16x16'))\n"
        "print({'fastapi', 'starlette', 'uvicorn', 'pixy_web', 'openai'} & set(sys.modules))"
    )
    assert run(code) == "set()\n"


def test_every_public_name_exists() -> None:
    assert [name for name in pixy_service.__all__ if not hasattr(pixy_service, name)] == []


def test_the_docstring_explains_every_public_name() -> None:
    described = pixy_service.__doc__ or ""
    assert [name for name in pixy_service.__all__ if f"`{name}`" not in described] == []
