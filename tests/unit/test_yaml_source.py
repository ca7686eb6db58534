"""Reading YAML: places of values, and the traps of the format."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.sweepfile.problems import InvalidSweep, Position
from orchestrator.sweepfile.yaml_source import parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-3", -3), ("1.5", 1.5), (".5", 0.5), ("1e-6", 1e-6), ("1.0e-6", 1e-6), ("1e18", 1e18), ("-0", 0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("word", "word"), ("'no'", "no"),
        ('"1e-6"', "1e-6"), ("v1.2", "v1.2"), ("a/b-7B", "a/b-7B"), ("[1, 2]", [1, 2]),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_people_mean(text: str, value: object) -> None:
    data = parse_yaml(f"a: {text}", "f").data
    assert data == {"a": value}
    assert type(data["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no", "write false, or quote it"), ("On", "write true, or quote it"), ("010", "take for octal"),
        ("0x1F", "write it in decimal digits"), ("1_000", "write it without `_`"), ("12:30", "in base 60 to some"),
        (".inf", "not a finite number"), ("2026-01-01", "is a date to some"), ("!!python/name:os.system", "the tag"),
        ("!!str 3", "has the tag `!!str`"), ("!!set {x}", "has the tag `!!set`"), ("089", "text to some YAML readers"),
        ("1_0.5", "write it without `_`"), ("-.NaN", "not a finite number"), ("&x [*x]", "contains itself"),
    ],
)  # fmt: skip
def test_scalars_that_readers_disagree_about_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSweep, match=reason):
        parse_yaml(f"a: {text}", "f")


def test_duplicate_keys_are_refused_with_both_places() -> None:
    with pytest.raises(InvalidSweep) as caught:
        parse_yaml("a: 1\nb: 2\na: 3\n", "f.yaml")
    assert str(caught.value).splitlines()[1] == "  f.yaml:3:1: a: is given twice; the first is on line 1"


def test_every_problem_is_reported_in_order_of_the_file() -> None:
    with pytest.raises(InvalidSweep) as caught:
        parse_yaml("a: no\nb: {c: 010, d: 1}\ne: off\n", "f")
    assert [problem.path for problem in caught.value.problems] == [("a",), ("b", "c"), ("e",)]


def test_values_know_their_place() -> None:
    source = parse_yaml("a:\n  b: [x, y]\n", "f")
    assert source.position(("a", "b", 1)) == Position("f", 2, 10)
    assert source.position(("a", "b", 7)) == Position("f", 2, 6)  # the nearest that exists


def test_anchors_and_merges_are_followed_and_own_keys_win() -> None:
    data = parse_yaml("base: &b {p: 1, q: 2}\nmade: {<<: *b, q: 3}\n", "f").data
    assert data["made"] == {"p": 1, "q": 3}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("- a\n", "not a mapping"),
        ("a: [1,\n", "not valid YAML"),
        ("a: \t b: c", "not valid YAML"),
    ],
)
def test_what_is_no_mapping_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSweep, match=reason):
        parse_yaml(text, "f")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSweep, match="there is no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InvalidSweep, match="is a folder"):
        read_yaml(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(InvalidSweep, match="not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")


def test_there_is_one_zero() -> None:
    assert str(parse_yaml("a: -0.0", "f").data["a"]) == "0.0"


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    source = read_yaml(tmp_path / "bom.yaml")
    assert source.data == {"name": "x"}
    assert source.position(("name",)) == Position(str(tmp_path / "bom.yaml"), 1, 7)


def test_what_a_mapping_has_itself_is_placed_there_wherever_the_merge_stands() -> None:
    source = parse_yaml("base: &b {p: 1, q: [1]}\nmade: {q: 3, <<: *b}\n", "f")
    assert source.data["made"] == {"p": 1, "q": 3}
    assert source.position(("made", "q")) == Position("f", 2, 11)
    assert source.position(("made", "p")) == Position("f", 1, 14)
    assert ("made", "q", 0) not in source.positions


def test_the_first_of_several_merged_mappings_wins() -> None:
    data = parse_yaml("a: &a {p: 1}\nb: &b {p: 2, q: 2}\nc: {<<: [*a, *b]}\n", "f").data
    assert data["c"] == {"p": 1, "q": 2}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(c)}: &{chr(c)} [{','.join([f'*{chr(c - 1)}'] * 10)}]\n" for c in range(ord("b"), ord("i"))
        ), "more than 200,000 values"),
        ("k0: &a0 {x: 1}\n" + "".join(
            f"k{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)
        ), "more than 200,000 values"),
        ("k0: &a0 {}\n" + "".join(
            f"k{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)
        ), "more than 200,000 values"),
        ("k0: &a0 {x: 1}\n" + "".join(f"k{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 2000)), "nested too deeply"),
        ("k0: &a0 1\n" + "".join(f"k{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)), "nested too deeply"),
    ],
    ids=["nested", "aliases of aliases", "merges of merges", "merges of nothing", "deep merges", "deep aliases"],
)  # fmt: skip
def test_files_that_would_never_end_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSweep, match=reason):
        parse_yaml(text, "f")
