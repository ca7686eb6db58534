"""The probability that a model writes exactly the reference answer, by teacher forcing.

Where an answer has one spelling this is pass@1 at temperature 1 without sampling noise. Nothing is sampled or
verified here, and other completions that a reward function may also accept are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.tasks import Problem, boxed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Encoded:
    """Token ids of a prompt, chat template included, and of a completion, end-of-sequence token included."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


def answer_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    *,
    batch_size: int,
) -> list[float]:
    r"""The probability of `\boxed{answer}` and the end of the sequence after each problem's user turn, in order.

    Works with any causal language model whose tokenizer has a chat template, on the device where the model is;
    the model's training mode is restored.
    """
    encoded = encode_problems(tokenizer, problems)
    return encoded_probabilities(model, encoded, batch_size=batch_size)


def encode_problems(
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    known_prompts: dict[str, tuple[int, ...]] | None = None,
) -> list[Encoded]:
    """Tokenize each problem as one user turn and its reference completion.

    The two are tokenized apart, as they are when the completion is generated. `known_prompts` remembers prompts
    from call to call: on the smallest models rendering the chat template would take a fifth of the training time.
    """
    known = {} if known_prompts is None else known_prompts
    prompts = [prompt for prompt in dict.fromkeys(problem.prompt for problem in problems) if prompt not in known]
    if prompts:
        turns = [[{"role": "user", "content": prompt}] for prompt in prompts]
        token_ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
        known.update(zip(prompts, map(tuple, token_ids), strict=True))
    answers = list(dict.fromkeys(problem.answer for problem in problems))
    token_ids = tokenizer([boxed(answer) for answer in answers], add_special_tokens=False)["input_ids"]
    completions = {answer: (*ids, tokenizer.eos_token_id) for answer, ids in zip(answers, token_ids, strict=True)}
    return [Encoded(known[problem.prompt], completions[problem.answer]) for problem in problems]


def encoded_probabilities(model: PreTrainedModel, encoded: Sequence[Encoded], *, batch_size: int) -> list[float]:
    """As `answer_probabilities`, for problems that are tokenized already.

    Problems of similar length share a batch, so a batch is padded little.
    """
    import torch

    was_training = model.training
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
    probabilities = [0.0] * len(encoded)
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(order), batch_size):
                indices = order[start : start + batch_size]
                log_probs, is_answer = completion_log_probs(model, [encoded[index] for index in indices])
                sums = log_probs.double().masked_fill(~is_answer, 0.0).sum(dim=1).exp().tolist()
                for index, probability in zip(indices, sums, strict=True):
                    probabilities[index] = probability
    finally:
        model.train(was_training)
    return probabilities


def completion_log_probs(model: PreTrainedModel, batch: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each completion token given all before it, and which entries are completion tokens.

    Both have shape (batch, positions): columns cover the longest stretch from any row's first completion token to
    any row's end, so rows hold entries that belong to a prompt or to padding.
    """
    import torch

    length = max(len(row) for row in batch)
    first = min(len(row.prompt) for row in batch)
    # A causal model's scores do not depend on what follows, so padding goes to the right whatever the tokenizer
    # does when it generates; token 0 stands for it, masked everywhere.
    token_ids = torch.tensor([[*row.prompt, *row.completion, *[0] * (length - len(row))] for row in batch])
    prompt_lengths = torch.tensor([[len(row.prompt)] for row in batch])
    lengths = torch.tensor([[len(row)] for row in batch])
    positions = torch.arange(length)[None, :]
    is_answer = (positions >= prompt_lengths) & (positions < lengths)

    device = model.device
    token_ids, is_answer = token_ids.to(device), is_answer.to(device)
    logits = model(
        input_ids=token_ids[:, :-1],
        attention_mask=(positions < lengths)[:, :-1].to(device),
        use_cache=False,
        logits_to_keep=length - first,
    ).logits
    log_probs = torch.log_softmax(logits.float(), dim=-1)
    return log_probs.gather(2, token_ids[:, first:, None]).squeeze(2), is_answer[:, first:]
