"""Which held-out problems the policy is trained on in other words, and the curriculum without them.

Two problems are compared by their letters and digits alone (Unicode compatibility form, case folded), so spacing,
punctuation and the several ways to delimit a formula do not count. Their similarity is the share of runs of eight
characters that both have among those that either has (Jaccard). It is exact, not sampled. From 0.8 on, pairs are
nearly always one problem; problems that differ in a number or two can reach it, so a pair is evidence, not proof.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workers.prompts import Prompt
from workers.prompts.curriculum import Curriculum

RUN = 8  # characters
SIMILAR_FROM = 0.8
# The study's instructions stand around every problem and would make all of them alike.
INSTRUCTIONS = (
    "You are a knowledgeable math assistant. Answer the following questions and think step by step.",
    "You are a knowledgeable assistant. Answer the following questions and think step by step.",
    "Please output the final answer within \\boxed{}.",
    "Please solve step by step and put your final answer within \\boxed{}.",
)
WORDS = re.compile(r"[^\W_]+")

Runs = frozenset[str]


@dataclass(frozen=True)
class NearDuplicate:
    """A training row that states a held-out problem. `similarity` 1 means the same letters and digits."""

    training: Prompt
    heldout: Prompt
    similarity: float


def near_duplicates(
    training: Iterable[Prompt],
    heldout: Sequence[Prompt],
    *,
    threshold: float = SIMILAR_FROM,
    instructions: tuple[str, ...] = INSTRUCTIONS,
) -> list[NearDuplicate]:
    """Every pair at least as similar as `threshold` (above 0), in the order of training, then of held-out rows.

    `instructions` are left out of the prompts before they are compared.
    """
    heldout_runs = [_runs(prompt, instructions) for prompt in heldout]
    holders = defaultdict(list)
    for number, runs in enumerate(heldout_runs):
        for run in runs:
            holders[run].append(number)
    known = frozenset(holders)
    found = []
    for prompt in training:
        runs = _runs(prompt, instructions)
        shared = runs & known
        if len(shared) < threshold * len(runs):  # then no single problem can share as many
            continue
        for number in sorted({number for run in shared for number in holders[run]}):
            similarity = len(runs & heldout_runs[number]) / len(runs | heldout_runs[number])
            if similarity >= threshold:
                found.append(NearDuplicate(prompt, heldout[number], similarity))
    return found


def without_near_duplicates(
    curriculum: Curriculum,
    heldout: Sequence[Prompt],
    *,
    threshold: float = SIMILAR_FROM,
    instructions: tuple[str, ...] = INSTRUCTIONS,
) -> Curriculum:
    """The curriculum without rows that state a held-out problem.

    To keep the sizes of slices, use it on the whole training file, before anything is drawn; the slices are then
    other ones than the published.
    """
    pairs = near_duplicates(curriculum.prompts, heldout, threshold=threshold, instructions=instructions)
    leaked = {pair.training for pair in pairs}
    return Curriculum(tuple(prompt for prompt in curriculum.prompts if prompt not in leaked))


def bare_problem(prompt: Prompt, instructions: tuple[str, ...] = INSTRUCTIONS) -> str:
    """The text of the prompt without `instructions`."""
    text = prompt.text
    for instruction in instructions:
        text = text.replace(instruction, " ")
    return text


def _runs(prompt: Prompt, instructions: tuple[str, ...]) -> Runs:
    """All runs of eight characters of the bare problem, itself where it is shorter, none where nothing is left."""
    text = unicodedata.normalize("NFKC", bare_problem(prompt, instructions)).casefold()
    bare = "".join(WORDS.findall(text))
    if not bare:
        return frozenset()
    return frozenset(bare[start : start + RUN] for start in range(max(1, len(bare) - RUN + 1)))
