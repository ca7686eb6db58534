"""SuperGPQA as the study judged it: the first letter of A to J, in the alphabet, that occurs in the box.

Flaws: "Both B and A" answers A; a word with a capital can decide; without a letter one is drawn, right one time in ten.
The study drew without a seed; here the text's hash decides, so that a text has one verdict. The outcome tells.
"""

from __future__ import annotations

import hashlib
import re

from workers.rewards import Truth
from workers.rewards.reading import Reading

LETTERS = "ABCDEFGHIJ"
_BOX = re.compile(r"\\boxed\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_SENTENCES = tuple(re.compile(rf"{words}((?:[^<]|<[^<])*?)\n") for words in ("Final Answer:", "The answer is:"))
_ENDS = ("</s>", "<|im_end|>", "<|endoftext|>")


def score(text: str, truth: Truth) -> Reading:
    """1 where the letter, found or drawn, is the gold."""
    said = _said(_last_turn(text)) or ""
    letter = next((letter for letter in LETTERS if letter in said), None)
    return Reading(float((letter or drawn(text)) == str(truth)), found=letter is not None)


def drawn(text: str) -> str:
    """The letter that stands in for a missing one, by the text's hash."""
    number = int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8], "big")
    return LETTERS[number % len(LETTERS)]


def _said(text: str) -> str | None:
    boxes = _BOX.findall(text)
    if boxes and boxes[-1]:
        return str(boxes[-1])
    found = next((sentences for pattern in _SENTENCES if (sentences := pattern.findall(text))), None)
    return str(found[-1]) if found else None


def _last_turn(text: str) -> str:
    if "<|im_start|>user" in text:
        text = re.sub(r"^.*?<\|im_start\|>assistant", "<|im_start|>assistant", text, count=1, flags=re.DOTALL)
    elif "Assistant:" in text:
        text = text.rpartition("Assistant:")[2].strip()
    for end in _ENDS:
        text = text.partition(end)[0].strip() if end in text else text
    return text
