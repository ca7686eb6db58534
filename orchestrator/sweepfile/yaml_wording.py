"""What a reader of YAML means when it gives up: its messages in the words of somebody who wrote the file."""

from __future__ import annotations

import re

import yaml

# By a pattern for "context: problem". `at_context`: the mistake is where the thing began, not where reading ended.
_MEANINGS: list[tuple[str, str, bool]] = [
    (r"character '\\t'", "a tab stands where only spaces may; indent with spaces", False),
    (r"character '(?P<what>.)' that cannot start", "`{what}` cannot start a plain value; quote the value", False),
    (
        r"mapping values are not allowed",
        "a `:` is not expected here; quote text that holds one, and look at the indentation and at the line above",
        False,
    ),
    (
        r"could not find expected ':'",
        "this line is no `key: value`; is the space after the colon missing?",
        True,
    ),
    (r"undefined alias '(?P<what>[^']*)'", "`*{what}` is used, and nothing above it is marked `&{what}`", False),
    (r"duplicate anchor '(?P<what>[^']*)'", "the mark `&{what}` is given a second time; give it another name", False),
    (r"flow sequence: expected ',' or '\]'", "the list that starts here with `[` is not closed with `]`", True),
    (r"flow mapping: expected ',' or '}'", "the mapping that starts here with `{{` is not closed with `}}`", True),
    (
        r"block mapping: expected <block end>",
        "this line does not fit the lines around it; check its indentation, and the line above it",
        False,
    ),
    (
        r"block collection: expected <block end>",
        "this line is no entry of the list above it; start it with `- `, or check its indentation",
        False,
    ),
    (r"expected the node content", "a value is missing here; is a `[` or `{{` above not closed?", False),
    (r"quoted scalar: found unexpected", "the quote that opens here is not closed", True),
    (
        r"expected a single document",
        "a second document starts here with `---`; a sweep file is a single one",
        False,
    ),
    (r"expected '<document start>'", "this line does not belong to the mapping above it; check its indentation", False),
    (
        r"unknown escape character",
        "in double quotes a backslash starts an escape; use single quotes, or write it twice",
        False,
    ),
    (r"undefined tag handle|scanning a tag", "a value starts with `!`, as a tag does; write plain values", True),
]


def in_plain_words(error: yaml.MarkedYAMLError) -> tuple[str, int, int]:
    """What is wrong, and at which line and column, both from 1."""
    said = f"{error.context or ''}: {error.problem or ''}"
    message, mark = f"is not valid YAML: {said.strip(': ')}", error.problem_mark or error.context_mark
    for pattern, meaning, at_context in _MEANINGS:
        match = re.search(pattern, said)
        if match:
            message = f"is not valid YAML: {meaning.format(**match.groupdict())}"
            mark = (error.context_mark or mark) if at_context else mark
            break
    return (message, mark.line + 1, mark.column + 1) if mark else (message, 1, 1)


# The first pattern that a plain scalar fits says what other readers make of it.
_MISREAD = [
    (r"(?i)(yes|on)", "is true to some YAML readers and text to others; write true, or quote it"),
    (r"(?i)(no|off)", "is false to some YAML readers and text to others; write false, or quote it"),
    (r"[-+]?0[0-7]+", "begins with a 0, which some YAML readers take for octal; write the number without it"),
    (r"[-+]?0[0-9]+", "begins with a 0, which makes it text to some YAML readers; write the number without it"),
    (r"[-+]?0[xob][0-9a-fA-F_]+", "is not a number to all YAML readers; write it in decimal digits"),
    (r"[-+]?[0-9]+(_[0-9]+)+(\.[0-9_]*)?", "is not a number to all YAML readers; write it without `_`"),
    (
        r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?",
        "is a number in base 60 to some YAML readers; write it in decimal digits, or quote it",
    ),
    (r"(?i)[-+]?\.(inf|nan)", "is not a finite number, which every number of a sweep file is"),
]


def misread(text: str, tag: str) -> str | None:
    """Why a plain scalar that no two readers of YAML need agree on is refused; None if they agree.

    `tag` is the type that a reader of YAML 1.1 gives it.
    """
    if tag == "timestamp":
        return f"`{text}` is a date to some YAML readers and text to others; quote it"
    meanings = (meaning for pattern, meaning in _MISREAD if re.fullmatch(pattern, text))
    return next((f"`{text}` {meaning}" for meaning in meanings), None)
