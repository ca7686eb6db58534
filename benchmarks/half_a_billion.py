"""One step of Qwen2.5-0.5B's architecture on a CPU, beside a plain TRL script's: seconds and memory, also as planned.

The weights are random, everything else is the study's recipe, cut to 4 prompts x 2 completions of 8 tokens: four
updates, a reference, float32 weights and optimizer; the trial has a score before and after and a checkpoint. It wants
12 GB of memory and 9 GB of disk, and four minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import print_figure
from benchmarks.plain_trl import train_plainly

SWEEP_FILE = "half_a_billion.yaml"
PROBLEMS = [(f"What is {number} plus one?", str(number + 1)) for number in range(4)]
QUERY = "SELECT peak_memory_bytes, step_seconds FROM live_step"
SWEEP = """
name: half-a-billion
models: {qwen2.5-0.5b: {source: ./model, dtype: float32}}
base:
  preset: paper
  model: qwen2.5-0.5b
  data: {train: ./train.parquet, heldout: ./heldout.parquet, total_prompts: 4, max_prompt_tokens: 64}
  prompts_per_step: 4
  group_size: 2
  generation: {engine: transformers, max_completion_tokens: 8}
  seed: 1
axes: {}
budgets: {unit: steps, at: [1]}
evaluations: [{benchmark: heldout, method: sampled, samples: 1, at: budgets}]
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # In processes of their own: this one must hold nothing while the others train.
        _child("make", folder)
        asked = [SWEEP_FILE, "--set", f"resources={{gpus: 0, memory_gb: 14, cpus: {os.cpu_count()}, micro_batch: 2}}"]
        plan = json.loads(_rlsweep(folder, "plan", *asked, "--json"))
        _rlsweep(folder, "submit", *asked)
        (trial,) = json.loads(_rlsweep(folder, "sql", QUERY, "--json"))
        plain = json.loads(_child("plain", folder))
    planned = plan["trials"][0]["cpu_memory_bytes"]["total"]
    for name, unit, scale in (("peak_memory_bytes", "GB at the peak", 1e9), ("step_seconds", "s a step", 1.0)):
        ratio = trial[name] / plain[name]
        beside = f"{ratio:.3f} x a plain TRL script's {plain[name] / scale:.4g}"
        value = f"{trial[name] / scale:.4g}"
        print_figure(f"a trial, {unit}", value, target="<= 1.02 x", met=ratio <= 1.02, beside=beside)
    measured = trial["peak_memory_bytes"] / planned
    print_figure("the same peak beside the plan's", f"{measured:.3f} x", beside=f"{planned / 1e9:.4g} GB planned")


def _child(what: str, folder: str) -> str:
    command = [sys.executable, "-m", "benchmarks.half_a_billion", what, folder]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]


def _rlsweep(folder: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "orchestrator.cli", *arguments]
    return subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True).stdout


def _plain(folder: Path) -> dict[str, float]:
    from orchestrator.sweepfile.loading import load_sweep
    from workers.peak_memory import peak_memory_bytes

    spec = load_sweep(folder / SWEEP_FILE, ["resources={gpus: 0, micro_batch: 2}"]).trials[0].spec
    rows = [{"prompt": [{"role": "user", "content": question}], "answer": answer} for question, answer in PROBLEMS]
    ended = train_plainly(
        spec, folder / "model", rows, lambda texts, _: [0.0] * len(texts), steps=1, output=folder / "plain"
    )
    return {"step_seconds": ended[-1], "peak_memory_bytes": float(peak_memory_bytes())}


def _make(folder: Path) -> None:
    """The sweep file, its problems, and the model with random weights and a tokenizer that reads bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    from tests.tiny_training import byte_tokenizer

    (folder / SWEEP_FILE).write_text(SWEEP)
    for split in ("train", "heldout"):
        rows = [
            {
                "data_source": "math__made",
                "prompt": [{"role": "user", "content": question}],
                "reward_model": {"ground_truth": answer},
                "extra_info": {"qwen2.5_7b_pass_rate": 0.5},
            }
            for question, answer in PROBLEMS
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
    tokenizer = byte_tokenizer()
    config = Qwen2Config(
        hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
        vocab_size=151936, tie_word_embeddings=True, max_position_embeddings=32768, rope_theta=1e6,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    elif sys.argv[1] == "make":
        _make(Path(sys.argv[2]))
        print("made")
    else:
        print(json.dumps(_plain(Path(sys.argv[2]))))
