"""Maps what changes in spectra: components of them, or clusters, and where they change. Needs scikit-learn."""

from ._recommenders import Cluster, Decomposition

__all__ = ["Cluster", "Decomposition"]
