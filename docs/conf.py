"""Sphinx configuration; also writes one reference page for each public package that exists."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

import skysteer

os.environ.setdefault("MPLBACKEND", "Agg")

HERE = Path(__file__).parent

project = "skysteer"
author = "skysteer developers"
copyright = "2026, skysteer developers"  # noqa: A001
version = release = skysteer.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc", "myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # a page may link to files of the repository

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
numpydoc_show_class_members = False
nitpicky = False

html_theme = "alabaster"
html_title = f"skysteer {release}"
html_theme_options = {"description": "steers Bluesky experiments while they run", "fixed_sidebar": True}

PUBLIC = [
    "skysteer.flows",
    "skysteer.model",
    "skysteer.protocols",
    "skysteer.errors",
    "skysteer.handoff",
    "skysteer.documents",
    "skysteer.recommenders",
    "skysteer.recommenders.gaussian",
    "skysteer.recommenders.library",
    "skysteer.recommenders.curve",
    "skysteer.recommenders.estimator",
    "skysteer.recommenders.gpcam",
    "skysteer.recommenders.spectra",
    "skysteer.recommenders.foreign",
    "skysteer.simulation",
    "skysteer.watchdog",
    "skysteer.watchdog.judges",
    "skysteer.watchdog.judges.spectra",
    "skysteer.plans",
    "skysteer.engine",
    "skysteer.compat",
    "skysteer.compat.per_event",
    "skysteer.compat.per_start",
    "skysteer.compat.recommendations",
    "skysteer.workers",
    "skysteer.workers.dask",
    "skysteer.registry",
    "skysteer.campaign",
    "skysteer.stores",
    "skysteer.stores.tiled",
    "skysteer.service",
    "skysteer.view",
    "skysteer.testing",
    "skysteer.testing.epics",
]
ELSEWHERE = {"skysteer.watchdog": "skysteer.watchdog.judges"}
"""Module to the one on whose page the names are that it passes on."""


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is not there either
        return False


def directives(module: str) -> str:
    here = importlib.import_module(module)
    elsewhere = importlib.import_module(ELSEWHERE[module]).__all__ if module in ELSEWHERE else []
    # What is loaded when it is first used is not seen by automodule.
    lazy = [name for name in getattr(here, "__all__", []) if name not in elsewhere and name not in vars(here)]
    text = f".. automodule:: {module}\n"
    if elsewhere or lazy:
        text += f"   :exclude-members: {', '.join([*elsewhere, *lazy])}\n"
    for name in lazy:
        value = getattr(here, name)
        kind = "class" if isinstance(value, type) else "function" if callable(value) else "data"
        text += f"\n.. auto{kind}:: {module}.{name}\n"
    return text


def write_reference() -> None:
    for module in PUBLIC:
        page = HERE / "reference" / f"{module}.md"
        if not exists(module):
            page.unlink(missing_ok=True)
            continue
        text = f"# {module}\n\n```{{eval-rst}}\n{directives(module)}```\n"
        if not page.exists() or page.read_text() != text:  # an unchanged page is not built again
            page.write_text(text)


if "sphinx" in sys.modules:
    write_reference()
