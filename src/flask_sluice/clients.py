"""What a request says of the browser behind it, as far as pages are concerned.

In: two headers. Out: whether it fills slots by itself, and whether it is a crawler,
which may never fill them. Both are guesses by name, which is all that there is: the
answer varies by these headers, and says so.
"""

from __future__ import annotations

import re

__all__ = ["VARY", "fills_slots", "is_crawler"]

VARY = ("User-Agent", "Sec-CH-UA")

# Chrome and Edge 150 shipped it on 2026-06-30; seen to work in Chromium 156.
SINCE = 150

# `Sec-CH-UA: "Chromium";v="156", "Not?A_Brand";v="24"`. Sent over TLS and to
# localhost; where it is, it says more than the other.
_BRAND = re.compile(r'"Chromium";\s*v="(\d+)')
_PRODUCT = re.compile(r"\b(?:Headless)?Chrom(?:e|ium)/(\d+)")

# Who reads pages without showing them: search engines, previews in chats, archives
# and those that gather text. Names as in their user agents. The browsers of Baidu,
# DuckDuckGo, Pinterest, Sogou and Telegram have these names too, but no "bot" or
# "spider"; and Cubot makes telephones.
_CRAWLER = re.compile(
    r"(?<!cu)bot\b|(?<!cu)bot[/;_-]|crawl|spider|slurp|archiver|facebookexternalhit"
    r"|meta-external|whatsapp|skypeuripreview|embedly|quora link preview"
    r"|mediapartners-google|google-(?:inspectiontool|read-aloud|extended|safety)"
    r"|googleother|apis-google|feedfetcher|bingpreview|yandex(?:images|video|media)"
    r"|heritrix|chatgpt-user|perplexity-user|claude-user|anthropic",
    re.IGNORECASE,
)


def fills_slots(user_agent: str, brands: str) -> bool:
    """Tell whether this browser applies patches without any script.

    :param user_agent: the header `User-Agent`, or "".
    :param brands: the header `Sec-CH-UA`, or "".
    """
    found = _BRAND.search(brands) or _PRODUCT.search(user_agent)
    return found is not None and int(found[1][:6]) >= SINCE


def is_crawler(user_agent: str) -> bool:
    """Tell whether this is a program that may not run a page as a browser would."""
    return _CRAWLER.search(user_agent) is not None
