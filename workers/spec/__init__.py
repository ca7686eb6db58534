"""What a trial is: the resolved, typed description that a worker needs to run it, and nothing else.

A `TrialSpec` has no axes, no defaults to be looked up and no reference to another trial: it is one grid point
after presets and overrides have been applied. It is light on purpose (pydantic only), because the command line
builds thousands of them without importing torch.

`science` fields decide the numbers a trial produces; the rest (`Execution`) only decides how they are produced.
"""

from workers.spec.algorithm import AdapterTargets, Algorithm, AlgorithmName, Lora, Loss, SamplerCorrection
from workers.spec.budget import Budget, BudgetUnit
from workers.spec.data import OF_TASKS, Data, Environment, IdentifiedData
from workers.spec.evaluation import Benchmark, Evaluation
from workers.spec.execution import Execution
from workers.spec.health import Health
from workers.spec.model import MadeModel, Model, WarmUp
from workers.spec.optimization import Optimizer, Sampling
from workers.spec.trial import TrialSpec
from workers.spec.values import Count, GroupSize, PositiveFloat, PositiveInt, Probability, Seed, Strict, Text

__all__ = [
    "OF_TASKS",
    "AdapterTargets",
    "Algorithm",
    "AlgorithmName",
    "Benchmark",
    "Budget",
    "BudgetUnit",
    "Count",
    "Data",
    "Environment",
    "Evaluation",
    "Execution",
    "GroupSize",
    "Health",
    "IdentifiedData",
    "Lora",
    "Loss",
    "MadeModel",
    "Model",
    "Optimizer",
    "PositiveFloat",
    "PositiveInt",
    "Probability",
    "SamplerCorrection",
    "Sampling",
    "Seed",
    "Strict",
    "Text",
    "TrialSpec",
    "WarmUp",
]
