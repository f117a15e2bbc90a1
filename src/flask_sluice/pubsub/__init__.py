"""Things that happen in their own time, for any number of listeners."""

from .channel import Channel, drain
from .hub import Hub
from .subscription import Subscription
from .ticker import Ticker

__all__ = ["Channel", "Hub", "Subscription", "Ticker", "drain"]
