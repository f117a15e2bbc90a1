"""`LayoutSR`: the layout is there at once, and each column when it is ready."""

from flask import Flask

from flask_sluice import Sluice
from flask_sluice.compat.flasksr import Component, Dom, Layout, LayoutSR

app = Flask(__name__)
Sluice(app)

STYLE = """
main { display: flex; gap: 1em }
main > div { flex: 1; padding: 1em; background: #eef }
"""


def head():
    """Open the page."""
    return (
        "<!doctype html><html lang=en><head><title>Two columns</title>"
        f"<style>{STYLE}</style></head><body>"
    )


def menu():
    """What stands above the layout."""
    return '<nav><a href="/">Home</a> <a href="#news">News</a></nav>'


def layout():
    """Two places; what stands in them is shown until their components come."""
    return (
        '<main><div ref-sr-id="left">Left, in a moment</div>'
        '<div ref-sr-id="right">Right, in a moment</div></main>'
    )


def column(name, paragraphs):
    """Fill one place."""
    paragraph = f"<p>A paragraph on the {name.lower()}.</p>"
    return f"<h2>{name}</h2>" + paragraph * paragraphs


def foot():
    """Close the page."""
    return "<footer>That was all.</footer></body></html>"


@app.get("/")
def index():
    """The right column is listed first."""
    return LayoutSR(
        Component("right", column, "Right", 3),
        Component("left", column, "Left", paragraphs=5),
        layout=Layout(layout),
        pre_stream=(Dom(head), Dom(menu)),
        post_stream=Dom(foot),
    ).response


if __name__ == "__main__":
    app.run()
