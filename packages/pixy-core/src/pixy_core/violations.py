"""PixyProxy's messages for pydantic's error types.

https://pydantic.dev/docs/validation/latest/errors/validation_errors/ lists the types.
"""

from collections.abc import Mapping
from typing import Any

_WHOLE_NUMBER = "must be a whole number"
_NUMBER = "must be a number"
_FLAG = "must be true or false"
_TIME = "must be a time with its offset, as RFC 3339 writes it"

_REASONS = {
    "missing": "must be given",
    "extra_forbidden": "is not known",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": _FLAG,
    "bool_parsing": _FLAG,
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be greater than or equal to {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be less than or equal to {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_object_invalid": _TIME,
    "timezone_aware": _TIME,
    "path_type": "must be a path",
    "tuple_type": "must be an array",
    "too_short": "must have at least {min_length} members",
    "too_long": "must have at most {max_length} members",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def explain_violation(error: Mapping[str, Any]) -> str:
    """Return why a value is invalid, such as `must be a string`; never the value itself.

    Args:
        error: One of the errors of a pydantic ValidationError.
    """
    kind, context = error.get("type"), error.get("ctx", {})
    if kind == "string_too_short" and context["min_length"] == 1:
        return "must not be empty"
    reason = _REASONS.get(str(kind))
    if reason is None:
        return str(error["msg"]).removeprefix("Value error, ")
    return reason.format_map(context)
