"""Things that happen in their own time, for any number of listeners."""

from .ticker import Ticker

__all__ = ["Ticker"]
