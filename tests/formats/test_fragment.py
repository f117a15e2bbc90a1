"""What a piece of HTML does to what follows it, judged by other people's parsers."""

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from flask_sluice.formats.fragment import end_tags, scan

GOOD = [
    "",
    "a < b && c > d",
    "<",
    "&",
    "<p>one<p>two",
    "<ul><li>a<li>b",
    "<table><tr><td>x",
    "</div></body></html>",
    "<a href='x'>y</a>",
    '<td title="<!-- <script>">',
    "<a title=it's>q</a>",
    "<a b'c d\"e>x</a>",
    '<a ="x>">',
    "<a b = 'x>y' c>",
    "<a/b/c=d/>",
    "<!-- a -->",
    "<!-- a --!>",
    "<!-->",
    "<!--->",
    "<!doctype html>",
    "<!x><?x></3></>",
    "<textarea>a</textarea>",
    "<TITLE>a < b</title >",
    "<style>a > b { content: '</b>' }</style>",
    "<script>'<!--'</script>",
    "<script><!-- </script>",
    "<script><!--<script></script>--></script>",
    "<script>x</script foo='>'>",
    "<template><b><i></template>",
    "<template><template></template></template>",
    "<![CDATA[x]]>",
    "<svg><![CDATA[a]]></svg>",
    "<svg viewBox='0 0 1 1'><title>Up</title><path d='M0'/></svg>",
    "<svg><style>a{}</style><g/></svg>",
    "<noscript><img src=x></noscript>",
    "<select><option>a<option>b</select>",
    "<pre>\n<xmp><b></xmp></pre>",
    "\0<p\0>\x0c",
]

BAD = {
    "</": "cut off",
    "</a": "cut off",
    "<div": "cut off",
    "<a ": "cut off",
    '<a href="x>y</a>': "quote",
    "<a href='x": "quote",
    "<a b=c": "cut off",
    "<!--": "comment",
    "<!-- a --": "comment",
    "<!-- a -- >": "comment",
    "<!x": "<!x",
    "<?x": "<?x",
    '<?start name="x"': "<?start",
    "<textarea>": "<textarea>",
    "<textarea></textareas>": "<textarea>",
    "<title>x": "<title>",
    "<style>a": "<style>",
    "<xmp><iframe>": "<xmp>",
    "<IFRAME>": "<iframe>",
    "<noembed>": "<noembed>",
    "<noframes>": "<noframes>",
    "<plaintext>": "<plaintext>",
    "<script>": "<script>",
    "<script></script": "<script>",
    "<script><!--<script></script>": "<script>",
    "<template>": "<template>",
    "</template>": "closes what isn't open",
    "<b></template></b>": "closes what isn't open",
    "</template><template>": "closes what isn't open",
    "<template><template></template>": "<template>",
    "<noscript>": "<noscript>",
    "<![CDATA[x": "CDATA",
    "<svg><![CDATA[a>b": "CDATA",
    # Read in one way by some parsers, or in some places, and in another by others.
    "<svg><title><!--</title></svg>": "<title> in svg",
    "<select><textarea><b></textarea></select>": "<textarea> in svg, math or select",
    "<svg><template></template></svg>": "<template> in svg",
}


@pytest.mark.parametrize("html", GOOD)
def test_harmless(html):
    """What ends where it seems to end has no fault."""
    assert scan(html).fault is None


@pytest.mark.parametrize("html", BAD)
def test_harmful(html):
    """What would swallow its neighbour has one, which names what is wrong."""
    assert BAD[html] in scan(html).fault


def test_a_fault_has_its_line():
    """The sentence says where."""
    assert scan("a\nb\n<p><textarea>\n").fault == "<textarea> is not closed (line 3)"


PARTS = st.sampled_from(
    [
        "x",
        "<",
        "</",
        "-->",
        "<!--",
        "<!-->",
        "<!--->",
        "--!>",
        "<!",
        "<?x>",
        "<?",
        "</3>",
        "<![CDATA[",
        "]]>",
        ">",
        '"',
        "'",
        "=",
        " ",
        "<script",
        "</script ",
        "<!--<script>",
    ]
)
NAMES = st.sampled_from(
    [
        "textarea",
        "title",
        "style",
        "script",
        "xmp",
        "iframe",
        "noembed",
        "noframes",
        "noscript",
        "template",
        "template",
        "select",
        "svg",
        "math",
        "foreignObject",
        "desc",
        "mi",
        "annotation-xml",
        "div",
        "p",
        "b",
        "a",
        "span",
        "table",
        "tr",
        "td",
        "caption",
        "option",
        "li",
        "form",
        "button",
        "br",
        "img",
        "TITLE",
        "Script",
    ]
)
ATTRIBUTES = st.sampled_from(
    [
        *("", " a", " a=b", ' a="x>y"', " a='<'", ' a=b"', ' ="x', " a=", " /"),
        *(" a=b/", " a = 'x' b", "\ta='", ' a="', "='\"'", ' a=""b'),
    ]
)
TAGS = st.builds(
    lambda name, attributes, end: f"<{end}{name}{attributes}>",
    NAMES,
    ATTRIBUTES,
    st.sampled_from(["", "", "/"]),
)
PAIRS = st.builds(
    lambda name, inner: f"<{name}>{inner}</{name}>", NAMES, st.one_of(PARTS, TAGS)
)
SOUP = st.lists(st.one_of(PARTS, TAGS, PAIRS), max_size=8).map("".join)


def lexbor_is_fine(html):
    """Whether what follows a patch with this in it follows it in lexbor, too."""
    document = (
        f"<!doctype html><body>A<template for=x>{html}</template><i id=after></i>"
    )
    body = LexborHTMLParser(document).body
    if body is None:
        return False
    around = [node.tag for node in body.iter(include_text=True)]
    texts = [n for n in body.iter(include_text=True) if n.tag == "-text"]
    is_alone = around.count("template") == 1 and around[1] == "template"
    return is_alone and len(texts) == 1 and len(body.css("#after")) == 1


def html5lib_is_fine(html, *, scripting):
    """Whether a comment after a patch is one; its tree has no template contents."""
    document = f"<!doctype html><body>A<template for=x>{html}<!--AFTER-->"
    parser = html5lib.HTMLParser(
        html5lib.getTreeBuilder("dom"), namespaceHTMLElements=False
    )
    tree = parser.parse(document, scripting=scripting)

    def has_it(node):
        is_it = node.nodeType == node.COMMENT_NODE and node.data == "AFTER"
        return is_it or any(map(has_it, node.childNodes))

    return has_it(tree)


@pytest.mark.parametrize(
    ("html", "is_fine"),
    [
        ("<noscript><img src=x></noscript>", True),
        ("<noscript><b>a</b><noscript>b</noscript></noscript>", True),
        ("<noscript><a b='></noscript><textarea c='<'>", False),
        ("<noscript><!--</noscript>--></noscript>", False),
        ("<noscript><script>'</noscript>'</script></noscript>", False),
        ("<noscript>", False),
    ],
)
def test_noscript_ends_in_one_place(html, is_fine):
    """It is text to a browser with scripting, and markup to one without."""
    assert (scan(html).fault is None) is is_fine


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:html5lib")
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(SOUP)
def test_whatever_passes_is_harmless_to_other_parsers(html):
    """What has no fault swallows nothing and leaks nothing in two other parsers."""
    if scan(html).fault is None:
        assert lexbor_is_fine(html)
        assert html5lib_is_fine(html, scripting=False)
        assert html5lib_is_fine(html, scripting=True)


@pytest.mark.parametrize(
    "html",
    [
        "<" * 200_000,
        '<a "' * 50_000,
        "<a b='" * 50_000,
        "<!--" * 50_000,
        "<script><!--" * 20_000,
        "<p>" * 60_000,
        "<![CDATA[" * 30_000,
        "<a =" * 50_000,
        "<a b= " * 50_000,
        "<textarea></textarea>" * 10_000,
    ],
    ids=lambda html: html[:14],
)
def test_hostile_text_is_read_once(html):
    """A quadratic reading of these would run into the suite's time limit."""
    scan(html)
    end_tags(html[:2000])


def test_slots():
    """Marks count where a parser takes them for such, and a patch can reach them."""
    html = (
        '<?start name="a">x<?end><p><?start name=\'b\'><?end><?START name="c">'
        '<title><?start name="d"></title><a title="<?start name="e">"></a>'
        '<!-- <?start name="f"> --><template><?start name="g"></template>'
        '<noscript><?start name="i"></noscript><td><?start  name="h">'
    )
    assert scan(html).slots == {"a", "h"}


@pytest.mark.parametrize(
    ("html", "is_open"),
    [
        ("x", False),
        ("<p>x", True),
        ("<P class=a>x<b>y</b>", True),
        ("<p>x</body></html>", True),
        ("<p>x</p>", False),
        ("<p>x<div>y</div>", False),
        ("<div><p>x</div>", False),
        ("<p>x<ul><li>y</ul>", False),
        ("<p>x<span>y</span>z", True),
        ("<p>a</p><p>b", True),
        ("<pre>x", False),
    ],
)
def test_open_paragraph(html, is_open):
    """A p without end tag is told, because what follows would be in it."""
    assert scan(html).open_paragraph is is_open


@pytest.mark.parametrize(
    ("html", "tags"),
    [
        ("x", ""),
        ("<p>x", "</p>"),
        ("<p>a<p>b", "</p>"),
        ("<p>a<div>b", "</div>"),
        ("<li>a<li>b", "</li>"),
        ("<ul><li>a</ul>", ""),
        ("<b><i>x</b>", ""),
        ("<tr><td>a<td>b", "</td></tr>"),
        ("<dl><dt>a<dd>b", "</dd></dl>"),
        ("<img><br/>x<div>", "</div>"),
        ("<!-- <b> --><i>", "</i>"),
        ("</p>x", ""),
    ],
)
def test_end_tags(html, tags):
    """What is left open, whether it may be or not, is closed from the inside."""
    assert end_tags(html) == tags
