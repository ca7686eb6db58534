"""The policy a trial starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from workers.spec.places import is_path
from workers.spec.values import Count, Decay, PositiveFloat, PositiveInt, Probability, Strict, Text


class WarmUp(Strict):
    """Supervised training that gives a model made from nothing a base policy worth reinforcing.

    The label of each example is right with probability `label_accuracy`, else drawn at random; training stops at
    the first check at which the probability of the right answer on the validation problems reaches
    `stop_at_validation_score`. The rule looks at nothing that a scaling law measures afterwards.
    """

    learning_rate: PositiveFloat
    batch_size: PositiveInt = 256
    label_accuracy: Probability = 0.5
    adam_beta2: Decay = 0.98
    warmup_steps: Count = 20
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
    `weights_sha256` is what weights are in the folder, `files_sha256` what else there changes its answers, once
    somebody has looked.
    """

    name: Text
    source: Text | None = None
    revision: Text | None = None
    made: MadeModel | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    nominal_params: PositiveFloat | None = None
    weights_sha256: str | None = None
    files_sha256: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        if (self.source is None) == (self.made is None):
            raise ValueError(f"model {self.name!r} needs exactly one of `source` and `made`")
        return self

    @property
    def folder(self) -> Path | None:
        """The folder that it is in; None for a model on the hub, whatever lies here, and for one made here."""
        return Path(self.source).expanduser() if self.source is not None and is_path(self.source) else None
