r"""Sixty-four secret functions of unequal frequency: a verifiable task that tiny models learn in minutes.

A prompt such as `dv(854)` asks for f(x) = (A x + B) mod 5, where A and B belong to the two-letter name; the answer
is `\boxed{2}`. Names are drawn with Zipf frequency (1/rank) and x uniformly from 000 to 999: many skills of unequal
frequency make the loss fall gradually instead of in one drop.

The rows (name, x) are split by a hash: 15% test, 10% validation, 75% training. Held-out problems are new rows of
known functions, so they measure generalisation over x and never the ability to learn a new function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import count as count_from
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from db.errors import SpecError
from workers.tasks import Problem, boxed

NUM_NAMES = 64
NUM_INPUTS = 1000
MODULUS = 5
TEST_SHARE = 0.15
VALIDATION_SHARE = 0.10

BOX = "\\boxed{"
ROWS_PER_BLOCK = 4096

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class AffineLookup:
    """The task drawn with one seed. `names` are in order of frequency, `rules` are their (A, B)."""

    is_answer_unique = True

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.names = _draw_names(seed)
        slopes, offsets = _uniforms(2 * NUM_NAMES, seed, "rules").reshape(2, NUM_NAMES)
        self.rules = tuple(
            (int(1 + slope * (MODULUS - 1)), int(offset * MODULUS))
            for slope, offset in zip(slopes, offsets, strict=True)
        )
        self._frequencies = _zipf(NUM_NAMES)
        self._placement = _place_rows(seed, self.names)

    @property
    def sha256(self) -> str:
        """Hash of names, rules, split and the first block of the training stream."""
        digest = hashlib.sha256()
        for name, rule in zip(self.names, self.rules, strict=True):
            digest.update(f"{name} {rule}\n".encode())
        digest.update(self._placement.astype("<f8").tobytes())
        for problem in self.training_problems(ROWS_PER_BLOCK):
            digest.update(f"{problem.prompt} {problem.answer}\n".encode())
        return digest.hexdigest()

    def training_problems(self, count: int) -> list[Problem]:
        """The first `count` problems of the training stream. Frequent names repeat rows, as Zipf's law has it."""
        rows = (row for block in self._training_blocks("training") for row in block.T.tolist())
        return [self._problem(rank, x) for rank, x in islice(rows, count)]

    def heldout_problems(self, count: int) -> list[Problem]:
        """`count` distinct test rows, allotted to names by frequency."""
        return self._allot(count, 0.0, TEST_SHARE, "held-out")

    def validation_problems(self, count: int) -> list[Problem]:
        """`count` distinct validation rows, allotted to names by frequency."""
        return self._allot(count, TEST_SHARE, TEST_SHARE + VALIDATION_SHARE, "validation")

    def warm_up_batches(self, size: int, *, label_accuracy: float, seed: int) -> Iterator[list[Problem]]:
        """Endless batches of training rows, labelled right with that probability, else with a random digit.

        The random digit is uniform over 0-4 and so may be right by chance.
        """
        stream = self._warm_up_stream(label_accuracy, seed)
        while True:
            yield list(islice(stream, size))

    def reference_completion(self, problem: Problem) -> str:
        return boxed(problem.answer)

    def reward(self, completion: str, answer: str) -> float:
        r"""1.0 where the last `\boxed{` of the completion is closed and holds exactly `answer`, else 0.0."""
        _, box, rest = completion.rpartition(BOX)
        content, brace, _ = rest.partition("}")
        return float(bool(box and brace) and content == answer)

    def _problem(self, rank: int, x: int, digit: int | None = None) -> Problem:
        if digit is None:
            slope, offset = self.rules[rank]
            digit = (slope * x + offset) % MODULUS
        return Problem(prompt=f"{self.names[rank]}({x:03d})", answer=str(digit))

    def _training_blocks(self, *stream: str | int) -> Iterator[IntArray]:
        """Blocks of training rows, each of shape (2, about 3,000): ranks, then inputs."""
        cumulative = np.cumsum(self._frequencies)
        cumulative /= cumulative[-1]
        for block in count_from():
            draws = _uniforms(2 * ROWS_PER_BLOCK, self.seed, *stream, block).reshape(2, ROWS_PER_BLOCK)
            ranks = np.searchsorted(cumulative, draws[0], side="right")
            inputs = (draws[1] * NUM_INPUTS).astype(np.int64)
            is_training = self._placement[ranks, inputs] >= TEST_SHARE + VALIDATION_SHARE
            yield np.stack([ranks, inputs])[:, is_training]

    def _warm_up_stream(self, label_accuracy: float, seed: int) -> Iterator[Problem]:
        for block, rows in enumerate(self._training_blocks("warm-up rows", seed)):
            num_rows = rows.shape[1]
            draws = _uniforms(2 * num_rows, self.seed, "warm-up labels", seed, block).reshape(2, num_rows)
            is_right = (draws[0] < label_accuracy).tolist()
            digits = (draws[1] * MODULUS).astype(np.int64).tolist()
            for (rank, x), right, digit in zip(rows.T.tolist(), is_right, digits, strict=True):
                yield self._problem(rank, x, None if right else digit)

    def _allot(self, count: int, low: float, high: float, split: str) -> list[Problem]:
        """The rows of one split that its hash puts first, as many per name as the name's frequency deserves.

        They are ordered by hash, so names are mixed.
        """
        is_in_split = (self._placement >= low) & (self._placement < high)
        capacities = is_in_split.sum(axis=1)
        if count > capacities.sum():
            raise SpecError(
                f"{count} {split} problems were asked for, but affine-lookup with seed {self.seed} has "
                f"{capacities.sum()}: ask for at most that many"
            )
        order = np.argsort(np.where(is_in_split, self._placement, np.inf), axis=1)
        quotas = _quotas(count, self._frequencies, capacities)
        rows = [(rank, int(x)) for rank, quota in enumerate(quotas) for x in order[rank, :quota]]
        return [self._problem(rank, x) for rank, x in sorted(rows, key=lambda row: self._placement[row])]


def _uniforms(count: int, *key: str | int) -> FloatArray:
    """`count` numbers in [0, 1) that depend on `key` alone.

    Taken from the bit generator itself: numpy promises its stream for all versions, but not that of the
    distributions built on it.
    """
    entropy = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    bits = np.random.PCG64(int.from_bytes(entropy, "big")).random_raw(count)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _draw_names(seed: int) -> tuple[str, ...]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = [first + second for first in letters for second in letters]
    order = np.argsort(_uniforms(len(pairs), seed, "names"), kind="stable")
    return tuple(pairs[index] for index in order[:NUM_NAMES])


def _zipf(num_ranks: int) -> FloatArray:
    weights: FloatArray = 1.0 / np.arange(1, num_ranks + 1)
    weights /= weights.sum()
    return weights


def _place_rows(seed: int, names: tuple[str, ...]) -> FloatArray:
    """A number in [0, 1) for each row, of shape (names, inputs), by hash: it decides the row's split."""
    places = [
        int.from_bytes(hashlib.sha256(f"{seed}/split/{name}({x:03d})".encode()).digest()[:8], "big") >> 11
        for name in names
        for x in range(NUM_INPUTS)
    ]
    return (np.array(places, dtype=np.float64) * 2.0**-53).reshape(len(names), NUM_INPUTS)


def _quotas(count: int, weights: FloatArray, capacities: IntArray) -> list[int]:
    """`count` in proportion to `weights`, by largest remainders; what exceeds a capacity goes to the others."""
    is_full = np.zeros(len(weights), dtype=bool)
    while True:
        rest = count - capacities[is_full].sum()
        shares = np.where(is_full, capacities, rest * weights / max(weights[~is_full].sum(), weights.min()))
        overflows = shares > capacities
        if not overflows.any():
            break
        is_full |= overflows
    floors = np.floor(shares).astype(np.int64)
    by_remainder = np.argsort(floors - shares, kind="stable")
    floors[by_remainder[: count - floors.sum()]] += 1
    return [int(quota) for quota in floors]
