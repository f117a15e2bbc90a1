"""Powers of ten in 128 bits, which `_speedups` writes floats with.

Out: one table, made at import in about a millisecond, because Python has integers of
any size and C has not. It refuses to know what they are for.
"""

from __future__ import annotations

import struct

__all__ = ["TABLE"]

# What `_digits.h` may ask for: for the least double (2**-1074) and the greatest.
FIRST, LAST = -292, 324


def _power(exponent: int) -> tuple[int, int]:
    """Give 10**exponent, scaled to 128 bits and rounded up, in two halves."""
    over: int = 10 ** max(exponent, 0)
    under: int = 10 ** max(-exponent, 0)
    # The binary exponent, as C computes it, too.
    shift = 127 - (exponent * 1741647 >> 19)
    over <<= max(shift, 0)
    under <<= max(-shift, 0)
    return divmod(-(-over // under), 1 << 64)


TABLE = b"".join(struct.pack("=QQ", *_power(n)) for n in range(FIRST, LAST + 1))
