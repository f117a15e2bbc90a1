"""`LayoutSR` with templates: a person's page, from sources of different speed."""

import time

from flask import Flask, render_template

from flask_sluice import Sluice
from flask_sluice.compat.flasksr import Component, Dom, Layout, LayoutSR

app = Flask(__name__)
Sluice(app)

PROJECTS = [("lantern", 412), ("tidepool", 96), ("quill & ink", 31)]
EVENTS = ["wrote to lantern", "read tidepool", "starred quill & ink"]


def ask(seconds, answer):
    """Stand for a service that takes its time."""
    time.sleep(seconds)
    return answer


# FlaskSR calls functions when the view's contexts are gone, so its programs bring one.
def render(template, **values):
    """Render a template in an app context."""
    with app.app_context():
        return render_template(template, **values)


def menu(name):
    """The quickest."""
    return render("menu.html", name=ask(0.1, name))


def who(name):
    """What most people look for."""
    return render("who.html", name=name, since=ask(0.2, 2013))


def projects(name, at_most):
    """A list."""
    found = ask(0.3, sorted(PROJECTS, key=lambda project: -project[1]))
    return render("projects.html", name=name, projects=found[:at_most])


def events():
    """The slowest."""
    return render("events.html", events=ask(0.5, EVENTS))


@app.get("/<name>")
def person(name):
    """A person's page."""
    return LayoutSR(
        Component("menu", menu, name),
        Component("projects", projects, name, at_most=2),
        Component("who", who, name),
        Component("events", events),
        layout=Layout(render, "layout.html"),
        pre_stream=[Dom(render, "head.html", title=name)],
        post_stream=[Dom(render, "foot.html")],
        stream_div_layout_id="person",
    ).response


if __name__ == "__main__":
    app.run()
