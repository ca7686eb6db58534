"""A follower of a trial: `python -m workers.distributed.follower PLAN`, started by the leader.

It does what the leader does, on its share of every block, and records nothing.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, cast

from workers.distributed.losses import Loss
from workers.distributed.plans import FollowerPlan
from workers.distributed.processes import failure_file
from workers.failures import failure_class
from workers.generation.engine import Engine, import_trl
from workers.trial_data import open_trial_data


def main() -> int:
    # Who stops a trial may signal all of its processes. The leader ends it, after the step; with it, the followers.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    plan = FollowerPlan.model_validate_json(Path(sys.argv[1]).read_bytes())
    threading.Thread(target=_die_with_leader, name="lifeline", daemon=True).start()
    try:
        _follow(plan)
    except BaseException as error:
        traceback.print_exc()
        loss = Loss(failure_class(error), str(error) or type(error).__name__)
        failure_file(plan.staging, int(os.environ["RANK"])).write_text(json.dumps(loss.as_dict()))
        return 1
    return 0


def _follow(plan: FollowerPlan) -> None:
    engine = cast(Engine, plan.engine)
    import_trl(engine)
    from workers.distributed.following import Following
    from workers.evaluation.evaluator import Evaluator
    from workers.training.block_observer import BlockObserver
    from workers.training.policies import load_tokenizer, policy_shape
    from workers.training.prompt_stream import PromptStream
    from workers.training.train import train

    spec = plan.spec
    tokenizer, shape = load_tokenizer(spec, plan.base_folder), policy_shape(plan.base_folder)
    with open_trial_data(spec, tokenizer) as data:
        evaluator = Evaluator(data=data, tokenizer=tokenizer, shape=shape, sampling=spec.sampling, seed=spec.seed)
        following = Following(
            spec,
            evaluator=evaluator,
            observer=BlockObserver(),
            stream=PromptStream(data.rows, position=plan.progress.samples),
        )
        parts: dict[str, Any] = {"base_folder": plan.base_folder, "tokenizer": tokenizer, "data": data}
        train(spec, following, engine=engine, checkpoint=plan.checkpoint, staging=plan.staging, **parts)


def _die_with_leader() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
