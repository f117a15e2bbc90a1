"""`BasicSR`: each piece is sent when it is made, from top to bottom."""

import time

from flask import Flask

from flask_sluice import Sluice
from flask_sluice.compat.flasksr import BasicSR, Dom

app = Flask(__name__)
Sluice(app)


def head():
    """Open the page."""
    return "<!doctype html><html lang=en><head><title>In order</title></head><body>"


def menu():
    """What is known at once."""
    return '<ul id="menu"><li><a href="/">Home</a><li><a href="#list">List</a></ul>'


def squares(count):
    """What takes a moment."""
    time.sleep(0.2)
    rows = "".join(f"<li>{n} times {n} is {n * n}</li>" for n in range(1, count + 1))
    return f'<ol id="list">{rows}</ol>'


def foot():
    """Close the page."""
    return "</body></html>"


@app.get("/")
def index():
    """Four pieces."""
    return BasicSR(Dom(head), Dom(menu), Dom(squares, 12), Dom(foot)).response


if __name__ == "__main__":
    app.run()
