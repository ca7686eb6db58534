"""One sweep whose trials end in three other ways: short of GPU memory at first, stopped by a health gate, destroyed.

A receiver of webhooks is told of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.notifying.delivery import SIGNATURE, signature
from tests.e2e.command_line import CommandLine, tiny_folder
from tests.webhook_receiver import WebhookReceiver, webhook_receiver

# Python runs this in every process at its start. In trial 1's own it puts a limit where a GPU would have one: on the
# sequences that are trained on at once, 32 of an update; torch raises the same there. The warm-up has 128. An attempt
# leaves in a file what it has inherited.
FAULT = """
import json, os, sys
if "workers.attempt" in sys.orig_argv:
    with open(os.path.join(os.path.dirname(__file__), f"{os.getpid()}.json"), "w") as file:
        json.dump(dict(os.environ), file)
if "workers.attempt" in sys.orig_argv and "--trial-id=1" in sys.orig_argv:
    import torch
    look_up = torch.nn.functional.embedding
    def limited(input, *arguments, **options):
        if torch.is_grad_enabled() and input.dim() == 2 and 8 < input.shape[0] <= 32:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {input.shape[0]} sequences")
        return look_up(input, *arguments, **options)
    torch.nn.functional.embedding = limited
"""
RULES = """[
  {if: {seed: 2}, set: {health: {min_entropy: 100, patience_steps: 2}}},
  {if: {seed: 3}, set: {optimizer.learning_rate: 1e30}},
]"""
SUBMIT = ("submit", "tiny.yaml", "--set", "model=[small]", "--set", "seed=[1, 2, 3]", "--set", "budgets.at=[4]")
NOTIFY = (
    "[{url_env: HOOK, secret_env: HOOK_SECRET, events: [attempt_failed, trial_failed, trial_stopped, sweep_finished]}]"
)
SECRET = "s3cret-of-the-hook"


@pytest.fixture(scope="module")
def receiver() -> Iterator[WebhookReceiver]:
    with webhook_receiver() as started:
        yield started


@pytest.fixture(scope="module")
def ended(
    tmp_path_factory: pytest.TempPathFactory, made_models: Path, receiver: WebhookReceiver
) -> tuple[CommandLine, str]:
    """The folder, and what the command printed."""
    rlsweep = tiny_folder(tmp_path_factory.mktemp("ends"), made_models)
    (rlsweep.folder / "fault").mkdir()
    (rlsweep.folder / "fault" / "sitecustomize.py").write_text(FAULT)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(rlsweep.folder / "fault"))
        refused = rlsweep.run(*SUBMIT, "--set", f"notify={NOTIFY}")
        assert refused.returncode == 1, refused.stdout
        assert "notify[0].url_env: the environment variable HOOK is not set, or empty" in refused.stderr
        assert not rlsweep.folder.joinpath("rlsweep.db").exists(), "nothing has begun"
        environment.setenv("HOOK", receiver.url)
        environment.setenv("HOOK_SECRET", SECRET)
        done = rlsweep.run(*SUBMIT, "--set", f"axes.when={RULES}", "--set", f"notify={NOTIFY}")
    assert done.returncode == 3, done.stdout + done.stderr
    return rlsweep, done.stdout


def test_the_micro_batch_is_halved_until_it_fits(ended: tuple[CommandLine, str]) -> None:
    rlsweep, _ = ended
    sql = "SELECT state, failure_class, json_extract(execution, '$.micro_batch') FROM attempt WHERE trial_id = 1"
    assert rlsweep.rows(f"{sql} ORDER BY number") == [
        ("failed", "gpu_memory", None),  # all 32 completions of an update
        ("failed", "gpu_memory", 16),
        ("succeeded", None, 8),
    ]
    assert rlsweep.rows("SELECT step FROM live_step WHERE trial_id = 1 ORDER BY step") == [(1,), (2,), (3,), (4,)]


def test_a_stopped_trial_is_no_failure_and_is_not_tried_again(ended: tuple[CommandLine, str]) -> None:
    rlsweep, output = ended
    assert "1 stopped" in output
    assert "Trial 2 was stopped: entropy_collapse: health.min_entropy 100 was passed in 2 steps" in output
    attempts = rlsweep.rows("SELECT state, outcome, failure_class FROM attempt WHERE trial_id = 2")
    assert attempts == [("stopped", "entropy_collapse", None)]
    assert [(each["state"], each["outcome"]) for each in rlsweep.json("status")][1] == ("stopped", "entropy_collapse")


def test_a_trial_whose_learning_rate_destroys_it_fails_with_its_reason(ended: tuple[CommandLine, str]) -> None:
    rlsweep, output = ended
    (row,) = rlsweep.rows("SELECT state, failure_class, message FROM attempt WHERE trial_id = 3")
    assert row[:2] == ("failed", "numerical")
    assert "After step 1 the policy's probabilities are not numbers" in row[2]
    assert f"Trial 3 failed: {row[2]}"[:40] in output


def test_a_receiver_is_told_of_every_end_that_it_asked_for_and_signed(
    ended: tuple[CommandLine, str], receiver: WebhookReceiver
) -> None:
    _, output = ended
    told = [(event["event"], event["trial"], event["class"] or event["outcome"]) for event in receiver.events]
    assert sorted(told[:-1], key=str) == [
        ("attempt_failed", 1, "gpu_memory"),
        ("attempt_failed", 1, "gpu_memory"),
        ("attempt_failed", 3, "numerical"),
        ("trial_failed", 3, "numerical"),
        ("trial_stopped", 2, "entropy_collapse"),
    ]
    assert told[-1] == ("sweep_finished", None, None)
    for headers, body in receiver.came:
        sent_at = int(headers[SIGNATURE].partition(",")[0].removeprefix("t="))
        assert headers[SIGNATURE] == signature(SECRET.encode(), body, timestamp=sent_at)
    assert "was not told" not in output


def test_attempts_do_not_inherit_what_only_the_driver_is_to_know(ended: tuple[CommandLine, str]) -> None:
    rlsweep, _ = ended
    inherited = [json.loads(file.read_text()) for file in rlsweep.folder.joinpath("fault").glob("*.json")]
    assert len(inherited) >= 5, "three attempts at trial 1, one at each other"
    assert all("PYTHONPATH" in each and each.keys().isdisjoint({"HOOK", "HOOK_SECRET"}) for each in inherited)


def test_neither_the_url_nor_the_secret_of_a_receiver_is_in_any_file(
    ended: tuple[CommandLine, str], receiver: WebhookReceiver
) -> None:
    rlsweep, _ = ended
    files = [path for path in rlsweep.folder.rglob("*") if path.is_file()]
    assert any(receiver.host.encode() in path.read_bytes() for path in files), "it is known by host and port"
    assert [path for path in files if SECRET.encode() in path.read_bytes() or b"T0KEN" in path.read_bytes()] == []
