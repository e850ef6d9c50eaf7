"""How long may be what a caller sends; an application may set it lower, or passwords' higher.

The models of pixy_core bound prompts and names, whatever is set here.
"""

from typing import NamedTuple

from pixy_core.images import MAX_PROMPT_LENGTH
from pixy_core.users import MAX_NAME_LENGTH


class Limits(NamedTuple):
    """The greatest lengths that are accepted.

    Attributes:
        prompt_length: Characters of the prompt of a new image.
        username_length: Characters of the name of whoever signs in or is added.
        password_length: Bytes of UTF-8 of a password.
    """

    prompt_length: int = MAX_PROMPT_LENGTH
    username_length: int = MAX_NAME_LENGTH
    password_length: int = 1024


USUAL_LIMITS = Limits()
