"""What scorers say of hard answers, of gold answers, and of answers of every kind of source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from db.errors import SpecError
from tests.soak import times
from workers.rewards import Answer, Mode, Truth, Verdict, tally
from workers.rewards.pool import RewardPool
from workers.rewards.sources import check_sources, scorer_of
from workers.rewards.truths import check_truths

CORPUS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "rewards" / "hard_answers.yaml").read_text(encoding="utf-8")
)
MODES: tuple[Mode, ...] = ("paper", "fixed")
OUTCOMES = {"no_answer": "none", "exception": "error", "timed_out": "late"}

# Golds of the published files that only ever equal their own text: math-verify reads none of them, except the last,
# over which it takes longer than anybody waits.
UNREADABLE = {
    "f(x) = ax \\\\text{ for some integer } a.",
    "I_2 < I_4 < I_3 < I_1",
    " x = \\\\frac{a_1 + a_2 + \\\\cdots + a_{2n}}{2n} ",
    "b_{1}+b_{2}+\\\\cdots+b_{2012}<2013 \\\\times 2014",
    "60,80,100,120,140 \\\\text{ and } 6,8,10,12, \\\\cdots, 44",
    " \\\\{2, 3, 4, 5, \\\\ldots\\\\} ",
    " p \\\\equiv 1 \\\\pmod{4} ",
    "6 \\\\mid ab",
    "3^{2^{2018}}-1",
}

GRID = {"header": ["Position", "Job", "Pet"], "rows": [["1", "cook", "cat"], ["2", "spy", "dog"]]}
TURNED = {"header": ["Pet", "Position", "Job"], "rows": [["cat", "1", "cook"], ["dog", "2", "spy"]]}
ONE_WRONG = {"header": GRID["header"], "rows": [["1", "cook", "dog"], ["2", "spy", "dog"]]}


@pytest.fixture(scope="module")
def pool() -> Iterator[RewardPool]:
    with RewardPool(processes=2, seconds_per_answer=10) as pool:
        yield pool


def in_the_corpus_words(verdict: Verdict) -> str:
    return OUTCOMES.get(verdict.outcome) or f"{verdict.score:g}"


@pytest.mark.parametrize(("mode", "column"), [("paper", 2), ("fixed", 3)])
@pytest.mark.parametrize("group", CORPUS, ids=lambda group: f"{group['source']}: {group['topic']}")
def test_hard_answers_get_the_reviewed_verdict(
    pool: RewardPool, group: dict[str, Any], mode: Mode, column: Literal[2, 3]
) -> None:
    answers = [Answer(group["source"], text, truth) for truth, text, *_ in group["pairs"]]
    verdicts = pool.judge(answers, mode=mode)
    found = {(a.truth, a.text): in_the_corpus_words(v) for a, v in zip(answers, verdicts, strict=True)}
    assert found == {(pair[0], pair[1]): str(pair[column]) for pair in group["pairs"]}


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert sum(len(group["pairs"]) for group in CORPUS) >= 200


@pytest.mark.parametrize("mode", MODES)
def test_published_golds_score_one_and_tell_wrong_answers(pool: RewardPool, mode: Mode) -> None:
    files = sorted(_published_data().glob("*/*.parquet"))
    truths = _truths(files)
    assert len(truths) > 6000
    # A part of them, and all that are known to be unreadable.
    looked_at = [
        (source, truth)
        for number, (source, truth) in enumerate(truths)
        if number % times(10, 1) == 0 or (isinstance(truth, str) and truth in UNREADABLE)
    ]
    wrong = check_truths(pool, looked_at, mode=mode)
    assert {json.dumps(each.truth) for each in wrong} <= {json.dumps(truth) for truth in UNREADABLE}
    if mode == "fixed":
        assert {each.truth for each in wrong} == UNREADABLE


def _published_data() -> Path:
    folder = os.environ.get("RLSWEEP_GURU_DATA")
    if not folder:
        pytest.skip("RLSWEEP_GURU_DATA names no folder with the published files")
    return Path(folder)


def _truths(files: list[Path]) -> list[tuple[str, Truth]]:
    import pyarrow.parquet as pq

    rows = (row for file in files for row in pq.read_table(file, columns=["data_source", "reward_model"]).to_pylist())
    pairs = ((row["data_source"], row["reward_model"]["ground_truth"]) for row in rows)
    judged = {json.dumps(pair): pair for pair in pairs if not pair[0].startswith("codegen")}
    return list(judged.values())


@pytest.mark.parametrize(
    ("source", "truth", "text", "scores"),
    [
        ("logic__zebra_puzzle_dataset", GRID, GRID, (1, 1, 1)),
        ("logic__zebra_puzzle_dataset", GRID, TURNED, (0, 1, 1)),
        ("logic__zebra_puzzle_dataset", GRID, ONE_WRONG, (5 / 6, 0, 5 / 6)),
        ("logic__zebra_puzzle_dataset", GRID, {"header": GRID["header"], "rows": GRID["rows"][:1]}, (0, 0, 0.5)),
        ("logic__zebra_puzzle_dataset", json.dumps(GRID), GRID, (1, 1, 1)),
        ("logic__ordering_puzzle_dataset", ["owl", "red crow"], '["owl", "red crow"]', (1, 1, 1)),
        ("logic__ordering_puzzle_dataset", ["owl", "red crow"], "['Owl', 'Red  Crow']", (0, 1, 1)),
        ("logic__ordering_puzzle_dataset", ["owl", "red crow"], "[red crow, owl]", (0, 0, 0)),
        ("logic__ordering_puzzle_dataset", ["owl", "crow"], "owl, crow", (0, 1, 1)),
        ("logic__arcagi1", [[1, 2], [3, 4]], "[[1, 2], [3, 4]]", (1, 1, 1)),
        ("simulation__barc", [[1, 2], [3, 4]], "[[1, 2],\n [3, 5]]", (0, 0, 0.75)),
        ("logic__barc", [[1, 2], [3, 4]], "[[1, 2]]", (0, 0, 0.5)),
        ("logic__arcagi2", [[0]], "nothing", (1, 0, 0)),
    ],
)
def test_puzzles_and_grids(
    pool: RewardPool, source: str, truth: Truth, text: object, scores: tuple[float, float, float]
) -> None:
    paper, fixed, lenient = scores
    answer = Answer(source, f"<answer>{text}</answer>", truth)
    assert pool.judge([answer], mode="paper")[0].reward == pytest.approx(paper)
    verdict = pool.judge([answer], mode="fixed", lenient=True)[0]
    assert (verdict.reward, verdict.lenient or 0) == (fixed, pytest.approx(lenient))


def test_an_answer_tag_that_spans_lines_is_only_seen_by_fixed(pool: RewardPool) -> None:
    answer = Answer("logic__zebra_puzzle_dataset", f"<answer>\n{json.dumps(GRID)}\n</answer>", GRID)
    assert [pool.judge([answer], mode=mode)[0].outcome for mode in MODES] == ["no_answer", "scored"]


def test_a_choice_without_a_letter_is_drawn_by_paper_and_always_alike(pool: RewardPool) -> None:
    answers = [Answer("stem__supergpqa", f"I give up, {number}.", "C") for number in range(400)]
    drawn = pool.judge(answers, mode="paper")
    assert {verdict.outcome for verdict in drawn} == {"no_answer"}
    assert 20 <= sum(verdict.reward for verdict in drawn) <= 60
    assert pool.judge(answers, mode="paper") == drawn
    assert sum(verdict.reward for verdict in pool.judge(answers, mode="fixed")) == 0


@pytest.mark.parametrize(
    ("source", "truth", "text", "scores"),
    [
        ("math__x", "5", "The answer is $5$.", (0, 1)),
        ("math__x", "5", "The answer is $6$.", (0, 0)),
        ("math__x", "5", "\\boxed{5}", (1, 1)),
        ("math__x", "5", "It is 5. \\boxed{6}", (0, 0)),
        ("stem__supergpqa", "B", "The answer is (B).", (0, 1)),
        ("stem__supergpqa", "B", "The answer is (C).", (0, 0)),
    ],
)
def test_the_lenient_reading_stands_beside_the_strict_one(
    pool: RewardPool, source: str, truth: str, text: str, scores: tuple[float, float]
) -> None:
    verdict = pool.judge([Answer(source, text, truth)], mode="fixed", lenient=True)[0]
    assert (verdict.score, verdict.lenient) == scores


def test_any_of_several_golds_is_right(pool: RewardPool) -> None:
    texts = ["\\boxed{1}", "\\boxed{\\frac{4}{2}}", "\\boxed{3}"]
    verdicts = pool.judge([Answer("math__x", text, ["1", "2"]) for text in texts], mode="fixed")
    assert [verdict.score for verdict in verdicts] == [1, 1, 0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("source", "truth"), [("logic__zebra_puzzle_dataset", "no grid"), ("logic__ordering_puzzle", "no list")]
)
def test_a_broken_truth_is_an_exception_with_its_reason(pool: RewardPool, source: str, truth: str, mode: Mode) -> None:
    verdict = pool.judge([Answer(source, "<answer>[a]</answer>", truth)], mode=mode)[0]
    assert (verdict.score, verdict.outcome, verdict.reward) == (None, "exception", 0.0)
    assert "the truth must be" in verdict.reason


def test_counts_tell_what_a_reward_of_zero_hides(pool: RewardPool) -> None:
    texts = ["\\boxed{5}", "\\boxed{6}", "no idea", "\\boxed{5}"]
    answers = [Answer("math__x", text, "5", is_truncated=text == "no idea") for text in texts]
    answers.append(Answer("math__x", "\\boxed{5}", ""))
    verdicts = pool.judge(answers, mode="fixed")
    assert [verdict.reward for verdict in verdicts] == [1, 0, 0, 1, 0]
    counts = tally(answers, verdicts)
    assert (counts.judged, counts.no_answer, counts.exceptions, counts.timed_out, counts.truncated) == (5, 1, 1, 0, 1)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("stem_web", "another model"),
        ("stem__web", "another model"),
        ("table__hitab", "openai/gsm8k"),
        ("", "logic__zebra_puzzle"),
    ],
)
def test_a_source_without_a_scorer_is_refused_before_anything_runs(source: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        check_sources(["math__x", source])


def test_every_kind_of_maths_source_has_its_scorer() -> None:
    names = ("math__merged_deduped_dapo_or1_dataset", "math__deepscaler_preview", "aime2024", "aimeamc2023", "amc2023")
    check_sources([*names, "openai/gsm8k"])
    assert scorer_of("aime2024") is scorer_of("amc2023")
    assert scorer_of("aime2024") is not scorer_of("math__math")
