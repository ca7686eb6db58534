"""TRL's trainers, measured, and made to draw and spend a block in a way that can be repeated.

They compute what TRL computes. What they add: tokens and seconds of every phase go to a `BlockObserver`; prompts come
from a `PromptStream`; completions are drawn with a seed that only the trial's seed and the block's number decide, so
that a resumed trial draws what it would have drawn; and updates take the block's prompts in their order, not shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer
from trl.trainer.utils import split_tensor_dict

from db.errors import RlsweepError
from workers.environments import ToolBroken
from workers.training.block_layout import BlockLayout
from workers.training.block_observer import BlockObserver, Lengths, PaddedPass, Pass
from workers.training.draw_seeds import draw_seed
from workers.training.dynamic_sampling import informative_block, whole_block_metrics
from workers.training.prompt_stream import PromptRow, PromptStream, Share
from workers.training.trl_losses import TrlTrainer


class _BlockTrainer:
    """Before a trainer of TRL: the same calls, each of them measured."""

    args: Any
    model: Any
    ref_model: Any
    state: Any
    accelerator: Any
    use_vllm: bool
    num_iterations: int
    _step: int
    _buffered_inputs: Any
    _metrics: dict[str, dict[str, list[float]]]
    _tokenizer: Any
    _verdicts: torch.Tensor
    tools: Any = ()
    reward_funcs: list[Any]

    def __init__(
        self,
        *args: Any,
        observer: BlockObserver,
        layout: BlockLayout,
        stream: PromptStream,
        draws_anew: bool = False,
        **kwargs: Any,
    ) -> None:
        self.observer, self.layout, self.stream = observer, layout, stream
        self._draws_anew = draws_anew
        self._block, self._draws_of_block = -1, 0
        num_given = len(kwargs["reward_funcs"])
        super().__init__(*args, train_dataset=_placeholders(layout), **kwargs)  # type: ignore[call-arg]
        # What answers are worth: the verdict, and the environment's own reward, which TRL appends. Not penalties, which
        # would make every group look different.
        self._worth = [0, *range(num_given, len(self.reward_funcs))]

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """A checkpoint holds what a run needs; TRL's model card would look for a hub and a git checkout."""

    def get_decay_parameter_names(self, model: Any) -> list[str]:
        """All of them, as AdamW has it and the study did; transformers would leave out biases and norms."""
        return [name for name, _ in model.named_parameters()]

    def _save_rng_state(self, output_dir: str) -> None:
        """Those of all processes, written by the first like all else: what others write may be on other machines."""
        with TemporaryDirectory(dir=self.args.output_dir) as own:
            super()._save_rng_state(own)  # type: ignore[misc]
            states = gather_object([(file.name, file.read_bytes()) for file in Path(own).iterdir()])
        for name, content in states if self.accelerator.is_main_process else ():
            (Path(output_dir) / name).write_bytes(content)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """The completions of the next pass. TRL's own would take its dataset's prompts, and shuffle the block."""
        slices = self.args.steps_per_generation
        if self._step % (slices * self.num_iterations) == 0 or self._buffered_inputs is None:
            self._buffered_inputs = split_tensor_dict(self._next_block(), slices)
        return self._buffered_inputs[self._step % slices]

    def _next_block(self) -> dict[str, Any]:
        layout, share = self.layout, Share(self.accelerator.process_index, self.accelerator.num_processes)
        if self._draws_anew:
            with whole_block_metrics(self._metrics["train"], self.observer):
                block = informative_block(
                    self._draw,
                    self.stream,
                    layout=layout,
                    share=share,
                    pad_token=self._tokenizer.pad_token_id,
                    device=self.accelerator.device,
                )
        else:
            prompts = self.stream.take(layout.prompts)
            if len(prompts) < layout.prompts:
                raise RlsweepError(f"The data ended after {self.stream.position} prompts, within a step.")
            in_order = [prompts[place] for place in layout.prompt_order for _ in range(layout.group_size)]
            block, _ = self._draw(share.of(in_order))
        self.observer.trained_lengths += map(tuple, block.pop("lengths").tolist())
        return block

    def _draw(self, rows: list[PromptRow]) -> tuple[dict[str, Any], torch.Tensor]:
        """Rows completed and scored, with (prompt, completion) `lengths` of each; and the verdicts of all processes."""
        block: dict[str, Any] = self._generate_and_score_completions(rows)  # type: ignore[attr-defined]
        return block | {"lengths": torch.tensor(self.observer.draws[-1].lengths)}, self._verdicts

    def _generate(self, prompts: list[Any]) -> Any:
        self._turns: list[Lengths] = []
        draw = super()._generate  # type: ignore[misc]
        with self.observer.timing("generation"):
            output = self._shared(draw, prompts) if self._draws_for_all else draw(prompts)
        tool_mask = output[2] if self.tools else None
        self.observer.saw_draw(_lengths(output[0], output[1], tool_mask), self._turns)
        return output

    def _shared(self, draw: Callable[[list[Any]], tuple[Any, ...]], prompts: list[Any]) -> tuple[Any, ...]:
        """This process's share of the block, which every process draws, tools and all.

        What is drawn must not depend on how many processes there are. Transformers generates for small models on CPUs,
        where that is cheap.
        """
        everywhere = gather_object(prompts)
        # A block has its prompts dealt out by updates; one that is drawn piece by piece has each piece in order.
        order = list(range(len(everywhere))) if self._draws_anew else self.layout.completion_order
        in_order = sorted(zip(order, everywhere, strict=True), key=lambda pair: pair[0])
        whole = draw([prompt for _, prompt in in_order])
        mine = Share(self.accelerator.process_index, self.accelerator.num_processes).of(order)
        return tuple(_rows(value, mine, of=len(order)) for value in whole)

    @property
    def _draws_for_all(self) -> bool:
        return not self.use_vllm and self.accelerator.num_processes > 1

    def _generate_single_turn(self, prompt_ids: list[Any], *args: Any, **kwargs: Any) -> Any:
        with self._drawing():
            drawn = super()._generate_single_turn(prompt_ids, *args, **kwargs)  # type: ignore[misc]
        completion_ids = drawn[0] if isinstance(drawn, tuple) else drawn  # RLOO's is without log-probabilities
        self._turns.append(tuple((len(p), len(c)) for p, c in zip(prompt_ids, completion_ids, strict=True)))
        return drawn

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Draw with the block's own random numbers, and leave those of everything else as they were.

        Transformers draws from torch's generator, and so does a vLLM engine in this process; on a GPU the engine takes
        each request's seed from NumPy's. Ranks that share an engine draw alike.
        """
        block = self.state.global_step // (self.layout.updates * self.num_iterations)
        self._draws_of_block = self._draws_of_block + 1 if block == self._block else 0
        self._block = block
        rank = self.accelerator.process_index // self.args.vllm_tensor_parallel_size if self.use_vllm else 0
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        seed = draw_seed(self.args.seed, block=block, draw=self._draws_of_block, rank=rank)
        numpy_state = np.random.get_state()
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            try:
                yield
            finally:
                np.random.set_state(numpy_state)

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, *args: Any, **kwargs: Any
    ) -> Any:
        kind = self._kind_of_pass(model)
        rows, tokens = input_ids.shape
        self.observer.passes.append(PaddedPass(kind, rows, tokens, logits_to_keep))
        with nullcontext() if kind == "train" else self.observer.timing("logprob"):
            return super()._get_per_token_logps_and_entropies(  # type: ignore[misc]
                model, input_ids, attention_mask, logits_to_keep, *args, **kwargs
            )

    def _kind_of_pass(self, model: Any) -> Pass:
        if torch.is_grad_enabled():
            return "train"
        return "reference" if model is self.ref_model or _is_without_adapters(model) else "old_logprob"

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self.observer.timing("reward"):
            rewards = super()._calculate_rewards(*args, **kwargs)  # type: ignore[misc]
        self._verdicts = _sum_of_known(rewards[:, self._worth])
        return rewards


class BlockGRPOTrainer(_BlockTrainer, GRPOTrainer):
    """Advantages against the group's mean; see `trl_losses`. The one of the two that calls tools."""

    _sync_tool_dicts: list[dict[str, Any]]
    _async_tool_dicts: list[dict[str, Any]]

    def _tool_call_loop(self, prompts: list[Any], *args: Any) -> Any:
        """Calls answered and completions continued, until none calls any more or all turns are taken."""
        if self._draws_for_all:  # TRL has the functions for this process's share; they are the same for all
            self._sync_tool_dicts = self._sync_tool_dicts[:1] * len(prompts)
            self._async_tool_dicts = self._async_tool_dicts[:1] * len(prompts)
        try:
            output = super()._tool_call_loop(prompts, *args)
        except ToolBroken as broken:
            raise broken.reason from broken
        if not self._draws_for_all or self.accelerator.is_main_process:
            self.observer.saw_tool_calls(output[4], failed=output[5])
        return output


class BlockRLOOTrainer(_BlockTrainer, RLOOTrainer):
    """Advantages against the other completions' mean; see `trl_losses`."""


BlockTrainer = BlockGRPOTrainer | BlockRLOOTrainer

TRAINERS: dict[TrlTrainer, tuple[type[BlockTrainer], type]] = {
    "grpo": (BlockGRPOTrainer, GRPOConfig),
    "rloo": (BlockRLOOTrainer, RLOOConfig),
}


def _placeholders(layout: BlockLayout) -> Dataset:
    """What TRL is given for a dataset: it counts its rows, and takes one block of them for an epoch."""
    return Dataset.from_dict({"prompt": [[{"role": "user", "content": ""}]] * layout.prompts})


def _is_without_adapters(model: Any) -> bool:
    """Whether the adapters of a PEFT model are off, so that it is the model that they were put on."""
    return any(getattr(module, "disable_adapters", False) is True for module in model.modules())


def _rows(value: Any, places: list[int], *, of: int) -> Any:
    """Those rows of a list that has one for each of `of` completions; anything else as it is."""
    return [value[place] for place in places] if isinstance(value, list) and len(value) == of else value


def _sum_of_known(rewards: torch.Tensor) -> torch.Tensor:
    """The sum of each row without its NaN, as TRL takes it; NaN where there is nothing else."""
    return rewards.nansum(1).where(~rewards.isnan().all(1), torch.nan)


def _lengths(prompt_ids: list[Any], completion_ids: list[Any], tool_mask: list[Any] | None) -> list[tuple[int, int]]:
    """(prompt, completion) tokens: what tools answered stands among a completion's ids, and is prompt."""
    drawn = [len(ids) for ids in completion_ids] if tool_mask is None else [sum(mask) for mask in tool_mask]
    whole = [len(p) + len(c) for p, c in zip(prompt_ids, completion_ids, strict=True)]
    return [(all_tokens - c, c) for all_tokens, c in zip(whole, drawn, strict=True)]
