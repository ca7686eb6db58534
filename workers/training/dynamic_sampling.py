"""Groups whose rewards are all equal teach nothing: they are replaced by groups of the prompts that come next.

The dynamic sampling of DAPO (Yu et al. 2025, arXiv 2503.14476, section 3.2), which TRL 1.16 lacks. A block is drawn;
while groups are missing, as many further prompts are drawn, at most `MOST_DRAWS` times; what then is still missing is
filled with groups without variance, in the order in which they were drawn. Every prompt that was drawn counts as
seen. Advantages are those of each group, so they do not change by what else is in the block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import torch
from accelerate.utils import gather_object
from trl.trainer.utils import pad

from db.errors import RlsweepError
from workers.training.block_layout import BlockLayout
from workers.training.block_observer import BlockObserver
from workers.training.prompt_stream import PromptStream, Share

MOST_DRAWS = 10

Row = dict[str, Any]
Draw = Callable[[list[dict[str, Any]]], tuple[dict[str, Any], torch.Tensor]]

# How what belongs to a completion is padded when completions of several draws come together.
_PAD_LEFT = ("prompt_ids", "prompt_mask")
_PADDED_WITH_ONE = ("tool_mask",)


def informative_block(
    draw: Draw,
    stream: PromptStream,
    *,
    layout: BlockLayout,
    share: Share,
    pad_token: int,
    device: torch.device,
) -> dict[str, Any]:
    """A block, as TRL makes one, for this process's `share` of it, on its `device`.

    `draw` completes and scores this process's rows; its second value holds the verdicts of all processes' rows. Raises
    RlsweepError where the data end before there are enough prompts.
    """
    group_size, wanted = layout.group_size, layout.prompts * layout.group_size
    kept: list[Row] = []
    spare: list[Row] = []
    for _ in range(MOST_DRAWS):
        missing = (wanted - len(kept)) // group_size
        fresh = stream.take(_divisible(missing, share.processes))
        fresh = fresh[: len(fresh) - len(fresh) % share.processes]
        if not fresh:
            break
        batch, rewards = draw(share.of([row for row in fresh for _ in range(group_size)]))
        rows = gather_object(_unpadded(batch))
        for first in range(0, len(rows), group_size):
            group = rewards[first : first + group_size]
            judged = group[~group.isnan()]  # NaN: not judged, neither like nor unlike the others
            has_variance = judged.numel() > 0 and bool(judged.max() > judged.min())
            (kept if has_variance else spare).extend(rows[first : first + group_size])
        if len(kept) >= wanted:
            break
    if len(kept + spare) < wanted:
        raise RlsweepError(f"The data ended after {stream.position} prompts, within a step.")
    drawn = (kept + spare)[:wanted]
    block = [drawn[place] for place in layout.completion_order]
    total = sum(int((row["completion_mask"] * row.get("tool_mask", 1)).sum()) for row in block)
    whole = _padded(share.of(block), pad_token) | {"num_items_in_batch": torch.tensor(total)}
    return {name: value.to(device) for name, value in whole.items()}


def _divisible(count: int, by: int) -> int:
    return -(-count // by) * by


def _unpadded(batch: dict[str, Any]) -> list[Row]:
    """What belongs to each completion, on the host, its prompt without the padding that the batch gave it.

    Completions keep theirs: the mask of one that was cut may be empty, so it does not tell where the tokens end.
    """
    prompt_lengths = batch["prompt_mask"].sum(1).tolist()
    rows = []
    for number, prompt_length in enumerate(prompt_lengths):
        row: Row = {}
        for name, value in batch.items():
            if getattr(value, "ndim", 0) == 0:
                continue
            own = value[number].detach().cpu()
            row[name] = own[own.shape[0] - prompt_length :] if name in _PAD_LEFT else own
        rows.append(row)
    return rows


def _padded(rows: Sequence[Row], pad_token: int) -> dict[str, Any]:
    """One batch of the rows of several draws."""
    batch = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if values[0].ndim == 0:
            batch[name] = torch.stack(values)
            continue
        filling = pad_token if name in ("prompt_ids", "completion_ids") else int(name in _PADDED_WITH_ONE)
        batch[name] = pad(values, padding_value=filling, padding_side="left" if name in _PAD_LEFT else "right")
    return batch


@contextmanager
def whole_block_metrics(metrics: dict[str, list[float]], observer: BlockObserver) -> Iterator[None]:
    """Make one value of what TRL noted for each draw of a block: the largest of a maximum, else the mean over rows."""
    before = {name: len(values) for name, values in metrics.items()}
    yield
    sizes = [len(draw.lengths) for draw in observer.draws]
    for name, values in metrics.items():
        noted = values[before.get(name, 0) :]
        if len(noted) == len(sizes):
            whole = max(noted) if "max" in name else fmean(noted, weights=sizes)
            values[before.get(name, 0) :] = [whole]
