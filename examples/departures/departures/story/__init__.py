"""A day of 2013 in words, and the words as a model would give them: one by one.

`facts` asks the database, `words` makes sentences and tokens of it, `runs` types them
into a channel, beside the request that asked for it. None knows Flask.
"""

from __future__ import annotations

from .facts import Facts, facts
from .runs import Run, Runs, TooManyRunsError
from .words import text, tokens

__all__ = ["Facts", "Run", "Runs", "TooManyRunsError", "facts", "text", "tokens"]
