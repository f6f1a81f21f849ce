"""A curve measured where it bends: absorption edges, reflectivity, rocking curves. Needs python-adaptive."""

from ._curve import Curve

__all__ = ["Curve"]
