"""CSV files: what columns are taken for, which units they may be in, and every value that is refused."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from db.errors import SpecError
from db.records import ImportedRun
from exchange.importing.csv_file import read_csv_file
from exchange.importing.field_table import MEANINGS, field_table
from exchange.importing.fields import FIELDS
from exchange.importing.imported_log import ImportedLog, read_logs
from exchange.importing.mapping import parse_request
from exchange.importing.problems import InvalidImport

HEADER = "model,num_params,seed,step,samples,benchmark,score\n"


def read(folder: Path, text: str, *, maps: tuple[str, ...] = (), sets: tuple[str, ...] = ()) -> ImportedLog:
    file = folder / "runs.csv"
    file.write_text(text)
    (log,) = read_logs([read_csv_file(file)], parse_request(maps, sets))
    return log


def runs(folder: Path, text: str, *, maps: tuple[str, ...] = (), sets: tuple[str, ...] = ()) -> list[ImportedRun]:
    return list(read(folder, text, maps=maps, sets=sets).runs)


def problems(folder: Path, text: str, *, maps: tuple[str, ...] = (), sets: tuple[str, ...] = ()) -> str:
    with pytest.raises(InvalidImport) as caught:
        read(folder, text, maps=maps, sets=sets)
    return str(caught.value)


def test_columns_named_like_fields_need_no_mapping(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, HEADER + "Q-7B,7000000000,3,1,512,math,0.25\nQ-7B,7000000000,3,2,1024,math,0.5\n")
    assert (run.name, run.model.name, run.model.num_params, run.seed) == (
        "Q-7B num_params=7000000000 seed=3", "Q-7B", 7_000_000_000, 3,
    )  # fmt: skip
    assert [(step.step, step.cumulative_samples) for step in run.steps] == [(1, 512), (2, 1024)]
    assert [(each.step, each.benchmark, each.score) for each in run.evaluations] == [
        (1, "math", 0.25),
        (2, "math", 0.5),
    ]


@pytest.mark.parametrize(
    ("argument", "cell", "field", "value"),
    [
        ("x=num_params:billions", "7.62", "num_params", 7_620_000_000),
        ("x=num_params:millions", "494", "num_params", 494_000_000),
        ("x=tokens:trillions", "1.5", "cumulative_tokens", 1_500_000_000_000),
        ("x=flops:1e18", "3.2", "cumulative_flops", 3.2e18),
        ("x=flops:pf-days", "2", "cumulative_flops", 2 * 8.64e19),
        ("x=seconds:hours", "1.5", "cumulative_seconds", 5400.0),
        ("x=clipped_share:percent", "12.5", "clipped_share", 0.125),
        ("x=step:from-zero", "4", "step", 5),
    ],
)
def test_a_unit_scales_its_column(tmp_path: Path, argument: str, cell: str, field: str, value: float) -> None:
    text = f"step,reward,x\n3,0.5,{cell}\n"
    sets = ("model=Q",)
    maps = (argument, "step=-") if field == "step" else (argument,)
    (run,) = runs(tmp_path, text, maps=maps, sets=sets)
    found = getattr(run.model if field == "num_params" else run.steps[0], field)
    assert found == pytest.approx(value)
    assert isinstance(found, int) == isinstance(value, int)


def test_a_score_in_percent_is_a_share(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, "step,acc\n1,43.2\n", maps=("acc=score:percent",), sets=("model=Q", "benchmark=b"))
    assert run.evaluations[0].score == pytest.approx(0.432)


def test_test_loss_is_one_minus_the_score(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, "step,test_loss\n1,0.75\n", sets=("model=Q", "benchmark=b"))
    assert run.evaluations[0].score == 0.25


def test_missing_cells_are_missing_and_not_zero(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, "step,reward,kl\n1,0.5,\n2,,NaN\n3,0.7,0.1\n", sets=("model=Q",))
    assert [(step.step, step.reward, step.kl) for step in run.steps] == [(1, 0.5, None), (3, 0.7, 0.1)]
    assert run.seed is None


def test_rows_are_grouped_by_what_describes_a_run(tmp_path: Path) -> None:
    text = "variant,num_params,seed,tau,step,reward\n"
    text += (
        "base,7000000000,0,1,1,.1\ninstruct,7000000000,0,1,1,.2\nbase,7000000000,1,1,1,.3\nbase,7000000000,0,5,1,.4\n"
    )
    names = [run.name for run in runs(tmp_path, text)]
    assert names == ["base-7B seed=0 tau=1", "instruct-7B seed=0 tau=1", "base-7B seed=1 tau=1", "base-7B seed=0 tau=5"]


def test_a_run_column_names_the_runs(tmp_path: Path) -> None:
    text = "name,model,step,lr,reward\na,Q,1,1e-6,.1\nb,Q,1,1e-6,.2\na,Q,2,5e-7,.3\n"
    first, second = runs(tmp_path, text, maps=("name=run", "lr=step_learning_rate"))
    assert (first.name, len(first.steps), second.name, len(second.steps)) == ("a", 2, "b", 1)
    assert (first.learning_rate, first.steps[1].learning_rate) == (1e-6, 5e-7)


def test_the_name_of_a_run_does_not_depend_on_the_rest_of_the_file(tmp_path: Path) -> None:
    row = "Q,7000000000,0,1,512,math,0.5\n"
    (alone,) = runs(tmp_path, HEADER + row)
    names = {run.name for run in runs(tmp_path, HEADER + "Q,7000000000,1,1,512,math,0.5\n" + row)}
    assert alone.name in names
    assert len(names) == 2


@pytest.mark.parametrize(
    ("num_params", "name"), [("500000000", "0.5B"), ("7615616512", "7615616512"), ("26700", "26.7K")]
)
def test_a_model_without_a_name_is_named_by_its_exact_size(tmp_path: Path, num_params: str, name: str) -> None:
    (run,) = runs(tmp_path, f"num_params,step,reward\n{num_params},1,.5\n")
    assert run.model.name == name


def test_a_file_may_hold_several_benchmarks_a_step(tmp_path: Path) -> None:
    text = "step,samples,benchmark,score\n1,8,math,.5\n1,8,gsm8k,.25\n"
    (run,) = runs(tmp_path, text, sets=("model=Q", "protocol=greedy"))
    assert len(run.steps) == 1
    assert {(each.benchmark, each.protocol, each.score) for each in run.evaluations} == {
        ("math", "greedy", 0.5), ("gsm8k", "greedy", 0.25),
    }  # fmt: skip


def test_a_benchmark_may_have_columns_of_its_own(tmp_path: Path) -> None:
    (run,) = runs(
        tmp_path, "step,math_acc,gsm\n1,50,0.25\n2,,0.5\n",
        maps=("math_acc=score@math:percent", "gsm=score@gsm8k"), sets=("model=Q", "problems@gsm8k=4"),
    )  # fmt: skip
    found = [(each.step, each.benchmark, each.score, each.problems, each.successes) for each in run.evaluations]
    assert found == [(1, "gsm8k", 0.25, 4, 1), (1, "math", 0.5, None, None), (2, "gsm8k", 0.5, 4, 2)]


def test_successes_and_errors_are_derived_where_every_score_is_a_whole_number_of_them(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, "step,score\n1,0.452\n2,0.5\n", sets=("model=Q", "benchmark=b", "problems=500"))
    assert [(each.successes, each.samples_per_problem) for each in run.evaluations] == [(226, 1), (250, 1)]
    assert run.evaluations[1].standard_error == pytest.approx((0.25 / 500) ** 0.5)


def test_no_successes_are_made_up_when_one_score_is_no_whole_number_of_them(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, "step,score\n1,0.452\n2,0.5001\n", sets=("model=Q", "benchmark=b", "problems=500"))
    assert [(each.successes, each.standard_error) for each in run.evaluations] == [(None, None), (None, None)]


def test_the_score_follows_from_the_counts(tmp_path: Path) -> None:
    text = "step,problems,samples_per_problem,successes\n1,10,4,30\n"
    (run,) = runs(tmp_path, text, sets=("model=Q", "benchmark=b"))
    assert (run.evaluations[0].score, run.evaluations[0].successes) == (0.75, 30)


def test_samples_follow_from_steps_and_steps_from_samples(tmp_path: Path) -> None:
    (forward,) = runs(tmp_path, "step,reward\n3,.5\n", sets=("model=Q", "prompts_per_step=512"))
    (backward,) = runs(tmp_path, "samples,reward\n1536,.5\n", sets=("model=Q", "prompts_per_step=512"))
    assert forward.steps == backward.steps
    assert forward.steps[0].cumulative_samples == 1536


def test_semicolons_tabs_and_gzip_are_read(tmp_path: Path) -> None:
    expected = runs(tmp_path, "step,reward\n1,.5\n", sets=("model=Q",))
    packed = tmp_path / "runs.csv.gz"
    packed.write_bytes(gzip.compress(b"step\treward\n1\t.5\n"))
    (log,) = read_logs([read_csv_file(packed)], parse_request((), ("model=Q",)))
    assert runs(tmp_path, "\ufeffstep;reward\n1;.5\n", sets=("model=Q",)) == expected == list(log.runs)


def test_other_columns_are_ignored_by_name(tmp_path: Path) -> None:
    log = read(tmp_path, "step,reward,colour,kl\n1,.5,red,0\n", maps=("kl=-",), sets=("model=Q",))
    assert log.ignored == ("colour", "kl")
    assert list(log.runs)[0].steps[0].kl is None  # noqa: RUF015


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("Q,7,0,1,512,math,.5", "line 2, column num_params: 7 parameters are too few.*=num_params:billions"),
        ("Q,494,0,1,512,m,.5\nQ,7620,0,1,5,m,.5", "num_params:millions"),
        ("Q,7e18,0,1,512,math,.5", "7e.18 parameters are too many: is the unit applied twice"),
        ("Q,7e9,0,1,5,b,43.2\nQ,7e9,0,2,9,b,50", "line 2, column score: 43.2 .*score=score:percent .1 more line: 3"),
        ("Q,7e9,0,1,5,b,.5\nQ,7e9,0,2,9,b,50", "line 3, column score: 50 is .*If the column is in .*:percent$"),
        ("Q,7e9,0,1.5,512,math,.5", "column step: 1.5 is not a whole number"),
        ("Q,7e9,0,1,-512,math,.5", "column samples: -512 is out of range: samples is 0 or more"),
        ("Q,7e9,0,1,1e20,math,.5", "column samples: 1e.20 is too large"),
        ("Q,7e9,0,1,many,math,.5", "column samples: 'many' is not a number"),
        ('Q,7e9,0,1,"1,024",math,.5', "'1,024' is not a number.*without a mark between thousands"),
        ("Q,7e9,0,1,512,math,.5\nQ,7e9,0,2,500,math,.5", "line 3, column samples: 500 is less than at an earlier step"),
        ("Q,7e9,0,0,512,math,.5", "column samples: 512 at step 0.*--map step=step:from-zero"),
        ("Q,7e9,0,1,512,math,.5\nQ,7e9,0,1,512,math,.6", "line 3, column score: 0.6, but an earlier row"),
        ("Q,7e9,0,1,5,b,.5\nQ,7e9,0,1,6,c,.6", "line 3, column samples: 6, but an earlier row of the same run"),
        ("Q,7e9,0,,512,math,.5", "column step: this row has no step"),
        ("Q,7e9,0,1,512,,.5", "column benchmark: this row has a score and no benchmark"),
        (f"{'Q' * 201},7e9,0,1,512,math,.5", "longer than the 200 characters"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, rows: str, said: str) -> None:
    found = problems(tmp_path, HEADER + rows + "\n")
    assert re.search(said, found, re.MULTILINE), found


@pytest.mark.parametrize(
    ("text", "sets", "said"),
    [
        ("step,score,test_loss\n1,.5,.4\n", (), "column test_loss: 0.4 is not 1 - score"),
        ("step,score,problems,successes\n1,.5,100,60\n", (), "60 successes of that many samples are not the score"),
        (
            "step,score,problems,successes\n1,.5,100,160\n",
            (),
            "160 successes are more than problems x samples_per_problem",
        ),
        ("step,score,num_params,total_params\n1,.5,2e9,1e9\n", (), "are more than total_params"),
        ("step,score,run,seed\n1,.5,a,0\n2,.5,a,1\n", (), "line 3, column seed: 1, but an earlier row of the same run"),
        ("n,score\n1,.5\n", (), "no column says which step a row is of.*Columns: 'score', 'n'"),
        ("samples,score\n100,.5\n", ("prompts_per_step=64",), "100 samples are not a whole number of steps"),
        ("step,colour\n1,red\n", (), "no column has a meaning beyond its step"),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    tmp_path: Path, text: str, sets: tuple[str, ...], said: str
) -> None:
    found = problems(tmp_path, text, sets=("model=Q", "benchmark=b", *sets))
    assert re.search(said, found), found


def test_what_nothing_says_is_asked_for(tmp_path: Path) -> None:
    found = problems(tmp_path, "step,score\n1,.5\n")
    assert "--set benchmark=NAME" in found
    assert "--set model=NAME" in found


def test_all_problems_are_reported_at_once_and_the_list_is_bounded(tmp_path: Path) -> None:
    columns = [f"c{number}" for number in range(30)]
    header = ",".join(["step", *columns])
    maps = [f"{column}=score@b{column}" for column in columns]
    with pytest.raises(InvalidImport) as caught:
        read(tmp_path, f"{header}\n1,{','.join(['7'] * 30)}\n", maps=tuple(maps), sets=("model=Q",))
    assert len(caught.value.problems) == 30
    assert str(caught.value).endswith("... and 10 more")


@pytest.mark.parametrize(
    ("maps", "sets", "said"),
    [
        (("a=rewrd",), (), "'rewrd' is not a field. Did you mean 'reward'?"),
        (("a=score:hours",), (), "'hours' is not a unit for it; choose from percent"),
        (("a=flops:-3",), (), "a positive factor"),
        (("a=model:billions",), (), "model is text and has no unit"),
        (("a=reward@math",), (), "only fields of an evaluation take @BENCHMARK"),
        (("reward",), (), "write it as COLUMN=FIELD"),
        (("a=reward", "b=reward"), (), "reward is given by a already"),
        (("a=reward", "a=kl"), (), "column 'a' is mapped already, to reward"),
        ((), ("benchmark=a", "benchmark=b"), "--set benchmark=b: it is set already, to a"),
        ((), ("num_params.Q=1e9", "num_params.Q=2e9"), "it is set already, to 1e9"),
        ((), ("seed.Q=1",), "'seed.Q' is not a field"),
        (("a=seed",), ("seed=1",), "seed is given by --set seed already"),
        ((), ("seed=x",), "'x' is not a number"),
        ((), ("step=1",), "differs from row to row"),
        ((), ("model=",), "the value is empty"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(maps: tuple[str, ...], sets: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidImport) as caught:
        parse_request(maps, sets)
    assert said in str(caught.value)


def test_a_mapped_column_must_be_there(tmp_path: Path) -> None:
    assert "has no column 'acuracy'. Did you mean 'accuracy'?" in problems(
        tmp_path, "step,accuracy\n1,.5\n", maps=("acuracy=score",)
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the first line is empty"),
        (b"step,reward\n", "has no rows"),
        (b"step,reward\n1,2,3\n", "line 2: 3 fields, and the first line names 2 columns"),
        (b"step,reward\n1,2\n1,2,3\n", "line 3: 3 fields, and the first line names 2 columns"),
        (b'step,reward\n1,2\n2,"3\n3,4\n', "a quote that is opened in line 3 is not closed"),
        ("step,reward\n1,2\n".encode("utf-16"), "is UTF-16 text"),
        (b"step,reward\n1,2\n2,\xe9\n", "line 3: not UTF-8 text .byte 0xe9, which is 'é' in Latin-1"),
        (b"step,step\n1,2\n", "named twice"),
        (b"step,reward\n1,\xff\xfe\n", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "runs.csv"
    file.write_bytes(content)
    with pytest.raises(SpecError, match=said):
        read_csv_file(file)


def test_blank_lines_do_not_shift_the_line_numbers(tmp_path: Path) -> None:
    assert "line 5, column reward: 'x'" in problems(tmp_path, "step,reward\n1,.5\n\n2,.5\n3,x\n", sets=("model=Q",))


def test_shares_that_are_called_percent_are_refused(tmp_path: Path) -> None:
    text, sets = "step,test_loss\n1,0.99\n2,0.5\n", ("model=Q", "benchmark=b")
    found = problems(tmp_path, text, maps=("test_loss=test_loss:percent",), sets=sets)
    assert "column test_loss: no value is above 1 (the largest is 0.99), so these are shares already" in found
    (run,) = runs(tmp_path, text, maps=("test_loss=test_loss:0.01",), sets=sets)
    assert run.evaluations[1].score == pytest.approx(0.995)


@pytest.mark.parametrize("cells", ["0\n2,0", "0.5\n2,1.5"])
def test_scores_of_next_to_nothing_may_be_percent(tmp_path: Path, cells: str) -> None:
    text = f"step,acc\n1,{cells}\n"
    (run,) = runs(tmp_path, text, maps=("acc=score:percent",), sets=("model=Q", "benchmark=b"))
    assert len(run.evaluations) == 2


def test_what_is_set_for_scores_needs_a_score(tmp_path: Path) -> None:
    found = problems(tmp_path, "step,reward,val_acc\n1,.5,.5\n", sets=("model=Q", "benchmark=b", "problems=500"))
    assert "--set benchmark, --set problems: no column is a score or a test loss" in found
    assert "Likely: val_acc." in found


def test_lines_without_a_score_are_told(tmp_path: Path) -> None:
    text = "step,loss\n1,.5\n2,nan\n3,n/a\n4,\n5,.4\n6,\n"
    log = read(tmp_path, text, maps=("loss=test_loss",), sets=("model=Q", "benchmark=b"))
    assert log.notes == ("lines 3, 4, 5 and 1 more: no loss",)


def test_short_lines_are_told_with_the_number_of_their_fields(tmp_path: Path) -> None:
    log = read(tmp_path, "step,kl,reward\n1,.5,.5\n2\n\n3,.5\n4,.5\n5,.5\n6,.5,.5\n", sets=("model=Q",))
    assert log.notes == (
        "line 3 has 1 of 3 fields", "line 5 has 2 of 3 fields", "line 6 has 2 of 3 fields", "1 more short line",
    )  # fmt: skip


def test_text_after_a_quote_is_no_fault_of_a_short_line(tmp_path: Path) -> None:
    log = read(tmp_path, 'step,colour,reward\n1,"red"ish,.5\n2,red\n', sets=("model=Q",))
    assert log.notes == ("line 3 has 2 of 3 fields",)


def test_infinity_is_missing_and_told(tmp_path: Path) -> None:
    log = read(tmp_path, "step,reward,kl\n1,.5,inf\n2,.6,-Infinity\n3,.7,.1\n", sets=("model=Q",))
    (run,) = log.runs
    assert [step.kl for step in run.steps] == [None, None, 0.1]
    assert log.notes == ("lines 2, 3: kl is infinite, which is kept as missing",)


def test_a_contradiction_is_told_in_the_column_and_value_of_the_file(tmp_path: Path) -> None:
    text = "size,step,err\n7,1,12.5\n7,1,13.5\n"
    maps = ("size=num_params:billions", "err=test_loss:percent")
    found = problems(tmp_path, text, maps=maps, sets=("benchmark=b",))
    assert "line 3, column err: 13.5 (percent), but an earlier row" in found
    assert "another test_loss" in found


def test_without_a_model_only_what_does_not_follow_from_it_is_told(tmp_path: Path) -> None:
    text = "model_params,step,samples,test_loss,colour\n7e9,1,512,.5,red\n1e9,1,256,.6,red\n"
    with pytest.raises(InvalidImport) as caught:
        read(tmp_path, text, sets=("benchmark=b",))
    (problem,) = caught.value.problems
    assert "`model_params` is not used; --map model_params=num_params? Not used either: `colour`." in str(problem)


def test_a_value_of_an_option_is_told_once_and_as_the_option(tmp_path: Path) -> None:
    text = "step,score\n" + "".join(f"{step},.5\n" for step in range(1, 50))
    found = problems(tmp_path, text, sets=("model=Q", "benchmark=b", "problems=-3"))
    assert found.endswith("--set problems: -3 is out of range: problems is at least 1.")


def test_sizes_may_be_set_model_by_model(tmp_path: Path) -> None:
    text = "model,step,reward\nQ2.5-7B,1,.5\nQ2.5-1B,1,.5\nother,1,.5\n"
    found = runs(tmp_path, text, sets=("num_params.Q2.5-7B=6.5e9", "num_params.Q2.5-1B=1.3:billions"))
    assert [run.model.num_params for run in found] == [6_500_000_000, 1_300_000_000, None]
    assert "no run is of model 'Q2.5-7'. Did you mean 'Q2.5-7B'?" in problems(
        tmp_path, text, sets=("num_params.Q2.5-7=6.5e9",)
    )
    assert "--set num_params.other: 7 parameters are too few" in problems(tmp_path, text, sets=("num_params.other=7",))


@pytest.mark.parametrize("column", ["problems", "successes", "seed", "samples", "step"])
@pytest.mark.parametrize("count", [2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30])
@pytest.mark.parametrize("others", ["", "Q,,,,,,.5\n"])
def test_a_count_that_cannot_be_read_exactly_is_refused(tmp_path: Path, column: str, count: int, others: str) -> None:
    cells = {"model": "Q", "seed": 1, "step": 1, "samples": 1, "problems": 4, "successes": "", "score": 0.5}
    row = ",".join(map(str, (cells | {column: count}).values()))
    text = f"{','.join(cells)}\n{row}\n" + others.replace(",,,,", ",2,2,2,", 1)
    (found,) = (
        line
        for line in problems(tmp_path, text, sets=("benchmark=b",)).splitlines()
        if f"{column} is below 9,007,199,254,740,992" in line
    )
    shown = re.search(rf"line 2, column {column}: (\S+) is too large", found)
    assert shown is not None
    assert float(shown[1]) == float(count)
    assert others or shown[1] in (str(count), "1e+30")


def test_the_largest_count_is_kept_as_it_is(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, f"model,step,samples,score\nQ,1,{2**53 - 1},.5\nQ,2,,.5\n", sets=("benchmark=b",))
    assert run.steps[0].cumulative_samples == 2**53 - 1


def test_numbers_that_follow_from_large_ones_are_refused_or_left_out(tmp_path: Path) -> None:
    sets = ("model=Q", "benchmark=b", "problems=9e15", "samples_per_problem=9e15")
    (run,) = runs(tmp_path, "step,score\n1,.5\n", sets=sets)
    assert (run.evaluations[0].problems, run.evaluations[0].successes) == (9 * 10**15, None)
    found = problems(tmp_path, "step,reward\n9000000000000000,.5\n", sets=("model=Q", "prompts_per_step=512"))
    assert "samples: 4.608e+18 is too large: samples is below 9,007,199,254,740,992." in found


@pytest.mark.parametrize("column", ["model", "run", "benchmark"])
def test_a_name_with_a_nul_character_is_refused(tmp_path: Path, column: str) -> None:
    row = {"run": "r", "model": "Q", "benchmark": "b"} | {column: "a\0b"}
    found = problems(tmp_path, f"{','.join(row)},step,score\n{','.join(row.values())},1,.5\n")
    assert f"line 2, column {column}: 'a\\x00b' has a NUL character" in found


@pytest.mark.parametrize(
    ("benchmark", "said"), [("m\0", "has a NUL character"), ("m" * 81, "is longer than the 80 characters")]
)
def test_a_benchmark_in_a_columns_name_is_a_name_like_others(tmp_path: Path, benchmark: str, said: str) -> None:
    found = problems(tmp_path, f"model,step,score@{benchmark}\nQ,1,.5\n")
    assert repr(f"score@{benchmark}") in found
    assert f"{benchmark!r} {said}" in found


def test_a_size_that_is_set_later_is_of_the_same_run(tmp_path: Path) -> None:
    text = "model,seed,step,reward\nQ,1,1,.5\n"
    (before,), (after,) = runs(tmp_path, text), runs(tmp_path, text, sets=("num_params=7e9",))
    assert before.name == after.name == "Q seed=1"


def test_a_benchmark_for_all_scores_does_not_reach_those_that_have_their_own(tmp_path: Path) -> None:
    maps, sets = ("math_acc=score@math", "acc=score"), ("model=Q", "benchmark=gsm8k")
    log = read(tmp_path, "step,math_acc,acc\n1,.25,.5\n", maps=maps, sets=sets)
    assert {each.benchmark for run in log.runs for each in run.evaluations} == {"math", "gsm8k"}
    assert log.notes == ("--set benchmark does not apply to math_acc: said for each of them already",)


def test_the_documentation_has_every_field_with_its_unit_and_meaning() -> None:
    page = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")
    assert set(MEANINGS) == set(FIELDS)
    assert page.endswith(field_table())
