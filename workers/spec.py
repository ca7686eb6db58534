"""What a trial is: the resolved, typed description that a worker needs to run it, and nothing else.

A `TrialSpec` has no axes, no defaults to be looked up and no reference to another trial: it is one grid point
after presets and overrides have been applied. It is light on purpose (pydantic only), because the command line
builds thousands of them without importing torch.

`science` fields decide the numbers a trial produces; the rest (`Execution`) only decides how they are produced.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and torch take
Probability = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and silent conversions such as "3" to 3."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class WarmUp(Strict):
    """Supervised training that gives a model made from nothing a base policy worth reinforcing.

    The label of each example is right with probability `label_accuracy`, else drawn at random; training stops at
    the first check at which the probability of the right answer on the validation problems reaches
    `stop_at_validation_score`. The rule looks at nothing that a scaling law measures afterwards.
    """

    learning_rate: PositiveFloat
    batch_size: PositiveInt = 256
    label_accuracy: Probability = 0.5
    adam_beta2: Probability = 0.98
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    max_grad_norm: PositiveFloat = 1.0
    stop_at_validation_score: Probability = 0.30
    check_every_steps: PositiveInt = 4
    max_steps: PositiveInt = 1000


class MadeModel(Strict):
    """A small model of the Qwen2 architecture that is initialised and warmed up here, not downloaded.

    Names are those of Hugging Face's `config.json`. Weights are float32 and the embeddings are tied. Matrices are
    drawn with standard deviation `initializer_gain / sqrt(fan_in)`, embeddings with `embedding_std`: with the
    library's default of 0.02 models this small hardly learn.
    """

    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    num_hidden_layers: PositiveInt = 2
    num_attention_heads: PositiveInt
    num_key_value_heads: PositiveInt
    embedding_std: PositiveFloat = 0.3
    initializer_gain: PositiveFloat = 0.7
    warm_up: WarmUp

    @model_validator(mode="after")
    def _heads_divide(self) -> MadeModel:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads {self.num_attention_heads} is not a multiple of "
                f"num_key_value_heads {self.num_key_value_heads}"
            )
        return self


class Model(Strict):
    """The policy's starting point: a folder or hub id (`source`), or a model made here (`made`).

    `dtype` is the precision of forward and backward passes; the weights themselves are kept in float32.
    `nominal_params` is the size people name it by (7e9 for a 7B), from which arXiv 2509.25300 counts compute.
    """

    name: str
    source: str | None = None
    revision: str | None = None
    made: MadeModel | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    nominal_params: PositiveFloat | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        if (self.source is None) == (self.made is None):
            raise ValueError(f"model {self.name!r} needs exactly one of `source` and `made`")
        return self


class Data(Strict):
    """The problems: a task made here, its training stream and its held-out set.

    `seed` draws the task's rules, its split and the order of its prompts; it is part of the data, so trials that
    differ only in their own seed see the same prompts in the same order.
    """

    task: Literal["affine-lookup"]
    seed: Seed = 0
    heldout_problems: PositiveInt = 600


class Algorithm(Strict):
    """The policy-gradient recipe. One step is one rollout block of `prompts_per_step` groups.

    A block's completions are spent in `updates_per_step` optimizer updates.
    """

    name: Literal["grpo"] = "grpo"
    group_size: Annotated[int, Field(ge=2)]
    prompts_per_step: PositiveInt
    updates_per_step: PositiveInt = 1
    clip_low: PositiveFloat = 0.2
    clip_high: PositiveFloat = 0.2
    kl_coefficient: Annotated[float, Field(ge=0)] = 0.0
    loss_aggregation: Literal["token_mean"] = "token_mean"
    advantage_scale: Literal["group", "batch", "none"] = "group"

    @property
    def completions_per_step(self) -> int:
        return self.prompts_per_step * self.group_size

    @model_validator(mode="after")
    def _updates_divide(self) -> Algorithm:
        if self.prompts_per_step % self.updates_per_step:
            raise ValueError(
                f"prompts_per_step {self.prompts_per_step} is not a multiple of "
                f"updates_per_step {self.updates_per_step}"
            )
        return self


class Optimizer(Strict):
    """AdamW with a learning rate that is constant after `warmup_steps` updates."""

    learning_rate: PositiveFloat
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    adam_beta1: Probability = 0.9
    adam_beta2: Probability = 0.999
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: PositiveFloat = 1.0


class Sampling(Strict):
    """How completions are drawn while training."""

    max_completion_tokens: PositiveInt
    temperature: PositiveFloat = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0


class Evaluation(Strict):
    """One benchmark, and when and how it is scored.

    `answer_probability` is the probability that the policy writes exactly the reference answer, by teacher
    forcing: pass@1 without sampling noise, for tasks whose answer has one spelling. `sampled` draws `samples`
    completions a problem and verifies them. Every schedule includes the state before the first step and the last.
    """

    benchmark: Literal["heldout"] = "heldout"
    method: Literal["answer_probability", "sampled"] = "answer_probability"
    samples: PositiveInt | None = None
    temperature: PositiveFloat = 1.0
    at: Literal["every_step", "log_spaced", "budgets"] = "log_spaced"
    points_per_decade: PositiveInt = 10

    @model_validator(mode="after")
    def _samples_belong_to_sampling(self) -> Evaluation:
        if (self.method == "sampled") != (self.samples is not None):
            raise ValueError("`samples` is required with method `sampled` and meaningless without it")
        return self


BudgetUnit = Literal["steps", "samples", "tokens", "flops"]


class Budget(Strict):
    """Milestones on one trajectory: the trial stops at the end of the first step that reaches the last one.

    `samples` are prompts seen, `tokens` prompt and completion tokens of every rollout, `flops` the unpadded model
    FLOPs of generation and training (evaluation not counted).
    """

    unit: BudgetUnit
    at: Annotated[tuple[PositiveFloat, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _ascending(self) -> Budget:
        if list(self.at) != sorted(set(self.at)):
            raise ValueError(f"milestones must ascend without repeats, not {list(self.at)}")
        return self

    @property
    def last(self) -> float:
        return self.at[-1]


class Execution(Strict):
    """How a trial is run. Nothing here may change what it measures beyond floating-point noise."""

    engine: Literal["auto", "transformers", "vllm"] = "auto"
    micro_batch: PositiveInt | None = None
    cpus: PositiveInt = 1
    gpus: Annotated[float, Field(ge=0)] = 0
    memory_gb: PositiveFloat = 2.0
    gradient_checkpointing: bool = False
    checkpoint_every_steps: PositiveInt = 20
    checkpoints_kept: PositiveInt = 2
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.3


class TrialSpec(Strict):
    """One grid point, resolved. See the module's docstring for what is science and what is execution."""

    model: Model
    data: Data
    algorithm: Algorithm
    optimizer: Optimizer
    sampling: Sampling
    seed: Seed
    budget: Budget
    evaluations: Annotated[tuple[Evaluation, ...], Field(min_length=1, strict=False)]
    execution: Execution = Execution()

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> TrialSpec:
        per_update = self.algorithm.completions_per_step // self.algorithm.updates_per_step
        micro_batch = self.execution.micro_batch
        if micro_batch is not None and per_update % micro_batch:
            raise ValueError(
                f"micro_batch {micro_batch} does not divide the {per_update} completions of one optimizer update"
            )
        return self
