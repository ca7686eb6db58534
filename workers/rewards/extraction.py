"""Where in a completion the answer stands: after the reasoning, in the last box or the last answer tag."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\boxed\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def after_thinking(text: str) -> str | None:
    """What follows the last `</think>`; the whole text where there is none; None where reasoning never ended."""
    before, closed, after = text.rpartition("</think>")
    if closed:
        return after
    return None if "<think>" in before + after else text


def last_box(text: str) -> str | None:
    r"""What stands in the last `\boxed{}`; None without a box, or where the last one was never closed.

    An earlier box is no substitute: it held an intermediate result. Escaped braces do not count as braces.
    """
    start = text.rfind("\\boxed")
    box = _BOX.match(text, start) if start >= 0 else None
    if box is None:
        return None
    depth = 1
    for brace in _BRACE.finditer(text, box.end()):
        depth += {"{": 1, "}": -1}.get(brace.group(), 0)
        if depth == 0:
            return text[box.end() : brace.start()]
    return None


def final_box(text: str) -> str | None:
    """The last box after the reasoning, None where there is none or nothing in it."""
    rest = after_thinking(text)
    box = None if rest is None else last_box(rest)
    return box if box is not None and box.strip() else None


def final_tag(text: str) -> str | None:
    """What stands between the last `<answer>` and its `</answer>` after the reasoning."""
    rest = after_thinking(text)
    tags = _TAG.findall(rest) if rest is not None else []
    return tags[-1].strip() if tags else None
