"""What was concluded: a fit, its parameters, the rows it used, its held-out errors and its checks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base, Identifier
from db.types import database_now


class Fit(Base):
    __tablename__ = "fit"
    __table_args__ = ({"comment": "One fit of one law to one set of rows; never changed once written."},)

    id: Mapped[int] = mapped_column(Identifier, primary_key=True, comment="Number of the fit.")
    sweep_id: Mapped[int | None] = mapped_column(ForeignKey("sweep.id"), comment="The sweep it fits; NULL: several.")
    created_at: Mapped[datetime] = mapped_column(default=database_now(), comment="When it was made, UTC.")
    rlsweep_version: Mapped[str] = mapped_column(String(40), comment="Version of the code.")
    scope: Mapped[str] = mapped_column(
        String(40), comment="inter-model, intra-model, data-reuse, group-size or transfer."
    )
    x: Mapped[str] = mapped_column(String(20), comment="What the loss is fitted against: samples, flops, ...")
    benchmark: Mapped[str | None] = mapped_column(String(80), comment="The benchmark that was fitted; NULL: several.")
    protocol: Mapped[str | None] = mapped_column(String(80), comment="Its protocol; NULL: several.")
    k_form: Mapped[str | None] = mapped_column(
        String(40), comment="Form of k(N); free: a slope of its own for every size, and no law; NULL: not asked for."
    )
    estimator: Mapped[str | None] = mapped_column(
        String(40), comment="How the parameters were estimated; NULL: nothing to choose."
    )
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, comment="Every setting; with the same rows, the same fit.")
    data_sha256: Mapped[str] = mapped_column(String(64), comment="SHA-256 of the rows, in canonical form.")
    num_points: Mapped[int] = mapped_column(comment="Evaluations used.")
    num_effective: Mapped[float | None] = mapped_column(
        comment="The same, discounted for autocorrelation; NULL: each curve has its own."
    )
    num_sizes: Mapped[int] = mapped_column(comment="Model sizes used.")
    num_runs: Mapped[int] = mapped_column(comment="Trajectories used.")
    num_parameters: Mapped[int | None] = mapped_column(
        comment="Free parameters, levels of runs included; NULL: each curve has its own."
    )
    phi: Mapped[float | None] = mapped_column(comment="Dispersion: evaluation noise over binomial noise.")
    run_sd: Mapped[float | None] = mapped_column(comment="Standard deviation between runs, in log L.")
    deviance: Mapped[float | None] = mapped_column(
        comment="Weighted residual sum of squares; NULL: each curve has its own."
    )
    aicc: Mapped[float | None] = mapped_column(comment="AICc with the effective number of points.")
    r2: Mapped[float | None] = mapped_column(comment="R^2 of the law over all points, in log L.")
    r2_size_means: Mapped[float | None] = mapped_column(comment="R^2 of each size's mean alone: what r2 must beat.")
    status: Mapped[str] = mapped_column(
        String(40), comment="identified, kmax_not_identified, ...; in other scopes than inter-model: judged."
    )
    summary: Mapped[str | None] = mapped_column(Text, comment="What was found, in sentences.")


class FitParameter(Base):
    __tablename__ = "fit_parameter"
    __table_args__ = ({"comment": "One number that a fit found, with its 95% interval. What it is of: the columns."},)

    fit_id: Mapped[int] = mapped_column(ForeignKey("fit.id"), primary_key=True, comment="The fit.")
    position: Mapped[int] = mapped_column(primary_key=True, comment="Place in the fit's list, from 0.")
    name: Mapped[str] = mapped_column(String(40), comment="K_max, N_0, k, E, ...")
    num_params: Mapped[int | None] = mapped_column(comment="Size it belongs to; NULL: all sizes.")
    model: Mapped[str | None] = mapped_column(String(200), comment="Model it belongs to; NULL: not one alone.")
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trial.id"), comment="Trial it belongs to; NULL: not one.")
    benchmark: Mapped[str | None] = mapped_column(
        String(80), comment="Benchmark it belongs to, where the fit has several; NULL: the fit's."
    )
    protocol: Mapped[str | None] = mapped_column(String(80), comment="The protocol of that benchmark.")
    tau: Mapped[float | None] = mapped_column(comment="tau it belongs to; NULL: not one.")
    group_size: Mapped[int | None] = mapped_column(comment="Group size it belongs to; NULL: not one.")
    against_group_size: Mapped[int | None] = mapped_column(comment="Group size it is compared with; NULL: none.")
    law: Mapped[str | None] = mapped_column(String(40), comment="Law of a learning curve it belongs to; NULL: none.")
    at_x: Mapped[float | None] = mapped_column(comment="Where on the x-axis it holds; NULL: everywhere.")
    estimate: Mapped[float | None] = mapped_column(comment="Estimate; NULL: not identified.")
    standard_error: Mapped[float | None] = mapped_column(comment="Standard error.")
    low: Mapped[float | None] = mapped_column(comment="Lower end of the 95% interval.")
    high: Mapped[float | None] = mapped_column(comment="Upper end of the 95% interval.")
    interval_method: Mapped[str | None] = mapped_column(String(200), comment="How the interval was obtained.")
    unit: Mapped[str] = mapped_column(String(40), comment="Unit of the estimate; empty: none.")
    at_bound: Mapped[bool] = mapped_column(comment="Whether the estimate lies on a bound.")
    draws: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="Its bootstrap draws, 8-byte little-endian floats in order of draw; NULL: none kept."
    )


class FitPoint(Base):
    __tablename__ = "fit_point"
    __table_args__ = ({"comment": "The role of each evaluation in a fit, also of those left out."},)

    fit_id: Mapped[int] = mapped_column(ForeignKey("fit.id"), primary_key=True, comment="The fit.")
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), primary_key=True, comment="The evaluation.")
    role: Mapped[str] = mapped_column(String(20), comment="train, holdout, baseline, outside_window, ...")
    reason: Mapped[str | None] = mapped_column(Text, comment="Why it was left out.")
    weight: Mapped[float | None] = mapped_column(comment="Weight in the fit.")
    fitted_loss: Mapped[float | None] = mapped_column(comment="The law's test loss there.")
    residual: Mapped[float | None] = mapped_column(comment="log of observed minus log of fitted loss.")
    content_sha256: Mapped[str | None] = mapped_column(
        String(64), comment="SHA-256 of what was measured, in canonical form; NULL: not kept before revision 0004."
    )


class FitHoldout(Base):
    __tablename__ = "fit_holdout"
    __table_args__ = ({"comment": "A forecast of a fit, held against what was seen."},)

    fit_id: Mapped[int] = mapped_column(ForeignKey("fit.id"), primary_key=True, comment="The fit.")
    position: Mapped[int] = mapped_column(primary_key=True, comment="Place in the fit's list, from 0.")
    mode: Mapped[str] = mapped_column(String(20), comment="in_sample, zero_shot, kshot(m) or oracle_level.")
    quantity: Mapped[str] = mapped_column(String(40), comment="What was forecast: k or loss.")
    num_params: Mapped[int | None] = mapped_column(comment="Size that was forecast.")
    trial_id: Mapped[int | None] = mapped_column(
        ForeignKey("trial.id"), comment="Trial that was forecast; NULL: a size."
    )
    law: Mapped[str | None] = mapped_column(String(40), comment="Law that forecast it; NULL: the fit's.")
    prefix_share: Mapped[float | None] = mapped_column(comment="Share of the run that was used; NULL: not a prefix.")
    at_x: Mapped[float | None] = mapped_column(comment="Where on the x-axis; NULL: a slope.")
    predicted: Mapped[float | None] = mapped_column(comment="Forecast.")
    low: Mapped[float | None] = mapped_column(comment="Lower end of its 95% interval.")
    high: Mapped[float | None] = mapped_column(comment="Upper end of its 95% interval.")
    mean_low: Mapped[float | None] = mapped_column(comment="The same without the noise of a new run and its scores.")
    mean_high: Mapped[float | None] = mapped_column(comment="Upper end of that.")
    actual: Mapped[float | None] = mapped_column(comment="What was seen.")
    actual_standard_error: Mapped[float | None] = mapped_column(comment="Its standard error.")
    relative_error: Mapped[float | None] = mapped_column(comment="(predicted - actual) / actual.")
    covered: Mapped[bool | None] = mapped_column(comment="Whether the interval holds what was seen.")


class FitForm(Base):
    __tablename__ = "fit_form"
    __table_args__ = ({"comment": "One candidate for k(N), or for the law of a curve, on the same data as the fit."},)

    fit_id: Mapped[int] = mapped_column(ForeignKey("fit.id"), primary_key=True, comment="The fit.")
    position: Mapped[int] = mapped_column(primary_key=True, comment="Place in the fit's list, from 0.")
    rank: Mapped[int] = mapped_column(comment="Place among the candidates for the same, from 1.")
    form: Mapped[str] = mapped_column(
        String(40), comment="Form of k(N), free being a slope of its own for every size; or law of a learning curve."
    )
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trial.id"), comment="Trial it is the law of; NULL: k(N).")
    num_parameters: Mapped[int] = mapped_column(comment="Parameters of the form.")
    rss: Mapped[float] = mapped_column(comment="Weighted residual sum of squares.")
    aicc: Mapped[float | None] = mapped_column(comment="AICc with the effective number of points.")
    delta_aicc: Mapped[float | None] = mapped_column(comment="AICc above that of the best candidate.")
    akaike_weight: Mapped[float | None] = mapped_column(comment="Akaike weight among the candidates.")
    holdout_error: Mapped[float | None] = mapped_column(
        comment="Mean |relative error| of held-out forecasts: of k by size, or of the end of the run by prefix."
    )
    log_score: Mapped[float | None] = mapped_column(
        comment="Mean log density that forecasts of larger sizes gave to the slopes that came; higher is better."
    )
    lack_of_fit: Mapped[float | None] = mapped_column(comment="p-value of slopes lying off the form by noise alone.")
    is_preferred: Mapped[bool | None] = mapped_column(comment="Whether it is the form of k(N) that the data prefer.")


class FitCheck(Base):
    __tablename__ = "fit_check"
    __table_args__ = ({"comment": "One check of a fit, in words."},)

    fit_id: Mapped[int] = mapped_column(ForeignKey("fit.id"), primary_key=True, comment="The fit.")
    position: Mapped[int] = mapped_column(primary_key=True, comment="Place in the fit's list, from 0.")
    code: Mapped[str] = mapped_column(String(20), comment="Code of the check.")
    severity: Mapped[str] = mapped_column(String(20), comment="ok, note or warning.")
    value: Mapped[float | None] = mapped_column(comment="What was measured.")
    threshold: Mapped[float | None] = mapped_column(comment="What it was held against.")
    num_params: Mapped[int | None] = mapped_column(comment="Size it is about; NULL: all.")
    message: Mapped[str] = mapped_column(Text, comment="What it means.")
