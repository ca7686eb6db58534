"""What a policy may call while it answers, and who answers the call.

`offered` puts a trial's tools together: `calculator` and `python`, which are here, and the methods of a `user_class`.
`tool_calling` says whether a model's chat template can hold calls at all. Nothing here decides when a tool is called
or what becomes of its answer: TRL does, see docs/training.md.
"""

from __future__ import annotations


class CallFailed(Exception):
    """A call without a result. TRL counts it as failed and tells the policy the message."""


class ToolBroken(BaseException):
    """A tool that cannot work at all: the machine's fault, never the policy's, so the trial must end.

    Not an `Exception`, because TRL takes each of those for the answer to the call.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason
