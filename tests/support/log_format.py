"""The log's format, as in the specification and docs/operations.md."""

import re

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} "  # UTC, to the millisecond
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) "
    r"(?P<request_id>-|[A-Za-z0-9.-]+-\d{8}T\d{6}\.\d{6}Z-\d+) "  # host-datetime-threadid
    r"\[(?P<thread>\d+)\] \[(?P<place>[\w<>]+:\d+)\] (?P<message>.*)"
)
START = re.compile(r"REQUEST START [A-Z]+ /\S*")
# a name that is not one plain word is a string of JSON
END = re.compile(r"REQUEST END \d{3} \d+ms(?: user=(?P<user>[\w.@+-]+|\"(?:[^\"\\]|\\.)*\"))?")
