"""Flask-Firehose 0.2.3's names, arguments and meaning, on this engine.

In a program written for Flask-Firehose, `flask_firehose` becomes
`flask_sluice.compat.firehose` where it is imported. The docs' page on hints says what
is better then, and what isn't the same.
"""

from .firehose import Connector, Firehose, push

__all__ = ["Connector", "Firehose", "push"]
