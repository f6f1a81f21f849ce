"""Any scikit-learn regressor with an uncertainty, as a recommender. Needs scikit-learn."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
from scipy import special as _special
from sklearn import base as _base
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.ensemble._forest import ForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from skysteer.model import Space

from ._candidates import Array, nearest, places
from ._led import Goal, Led, ModelError, Why, fitted_to, scaling
from ._turns import Point
from ._wording import written

__all__ = ["Estimator"]

special: Any = _special  # they have no types
base: Any = _base

Acquisition = Literal["ei", "ucb", "max_variance"]

REACH = 0.1
"""So far, as a part of the range, a reading that the fit does not know yet takes away the uncertainty."""


class Estimator(Led):
    """Asks a scikit-learn regressor where to measure next.

    The first points fill the space. Then a clone of the regressor is fitted,
    and of many places the one that is worth most is suggested.

    Parameters
    ----------
    space
        Where to suggest: a `Space` whose axes have limits, or a list of
        candidates (mappings of numbers and words), of which each is suggested once.
    regressor
        Any scikit-learn regressor with an uncertainty, not fitted:

        - one with ``predict(X, return_std=True)``, such as `BayesianRidge`,
          `ARDRegression` or `GaussianProcessRegressor`, or a pipeline that ends in one;
        - a forest, a `BaggingRegressor` or a `VotingRegressor`, or a pipeline that
          ends in one: the uncertainty is the standard deviation over its members
          (Hutter, Hoos and Leyton-Brown 2011, doi:10.1007/978-3-642-25566-3_40).

        It learns standardised readings, larger is better, from columns in 0...1;
        a choice has one column for each option.
    maximize, minimize, map
        The name of the objective: exactly one of the three.
    acquisition
        ``"ei"`` (expected improvement over the best expected value; Jones,
        Schonlau and Welch 1998), ``"ucb"`` (upper confidence bound, mean +
        `beta` standard deviations), or ``"max_variance"``. By default
        ``"ei"``, and ``"max_variance"`` for a map.
    beta
        Standard deviations of ``"ucb"``.
    seed
        The same seed and the same points: the same suggestions. A
        ``random_state`` of the regressor that is not a number is set from it.
    initial
        How many readings before the model leads; by default 5, or two for each
        axis if that is more.
    features
        Names of the candidates that describe them and are not moved; the
        regressor then learns from these alone.

    Raises
    ------
    SpaceError
        If an axis has no limits, or the candidates are no table.
    TypeError
        If the regressor says nothing about its uncertainty.
    ValueError
        If a goal or a number cannot be.

    Notes
    -----
    It is fitted anew at every reading up to 50, then whenever a twentieth has
    been added. A reading that the fit does not know yet, and what is still
    being measured, takes the uncertainty away around it: batches spread out.

    A fit that fails, or a regressor that says NaN, is logged, and the space
    filling goes on; `report` counts it.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skysteer.model import Axis
    >>> forest = Estimator(Space(Axis("x", -5, 5)), RandomForestRegressor(50), maximize="det", seed=1)
    >>> len(forest.suggest(3))
    3
    """

    def __init__(
        self,
        space: Space | Sequence[Mapping[str, Any]],
        regressor: Any,
        *,
        maximize: str | None = None,
        minimize: str | None = None,
        map: str | None = None,  # noqa: A002  the word for it
        acquisition: Acquisition | None = None,
        beta: float = 2.0,
        seed: int = 0,
        initial: int | None = None,
        features: Sequence[str] = (),
    ) -> None:
        found = places(space, features, "Estimator")
        self._goal = Goal.of(found.space, maximize, minimize, map)
        self._uncertainty = _uncertainty(regressor)
        if acquisition is None:
            acquisition = "max_variance" if self._goal.kind == "map" else "ei"
        if acquisition not in get_args(Acquisition):
            raise ValueError(f"acquisition must be one of {list(get_args(Acquisition))}, found {acquisition!r}")
        if not (np.isfinite(beta) and beta >= 0):
            raise ValueError(f"beta must be a number from 0 on, found {beta}")
        self._regressor = _seeded(base.clone(regressor), seed)
        self._acquisition, self._beta = acquisition, beta
        super().__init__("estimator", found, (self._goal, regressor, acquisition, beta), seed=seed, initial=initial)
        self._fit: tuple[int, Any] | None = None
        self._fits_failed = 0

    def get_best_points(self) -> list[tuple[Any, dict[str, Any], dict[str, float]]]:
        """Return ``(_id, axes, objectives)`` of the measured point with the best expected value.

        The best reading where no model can be fitted. Empty for a map, and before the first finite reading.
        """
        if self._goal.kind == "map" or not self._count:
            return []
        try:
            expected, _ = self._expected(self._stack(self._rows))
        except ModelError:
            expected = np.array(self._values)
        best = int(np.argmax(expected))
        name, axes = self._points[best]
        return [(name, dict(axes), {self._goal.objective: self._goal.sign * self._values[best]})]

    def predict(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return mean and standard deviation, (n,) each, that the regressor expects at n points.

        In the units of the objective. Whether the standard deviation contains
        the noise of a reading depends on the regressor.

        Raises
        ------
        ValueError
            If there are fewer than two readings to learn from, or the fit fails.
        """
        try:
            mean, sd = self._expected(self._places.rows(points))
        except ModelError as exc:
            raise ValueError(f"nothing to predict from: {exc}") from exc
        shift, width = self._scaling()
        return self._goal.sign * (mean * width + shift), sd * width

    def report(self) -> dict[str, Any]:
        """Return what it knows and does, as plain values."""
        best = self.get_best_points()
        return {
            **super().report(),
            "objective": self._goal.objective,
            "goal": self._goal.kind,
            "regressor": type(self._regressor).__name__,
            "uncertainty": self._uncertainty,
            "acquisition": self._acquisition,
            "fitted_to": None if self._fit is None else self._fit[0],
            "fits_failed": self._fits_failed,
            "best": {**best[0][1], **best[0][2]} if best else None,
        }

    def __repr__(self) -> str:
        return f"<Estimator {type(self._regressor).__name__}, {self._goal.kind} {self._goal.objective!r}>"

    # ------------------------------------------------------------ how

    def _read(self, point: Point) -> float | None:
        return self._goal.read(point)

    def _around(self) -> Array | None:
        if self._goal.kind == "map":
            return None
        expected, _ = self._expected(self._stack(self._rows))
        return np.clip(self._rows[int(np.argmax(expected))], 0.0, 1.0)

    def _worth(self, rows: Array, underway: Array) -> tuple[Array, Why]:
        mean, sd = self._expected(rows)
        unknown = np.vstack([underway, *self._rows[fitted_to(self._count) :]])
        if len(unknown):
            away = nearest(rows, unknown) / (REACH * np.sqrt(self._places.dimensions))
            sd = sd * (1.0 - np.exp(-0.5 * np.square(away)))
        best = 0.0
        if self._acquisition == "max_variance":
            worth = sd
        elif self._acquisition == "ucb":
            worth = mean + self._beta * sd
        else:
            expected, _ = self._expected(self._stack(self._rows))
            best = float(expected.max())
            worth = _improvement(mean - best, sd)
        if float(worth.max()) <= float(worth.min()):  # a tree says the same of large regions
            if self._acquisition == "ucb":
                raise ModelError("the regressor expects the same everywhere")
            raise ModelError("the regressor is certain of every place that was looked at")
        apart = np.zeros(len(rows))
        if self._acquisition != "ucb":
            # Among equals, and where nothing can be gained, the one that is farthest from all that is known.
            apart = 1e-9 * nearest(rows, self._stack([*self._rows, *underway]))

        def why(number: int) -> str:
            alike = int((np.abs(worth - worth[number]) <= float(apart.max())).sum())
            return self._because(float(mean[number]), float(sd[number]), best, alike)

        return worth + apart, why

    def _because(self, mean: float, sd: float, best: float, alike: int) -> str:
        """Say why a place is worth most, of standardised values there and the best one at a reading."""
        shift, width = self._scaling()
        expected = self._goal.expected(mean * width + shift, sd * width)
        if self._acquisition == "max_variance":
            why = f"known least: {expected}"
        elif self._acquisition == "ucb":
            highest, sign = ("lowest", "-") if self._goal.kind == "minimize" else ("highest", "+")
            why = f"{highest} mean {sign} {self._beta:.4g} standard deviations: {expected}"
        else:
            so_far = self._goal.sign * (best * width + shift)
            why = f"largest expected improvement: {expected}, best expected so far {written(so_far, sd * width)}"
        if alike == 1:
            return why
        return f"{why}, {'the first' if self._acquisition == 'ucb' else 'farthest away'} of {alike} alike"

    def _scaling(self) -> tuple[float, float]:
        """Mean and standard deviation of the readings that are fitted to."""
        return scaling(np.array(self._values[: fitted_to(self._count)]))

    def _expected(self, rows: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of standardised readings."""
        model = self._fitted()
        try:
            mean, sd = _predicted(model, rows, self._uncertainty)
        except Exception as exc:  # whatever a regressor may raise
            raise ModelError(f"{type(self._regressor).__name__} cannot predict, {type(exc).__name__}: {exc}") from exc
        if not (np.isfinite(mean).all() and np.isfinite(sd).all()):
            raise ModelError(f"{type(self._regressor).__name__} predicts values that are not finite")
        return mean, sd

    def _fitted(self) -> Any:
        m = fitted_to(self._count)
        if m < 2:
            raise ModelError(f"{m} finite readings are too few")
        if self._fit is None or self._fit[0] != m:
            self._fit = m, self._fit_to(m)
        if isinstance(self._fit[1], ModelError):
            raise self._fit[1]
        return self._fit[1]

    def _fit_to(self, m: int) -> Any:
        values = np.array(self._values[:m])
        shift, width = scaling(values)
        model = base.clone(self._regressor)
        try:
            with warnings.catch_warnings():
                # A kernel parameter at its bound, an iteration too few: nothing that the user could act on now.
                warnings.simplefilter("ignore", ConvergenceWarning)
                return model.fit(self._stack(self._rows[:m]), (values - shift) / width)
        except Exception as exc:  # whatever a regressor may raise; `_next` logs it
            self._fits_failed += 1
            return ModelError(f"{type(model).__name__} cannot be fitted to {m} readings, {type(exc).__name__}: {exc}")


def _uncertainty(regressor: Any) -> str:
    """Say where its uncertainty comes from, or raise a TypeError."""
    if isinstance(regressor, type):
        raise TypeError(f"{regressor.__name__} is a class of regressors: make one, {regressor.__name__}(...)")
    last: Any = cast("Any", regressor).steps[-1][1] if isinstance(regressor, Pipeline) else regressor
    name = type(last).__name__
    if not (hasattr(last, "fit") and hasattr(last, "predict")) or not base.is_regressor(regressor):
        raise TypeError(f"{name} is no scikit-learn regressor: it needs fit, predict and to be a regressor")
    if "return_std" in inspect.signature(last.predict).parameters:
        return "return_std"
    if isinstance(last, ForestRegressor | BaggingRegressor | VotingRegressor):
        return "members"
    raise TypeError(
        f"{name} gives no uncertainty: its predict takes no return_std, and it has no independent members. "
        f"Wrap it, BaggingRegressor({name}(...), n_estimators=20), or give it predict(X, return_std=False)"
    )


def _seeded(regressor: Any, seed: int) -> Any:
    """Give every part that draws random numbers a number to draw them from."""
    open_to = {
        name: seed
        for name, value in regressor.get_params().items()
        if (name == "random_state" or name.endswith("__random_state")) and not isinstance(value, int)
    }
    return regressor.set_params(**open_to)


def _predicted(model: Any, rows: Array, uncertainty: str) -> tuple[Array, Array]:
    if uncertainty == "return_std":
        mean, sd = model.predict(rows, return_std=True)
        return np.asarray(mean, float).reshape(len(rows)), np.asarray(sd, float).reshape(len(rows))
    if isinstance(model, Pipeline):
        rows = cast("Any", model)[:-1].transform(rows)
        model = cast("Any", model).steps[-1][1]
    used: Any = getattr(model, "estimators_features_", None)  # a bagging may give each member some of the columns
    members = [
        member.predict(rows if used is None else rows[:, used[number]])
        for number, member in enumerate(model.estimators_)
    ]
    said = np.asarray(members, float).reshape(len(members), len(rows))
    return said.mean(axis=0), said.std(axis=0)


def _improvement(gain: Array, sd: Array) -> Array:
    safe = np.maximum(sd, 1e-12)
    z = gain / safe
    density = np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi)
    return np.maximum(gain * special.ndtr(z) + safe * density, 0.0)
