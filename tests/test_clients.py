"""What user agents and client hints are taken for.

The strings are those that the programs' makers publish, versions aside.
"""

from __future__ import annotations

import pytest

from flask_sluice.clients import SINCE, VARY, fills_slots, is_crawler

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IOS = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

# A user agent, its client hints, whether patches are applied by it.
BROWSERS = [
    ("Chrome", f"{WINDOWS} {WEBKIT} Chrome/150.0.0.0 Safari/537.36", "", True),
    ("Chrome, older", f"{MAC} {WEBKIT} Chrome/149.0.0.0 Safari/537.36", "", False),
    ("Chrome 15", f"{MAC} {WEBKIT} Chrome/15.0.0.0 Safari/537.36", "", False),
    ("Chrome 1000", f"{MAC} {WEBKIT} Chrome/1000.0.0.0 Safari/537.36", "", True),
    ("Android", f"{ANDROID} {WEBKIT} Chrome/156.0.0.0 Mobile Safari/537.36", "", True),
    ("Edge", f"{WINDOWS} {WEBKIT} Chrome/150.0.0.0 Safari/537.36 Edg/150.0", "", True),
    ("Opera", f"{MAC} {WEBKIT} Chrome/151.0.0.0 Safari/537.36 OPR/130.0", "", True),
    (
        "headless",
        f"{WINDOWS} {WEBKIT} HeadlessChrome/156.0.0.0 Safari/537.36",
        "",
        True,
    ),
    ("Chromium", f"{MAC} {WEBKIT} Ubuntu Chromium/156.0 Chrome/156.0", "", True),
    ("Safari", f"{MAC} {IOS} Version/26.0 Safari/605.1.15", "", False),
    ("Chrome on iOS", f"{IPHONE} {IOS} CriOS/156.0.0.0 Mobile Safari/604.1", "", False),
    ("Edge on iOS", f"{IPHONE} {IOS} EdgiOS/156.0 Mobile Safari/604.1", "", False),
    ("Firefox", "Mozilla/5.0 (X11; Linux; rv:150.0) Gecko/2 Firefox/150.0", "", False),
    ("old Edge", f"{WINDOWS} {WEBKIT} Chrome/64.0 Safari/537.36 Edge/17.17134", "", 0),
    ("curl", "curl/8.5.0", "", False),
    ("nothing", "", "", False),
    ("a long number", f"Chrome/{'9' * 5000}", "", True),
    ("no number", "Chrome/x", "", False),
    # Client hints say more than the user agent.
    ("hints", "", '"Chromium";v="150", "Not?A_Brand";v="24"', True),
    ("hints in another order", "", '"Not A;Brand";v="99", "Chromium";v="156"', True),
    ("hints with a space", "", '"Chromium"; v="156"', True),
    ("older hints", "Chrome/156.0", '"Chromium";v="149", "x";v="1"', False),
    ("newer hints", "Chrome/100.0", '"Google Chrome";v="1", "Chromium";v="150"', True),
    ("other hints", "Chrome/156.0", '"Brand";v="8"', True),
    ("a brand that ends so", "", '"Not Chromium";v="156"', False),
]


@pytest.mark.parametrize(
    ("agent", "brands", "native"), [row[1:] for row in BROWSERS], ids=lambda _: ""
)
def test_browsers(agent: str, brands: str, native: bool) -> None:
    """Chromium from 150 on, whoever sells it; no other engine; and no crawler."""
    assert fills_slots(agent, brands) is bool(native)
    assert not is_crawler(agent)


def test_the_version_is_the_one_that_shipped_it() -> None:
    """And the answer varies by what it is read from."""
    assert SINCE == 150
    assert VARY == ("User-Agent", "Sec-CH-UA")


@pytest.mark.parametrize(
    "agent",
    [
        f"{MAC} {WEBKIT} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"{ANDROID} {WEBKIT} Chrome/156.0 (compatible; Googlebot/2.1; +http://g/)",
        "Googlebot-Image/1.0",
        "AdsBot-Google (+http://www.google.com/adsbot.html)",
        "Mediapartners-Google",
        "APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)",
        "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
        "GoogleOther",
        "FeedFetcher-Google; (+http://www.google.com/feedfetcher.html)",
        f"{WEBKIT}; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/)",
        "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/)",
        "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
        "Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com/bots)",
        f"{MAC} {IOS} Version/17.4 Safari/605.1.15 (Applebot/0.1; +http://apple.com/)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/)",
        "Twitterbot/1.0",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; +http://www.linkedin.com)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0",
        "Pinterestbot/1.0; +http://www.pinterest.com/bot.html",
        "Mozilla/5.0 (compatible; SkypeUriPreview Preview/0.5)",
        "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
        "ia_archiver (+http://www.alexa.com/site/help/webmasters)",
        "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/x)",
        "Mozilla/5.0 (compatible; heritrix/3.3.0 +http://example.org)",
        f"{WEBKIT}; compatible; GPTBot/1.2; +https://openai.com/gptbot",
        f"{WEBKIT}; compatible; ChatGPT-User/1.0; +https://openai.com/bot",
        f"{WEBKIT}; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        f"{WEBKIT}; compatible; PerplexityBot/1.0; +https://perplexity.ai/)",
        "CCBot/2.0 (https://commoncrawl.org/faq/)",
        "Mozilla/5.0 (Linux; Android 5.0) (compatible; Bytespider; spider@example.org)",
    ],
)
def test_crawlers(agent: str) -> None:
    """Search engines, previews, archives and gatherers, by their names."""
    assert is_crawler(agent)


@pytest.mark.parametrize(
    "agent",
    [
        # People read with these, whatever else the maker has.
        f"{ANDROID.replace('K', 'CUBOT X30')} {WEBKIT} Chrome/120.0 Mobile Safari/537",
        f"{ANDROID.replace('K', 'CUBOT_P40')} {WEBKIT} Chrome/120.0 Mobile Safari/537",
        f"{IPHONE} {IOS} Version/17.0 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
        f"{ANDROID} {WEBKIT} Version/4.0 Chrome/120.0 Mobile baiduboxapp/13.40.0.10",
        f"{ANDROID} {WEBKIT} Chrome/120.0 Mobile Safari/537.36 SogouMobileBrowser/6",
        f"{ANDROID} {WEBKIT} Chrome/130.0 Mobile Safari/537.36 Telegram-Android/11.4",
        f"{IPHONE} {IOS} Mobile/15E148 [Pinterest/iOS]",
        f"{MAC} {WEBKIT} Chrome/156.0.0.0 YaBrowser/26.1 Safari/537.36",
        f"{IPHONE} {IOS} Mobile/15E148 [FBAN/FBIOS;FBAV/450.0]",
        f"{IPHONE} {IOS} Mobile/15E148 Instagram 300.0.0.0",
        f"{MAC} {WEBKIT} Chrome/156.0.0.0 Safari/537.36 Chrome-Lighthouse",
        "python-requests/2.32",
        "",
    ],
)
def test_readers_are_no_crawlers(agent: str) -> None:
    """In-app browsers and telephones whose names look like a crawler's."""
    assert not is_crawler(agent)
