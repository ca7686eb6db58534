"""The tools that a policy may be given, and what is asked of an environment class of the user's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from db.errors import EnvironmentProblem, SpecError
from tests.tiny_training import tiny_spec
from workers.environments import CallFailed, ToolBroken, python_program
from workers.environments.calculator import LONGEST_EXPRESSION, calculator
from workers.environments.offered import offered
from workers.environments.python_program import LONGEST_OUTPUT, python
from workers.sandbox import Limits, SandboxUnavailable
from workers.spec import Environment
from workers.training.reward_function import final_answer
from workers.unsupported import unsupported


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+3", "5"), ("0.1 + 0.2", "0.3"), ("1/3", "1/3, about 0.333333333333"), ("-7 // 2", "-4"), ("-7 % 3", "2"),
        ("2**-2", "0.25"), ("100*1.07**10", "196.715135728956532249"), ("(-1)**3", "-1"), ("-1/8", "-0.125"),
        ("(17 + 4) * 3 / 8", "7.875"), ("1e3", "1000"), ("0**0", "1"), ("0e999999999", "0"),
        ("0.0e-30000000", "0"), ("10**-24", "0." + 23 * "0" + "1"),
    ],
)  # fmt: skip
def test_the_calculator_reckons_exactly(expression: str, value: str) -> None:
    assert calculator(expression) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1/0", "division by zero"), ("0**-1", "division by zero"), ("2**1024", "larger than 2"),
        ("9**9**9**9", "larger than 2"), ("1e400", "too large"), ("1e-400", "too small"),
        ("2**0.5", "must be a whole number"),
        ("(1", "no arithmetic"), ("1,000", "'1,000' is not a number"), ("2^3", "'2\\^3' is not a number"),
        ("__import__('os')", "is not a number"), ("x+1", "'x' is not a number"), ("True", "'True' is not"),
        ("1j", "'1j' is not"), ("3 if 1 else 2", "is not a number"), ("", "no arithmetic"), ("1\0", "no arithmetic"),
        ("1" * (LONGEST_EXPRESSION + 1), "more than 400 characters"), ("-" * 400, "no arithmetic"),
    ],
)  # fmt: skip
def test_what_the_calculator_cannot_do_is_a_failed_call(expression: str, why: str) -> None:
    with pytest.raises(CallFailed, match=why):
        calculator(expression)


@given(st.text("0123456789+-*/%(). e", max_size=40))
def test_the_calculator_answers_or_fails_whatever_it_is_given(expression: str) -> None:
    try:
        assert len(calculator(expression)) < 1000
    except CallFailed as failed:
        assert str(failed)  # noqa: PT017


def test_a_program_is_told_what_it_printed() -> None:
    assert python("print(6 * 7)") == "42"
    assert python("x = 1") == "(nothing was printed)"


def test_a_program_that_fails_is_a_failed_call_with_its_traceback() -> None:
    with pytest.raises(CallFailed, match=r"(?s)before.*ZeroDivisionError: division by zero"):
        python("print('before'); 1 / 0")


def test_long_output_is_told_in_part() -> None:
    told = python("print('a' * 5000 + 'z' * 5000)")
    assert "[8000 characters left out]" in told
    assert told[0] == "a"
    assert told[-1] == "z"
    assert len(told) < LONGEST_OUTPUT + 50


def test_a_program_that_runs_out_of_time_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_program, "LIMITS", Limits(wall_seconds=0.5))
    with pytest.raises(CallFailed, match="ended by the limit on wall_time"):
        python("while True: pass")


def test_a_sandbox_that_breaks_is_no_answer_to_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise SandboxUnavailable("no namespaces any more")

    monkeypatch.setattr(python_program, "run_program", broken)
    with pytest.raises(ToolBroken) as caught:
        python("1")
    assert isinstance(caught.value.reason, EnvironmentProblem)
    assert not isinstance(caught.value, Exception), "TRL would tell it to the policy"


CLASSES = '''
class Whole:
    def reset(self, **row): ...
    def look(self, place: int) -> str:
        """
        Look somewhere.

        Args:
            place: Where.
        """
    @staticmethod
    def wait() -> str:
        """Wait."""
    def _own(self): ...
class NoReset:
    def look(self) -> str:
        """Look."""
class OtherReset(Whole):
    def reset(self, level): ...
class NoTools:
    def reset(self, **row): ...
    def get_reward(self): return 1.0
class NoTypes(Whole):
    def look(self, place):
        """
        Look.

        Args:
            place: Where.
        """
class NoText(Whole):
    def look(self, place: int) -> str: ...
class Arguments(Whole):
    def __init__(self, level): ...
class Calculator(Whole):
    def calculator(self) -> str:
        """Reckon."""
not_a_class = 3
'''


@pytest.fixture
def user_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"games_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(CLASSES)
    (tmp_path / f"{name}_broken.py").write_text("import does_not_exist_anywhere")
    (tmp_path / f"{name}_raises.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_the_public_methods_of_a_class_are_tools(user_package: str) -> None:
    given_class = offered(Environment(factory=f"{user_package}:Whole", tools=("calculator",)))
    assert [tool.__name__ for tool in given_class.described] == ["calculator", "look", "wait"]
    assert given_class.trl_arguments["environment_factory"].__name__ == "Whole"


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        ("{}:Missing", "has no class Missing"), ("{}:not_a_class", "has no class not_a_class"),
        ("{}_absent:Whole", "there is no module .*_absent; install its package beside rlsweep"),
        ("{}_broken:Whole", "there is no module does_not_exist_anywhere"),
        ("{}_raises:Whole", "cannot be imported: ZeroDivisionError"), ("{}:NoReset", "has no method `reset`"),
        ("{}:OtherReset", "`reset` must take the columns of a prompt's row"), ("{}:NoTools", "no public method"),
        ("{}:NoTypes", "`look` cannot be described"), ("{}:NoText", "`look` cannot be described"),
        ("{}:Arguments", r"Arguments\(\) needs arguments"), ("{}:Calculator", "has a method `calculator`"),
    ],
)  # fmt: skip
def test_a_class_that_cannot_be_used_is_refused_with_what_it_lacks(factory: str, why: str, user_package: str) -> None:
    name = factory.format(user_package)
    with pytest.raises(SpecError, match=f"environment.factory {name}.*{why}"):
        offered(Environment(factory=name, tools=("calculator",)))


@pytest.mark.parametrize("factory", ["Counter", "games.Counter", "games:", ":Counter", "games:a.b", "games/x:C", ""])
def test_what_names_no_class_is_refused_in_the_file(factory: str) -> None:
    with pytest.raises(ValidationError, match=r"names no class; write `package\.module:Class`"):
        Environment(factory=factory)


def test_an_environment_offers_something() -> None:
    with pytest.raises(ValidationError, match="needs `tools`, `factory` or both"):
        Environment(max_turns=2)


TURN = {"role": "assistant", "content": r"It is \boxed{4}"}


@pytest.mark.parametrize(
    ("turns", "answer"),
    [
        ([TURN], TURN["content"]),
        ([{**TURN, "tool_calls": [{"type": "function"}]}], ""),
        ([TURN, {"role": "tool", "name": "python", "content": "4"}], ""),
        ([TURN, {"role": "tool", "name": "python", "content": "4"}, TURN], TURN["content"]),
        ([{**TURN, "reasoning_content": "so"}], r"<think>so</think>It is \boxed{4}"),
    ],
)
def test_the_answer_is_what_the_policy_says_at_the_end(turns: list[dict[str, Any]], answer: str) -> None:
    assert final_answer(turns) == answer


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"algorithm": {"baseline": "leave_one_out"}}, "environment does not go with loss.baseline leave_one_out"),
        ({"execution": {"gpus": 2, "tensor_parallel": 2}}, "environment does not go with tensor_parallel 2"),
        ({"execution": {"gpus": 2, "sleep_mode": True}}, "environment does not go with sleep_mode on 2 GPUs"),
        ({"execution": {"processes": 2}}, "environment.factory does not go with resources.processes 2"),
    ],
)
def test_what_trl_cannot_do_with_tools_is_refused(changes: dict[str, Any], why: str) -> None:
    spec = tiny_spec(Path("model"), environment={"factory": "games.chess:Board"}, **changes)
    assert any(why in sentence for sentence in unsupported(spec))


def test_tools_alone_are_run() -> None:
    spec = tiny_spec(Path("model"), environment={"tools": ["python"]}, execution={"processes": 2})
    assert unsupported(spec) == []


def test_a_class_is_imported_by_trials_alone() -> None:
    program = "import sys; import workers.spec, workers.unsupported; print('workers.environments' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
