import json
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from db.errors import EnvironmentProblem, RlsweepError
from workers.evaluation.answer_probability import answer_probabilities
from workers.models.base_model import NUM_VALIDATION_PROBLEMS, initialise, make_base_model
from workers.models.model_store import BaseModel, count_parameters, prepare_base_model
from workers.spec import Data, MadeModel, Model, WarmUp
from workers.tasks import load_task
from workers.tasks.vocabulary import build_tokenizer

DATA = Data(task="affine-lookup", seed=5)
WARM_UP = WarmUp(learning_rate=1e-2, batch_size=64, stop_at_validation_score=0.03, max_steps=60)
TURN = [{"role": "user", "content": "dv(854)"}]


def made(hidden_size: int = 16, num_heads: int = 2, warm_up: WarmUp = WARM_UP) -> MadeModel:
    return MadeModel(
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads // 2,
        warm_up=warm_up,
    )


def prepare(
    folder: Path, *, seed: int = 1, data: Data = DATA, on_progress: Callable[[int, float, int], None] | None = None
) -> BaseModel:
    model = Model(name="tiny", made=made())
    return prepare_base_model(model, data, seed=seed, models_folder=folder, on_progress=on_progress)


def refuse_to_train(step: int, score: float, max_steps: int) -> None:
    raise AssertionError("the model was made again")


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def checks() -> list[tuple[int, float, int]]:
    return []


@pytest.fixture(scope="module")
def base(models_folder: Path, checks: list[tuple[int, float, int]]) -> BaseModel:
    return prepare(models_folder, on_progress=lambda *check: checks.append(check))


@pytest.mark.parametrize(
    ("hidden_size", "num_heads", "num_params"),
    [(32, 2, 26_688), (64, 4, 102_528), (128, 4, 401_664), (256, 8, 1_589_760)],
)
def test_the_ladder_has_the_sizes_it_is_known_by(hidden_size: int, num_heads: int, num_params: int) -> None:
    model = initialise(made(hidden_size, num_heads), build_tokenizer(), seed=0)
    assert count_parameters(model) == (num_params - 57 * hidden_size, num_params)


def test_initial_weights_spread_as_specified() -> None:
    model: Any = initialise(made(128, 4), build_tokenizer(), seed=0)
    assert float(model.model.embed_tokens.weight.detach().std()) == pytest.approx(0.3, rel=0.05)
    layer = model.model.layers[1]
    for matrix in (layer.self_attn.q_proj.weight, layer.mlp.up_proj.weight, layer.mlp.down_proj.weight):
        assert float(matrix.detach().std()) == pytest.approx(0.7 / matrix.shape[1] ** 0.5, rel=0.05)
    assert not layer.self_attn.q_proj.bias.any()
    assert bool((layer.input_layernorm.weight == 1).all())


def test_the_saved_tokenizer_spends_nine_tokens_on_a_prompt_and_four_on_an_answer(base: BaseModel) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    prompt = tokenizer.apply_chat_template(TURN, add_generation_prompt=True, return_dict=False)
    assert len(tokenizer) == 57
    assert len(prompt) == 9
    assert len(tokenizer.encode(r"\boxed{2}<|end|>")) == 4
    assert tokenizer.convert_ids_to_tokens(prompt) == ["<|user|>", *"dv(854)", "<|assistant|>"]
    assert tokenizer.padding_side == "left"
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_the_saved_tokenizer_gives_back_every_text_exactly(base: BaseModel) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    for text in ("dv(854)", r"\boxed{2}", r"\boxed{\boxed{12} \b{ox} a, b . c ?", "two\nlines = 1+2-3*4/5:"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode([*ids, tokenizer.eos_token_id], skip_special_tokens=True) == text


def test_a_conversation_that_grows_keeps_its_earlier_tokens(base: BaseModel) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    answered = [*TURN, {"role": "assistant", "content": r"\boxed{2}"}]
    longer = [*answered, {"role": "user", "content": "dv(855)"}]
    first, second, third = (
        tokenizer.apply_chat_template(turns, add_generation_prompt=prompted, return_dict=False)
        for turns, prompted in ((TURN, True), (answered, False), (longer, True))
    )
    completion = tokenizer.encode(r"\boxed{2}<|end|>")
    assert second == first + completion
    assert third[: len(second)] == second


def test_the_warm_up_stops_at_the_first_check_that_passes(
    base: BaseModel, checks: list[tuple[int, float, int]]
) -> None:
    assert base.warm_up is not None
    assert [step for step, _, _ in checks] == list(range(4, base.warm_up.steps + 1, 4))
    assert len(checks) > 1
    assert all(score < WARM_UP.stop_at_validation_score for _, score, _ in checks[:-1])
    assert checks[-1] == (base.warm_up.steps, base.warm_up.validation_score, WARM_UP.max_steps)
    assert base.warm_up.validation_score >= WARM_UP.stop_at_validation_score


def test_the_saved_weights_have_the_recorded_score(base: BaseModel) -> None:
    problems = load_task(DATA).validation_problems(NUM_VALIDATION_PROBLEMS)
    model = AutoModelForCausalLM.from_pretrained(base.folder)
    tokenizer = AutoTokenizer.from_pretrained(base.folder)
    scores = answer_probabilities(model, tokenizer, problems, batch_size=64)
    assert base.warm_up is not None
    assert sum(scores) / len(scores) == pytest.approx(base.warm_up.validation_score, rel=1e-4)
    assert model.dtype == torch.float32


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone(
    base: BaseModel, models_folder: Path, tmp_path: Path
) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    again = prepare(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.weights_sha256 == base.weights_sha256
    assert prepare(models_folder, seed=2).weights_sha256 != base.weights_sha256


def test_a_warm_up_that_runs_out_of_steps_says_so_and_stores_nothing(tmp_path: Path) -> None:
    model = Model(name="slow", made=made(warm_up=WARM_UP.model_copy(update={"max_steps": 3})))
    with pytest.raises(RlsweepError, match=r"'slow' .* after 3 warm-up steps .*max_steps"):
        prepare_base_model(model, DATA, seed=1, models_folder=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_model_is_made_once_and_found_afterwards(base: BaseModel, models_folder: Path) -> None:
    assert prepare(models_folder, on_progress=refuse_to_train) == base
    more_problems = DATA.model_copy(update={"heldout_problems": 100})
    assert prepare(models_folder, data=more_problems, on_progress=refuse_to_train) == base


def test_seed_data_and_specification_each_lead_to_another_folder(base: BaseModel, models_folder: Path) -> None:
    folders = {base.folder, prepare(models_folder, seed=2).folder}
    folders.add(prepare(models_folder, data=Data(task="affine-lookup", seed=6)).folder)
    other = Model(name="tiny", made=made(warm_up=WARM_UP.model_copy(update={"label_accuracy": 0.9})))
    folders.add(prepare_base_model(other, DATA, seed=1, models_folder=models_folder).folder)
    assert len(folders) == 4


@pytest.mark.parametrize("damage", ["altered", "missing", "no manifest", "broken manifest"])
def test_a_damaged_folder_is_named_and_made_again(
    damage: str, base: BaseModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(base.folder, tmp_path / base.folder.name)
    weights, manifest = folder / "model.safetensors", folder / "manifest.json"
    if damage == "altered":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    elif damage == "missing":
        weights.unlink()
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text(manifest.read_text()[:100])
    with caplog.at_level(logging.WARNING):
        remade = prepare(tmp_path)
    assert str(folder) in caplog.text
    assert remade.weights_sha256 == base.weights_sha256
    assert prepare(tmp_path, on_progress=refuse_to_train) == remade


def test_what_a_killed_maker_left_behind_is_swept_away(base: BaseModel, tmp_path: Path) -> None:
    leftover = tmp_path / f"{base.folder.name}.part"
    leftover.mkdir()
    (leftover / "model.safetensors").write_bytes(b"half a model")
    assert prepare(tmp_path).weights_sha256 == base.weights_sha256
    assert not leftover.exists()


def test_of_several_that_ask_at_once_one_makes_the_model(tmp_path: Path) -> None:
    first_checks: list[int] = []
    bases: list[BaseModel] = []

    def ask() -> None:
        bases.append(prepare(tmp_path, on_progress=lambda step, *_: first_checks.append(step) if step == 4 else None))

    # File locks belong to the open file, so threads contend for them as processes do.
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first_checks == [4]
    assert len(bases) == 3
    assert len(set(bases)) == 1


def test_the_manifest_accounts_for_every_file(base: BaseModel) -> None:
    manifest = json.loads((base.folder / "manifest.json").read_text())
    assert set(manifest["files"]) == {path.name for path in base.folder.iterdir()} - {"manifest.json"}
    assert manifest["identity"]["made"] == made().model_dump(mode="json")
    assert manifest["identity"]["task_sha256"] == load_task(DATA).sha256


def test_a_local_folder_is_used_as_it_is(base: BaseModel, tmp_path: Path) -> None:
    model = Model(name="mine", source=str(base.folder))
    found = prepare_base_model(model, DATA, seed=1, models_folder=tmp_path / "unused")
    assert found.folder == base.folder
    assert found.weights_sha256 == base.weights_sha256
    assert (found.num_params, found.num_total_params) == (base.num_params, base.num_total_params)
    assert found.warm_up is None
    assert not (tmp_path / "unused").exists()


def test_a_source_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    sources = {str(tmp_path / "nowhere"): "no folder", str(tmp_path): "no safetensors", "someone/no-model": "hub"}
    for source, reason in sources.items():
        with pytest.raises(EnvironmentProblem, match=rf"model 'theirs': .*{reason}"):
            prepare_base_model(Model(name="theirs", source=source), DATA, seed=1, models_folder=tmp_path)


def test_a_models_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="models folder"):
        prepare(tmp_path / "file" / "models")


def test_making_restores_the_number_of_threads(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        make_base_model(made(), load_task(DATA), name="tiny", seed=1, folder=tmp_path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
