"""Compares the output of a sample with its page, except for what differs in each run.

Guids, cursors, times, hashes, sizes in bytes, request ids, process ids and durations may differ.
`…` alone on a line matches any number of lines; within a line it matches the rest of it.
"""

import re

_REMEMBERED = {
    "guid": r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "cursor": r"(?<=cursor=)[\w%~-]+",
}
"""Values that later samples of a page use again."""

_VOLATILE = {
    "request": r"\b[A-Za-z0-9.-]+-\d{8}T\d{6}\.\d{6}Z-\d+\b",
    "time": r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)",
    "logged": r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\b",
    "date": r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
    "sha": r"\b[0-9a-f]{64}\b",
    "bytes": r'(?<="size": )\d+|(?<=content-length: )\d+|\b\d{2,}(?= bytes\b)',
    "place": r"\[\d+\] \[[\w<>]+:\d+\]|(?<=process \[)\d+(?=\])",
    "duration": r"\b\d+(?:\.\d+)?(?= ?(?:ms|s)\b)",
}
_KINDS = _REMEMBERED | _VOLATILE
_PARTS = re.compile(
    "|".join(f"(?P<{name}>{kind})" for name, kind in _KINDS.items())
    + r"|(?P<lines>^…\n)|(?P<rest>…)",
    re.MULTILINE,
)


class PrintedText:
    """The texts of one page, which name the same images.

    Args:
        known: Text of the page -> its value in this run.
    """

    def __init__(self, known: dict[str, str]) -> None:
        self.known = dict(known)

    def translate(self, text: str) -> str:
        """Return a command of the page with the values of this run."""
        for written, actual in self.known.items():
            text = text.replace(written, actual)
        return text

    def matches(self, written: str, printed: str) -> bool:
        """Return whether the output of a sample matches its page, and remember its guids."""
        written, printed = f"{written.rstrip()}\n", f"{printed.rstrip()}\n"
        pattern, remembered, end = "", [], 0
        for part in _PARTS.finditer(written):
            pattern += re.escape(self.translate(written[end : part.start()]))
            end = part.end()
            match part.lastgroup:
                case "lines":
                    pattern += r"(?:.*\n)*?"
                case "rest":
                    pattern += ".*"
                case "guid" | "cursor" if part[0] in self.known:
                    pattern += re.escape(self.known[part[0]])
                case "guid" | "cursor" as kind if part[0] not in remembered:
                    remembered.append(part[0])
                    pattern += f"({_REMEMBERED[kind]})"
                case "guid" | "cursor":
                    pattern += f"\\{remembered.index(part[0]) + 1}"
                case kind:
                    pattern += f"(?:{_KINDS[str(kind)]})"
        pattern += re.escape(self.translate(written[end:]))
        found = re.fullmatch(pattern, printed)
        if found:
            self.known.update(zip(remembered, found.groups(), strict=True))
        return found is not None
