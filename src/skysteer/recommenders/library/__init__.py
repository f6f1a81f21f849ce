"""Chooses among the samples of a library: a table of candidates with features."""

from ._library import LibraryRecommender, SampleState, State

__all__ = ["LibraryRecommender", "SampleState", "State"]
