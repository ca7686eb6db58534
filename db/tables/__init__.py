"""The tables, in the order in which a sweep fills them: plan, runs, results, fits.

Rules that hold in all of them: columns are typed and commented; a missing number is NULL, never 0; FLOPs are
double precision, because 1e19 does not fit a 64-bit integer; `_at` columns are UTC.
"""

from db.tables.base import Base
from db.tables.fits import Fit, FitCheck, FitForm, FitHoldout, FitParameter, FitPoint
from db.tables.plan import Sweep, SweepTrial, Trial, Webhook
from db.tables.results import Checkpoint, Evaluation, EvaluationItem, Step
from db.tables.runs import Attempt, DataSet, ImportFile, Model, Problem

__all__ = [
    "Attempt",
    "Base",
    "Checkpoint",
    "DataSet",
    "Evaluation",
    "EvaluationItem",
    "Fit",
    "FitCheck",
    "FitForm",
    "FitHoldout",
    "FitParameter",
    "FitPoint",
    "ImportFile",
    "Model",
    "Problem",
    "Step",
    "Sweep",
    "SweepTrial",
    "Trial",
    "Webhook",
]
