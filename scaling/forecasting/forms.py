"""What other forms of k(N) forecast, where the data prefer them or cannot tell them from the one that was asked for.

No interval of one form holds what another form says of a size far away, so both are shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scaling.forecasting.amounts import amount
from scaling.forecasting.curves import SizeCurve
from scaling.forecasting.results import Prediction
from scaling.forecasting.sources import Source
from scaling.inter_model.choice import choose_form
from scaling.inter_model.compare import compare_forms
from scaling.inter_model.notes import check_form
from scaling.inter_model.results import FormChoice, FormComparison
from scaling.laws.k_forms import curve as k_of
from scaling.results import Check
from scaling.wording import short


def form_choice(source: Source) -> tuple[FormChoice | None, tuple[FormComparison, ...]]:
    """What the sizes seen say about the form of k(N), and the forms that they leave open beside the one asked for."""
    forms = compare_forms(source.estimate)
    choice = choose_form(forms, float(source.trained_on[-1]))
    if choice is None or source.estimate.form is None:
        return None, ()
    names = [name for name in (choice.preferred, *choice.rivals) if name != source.estimate.form.name]
    return choice, tuple(form for form in forms if form.k_form in names)


def losses_by_form(curve: SizeCurve, x: float, open_forms: Sequence[FormComparison]) -> tuple[tuple[str, float], ...]:
    """Test loss of a size that was not seen, form by form: the level is that of the neighbours under each of them."""
    if curve.is_seen:
        return ()
    reach, size = math.log(x) - curve.centre, np.array([float(curve.num_params)])
    ks = [(form.k_form, float(k_of(form.k_form, form.theta, size)[0])) for form in open_forms]
    return tuple((name, math.exp(min(curve.level - k * reach, 0.0))) for name, k in ks)


def form_checks(source: Source, choice: FormChoice | None, predictions: Sequence[Prediction] = ()) -> list[Check]:
    """FORM, with what the open forms forecast of the size farthest from those seen."""
    checks = check_form(source.estimate, choice)
    told = [each for each in predictions if each.other_forms]
    if not told:
        return checks
    farthest = max(told, key=lambda each: (each.size_outside, each.x))
    losses = ", ".join(f"{loss:.3f} ({name})" for name, loss in farthest.other_forms)
    said = (
        f" With the other forms the loss of {short(farthest.num_params)} at x = {amount(farthest.x)} would be {losses} "
        f"instead of {farthest.loss:.3f}; the interval holds {source.k_form} for the truth."
    )
    return [replace(check, message=check.message + said) for check in checks]
