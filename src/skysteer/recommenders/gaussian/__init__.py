"""A Gaussian process that looks for the best, for the best compromises, or maps what is known least."""

from ._process import GaussianProcess, Travel

__all__ = ["GaussianProcess", "Travel"]
