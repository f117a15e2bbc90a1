"""Where rows come from: iterables, cursors, queries, frames. Batches, lazily."""

from .query import Query

__all__ = ["Query"]
