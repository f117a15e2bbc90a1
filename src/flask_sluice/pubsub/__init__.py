"""Things that happen in their own time, for any number of listeners."""

from .channel import Channel, drain
from .subscription import Subscription
from .ticker import Ticker

__all__ = ["Channel", "Subscription", "Ticker", "drain"]
