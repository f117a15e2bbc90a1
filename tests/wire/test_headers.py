"""Headers: a file's name survives, a control character never does."""

from __future__ import annotations

from email.message import Message

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from flask_sluice.errors import ArgumentError, HeaderError
from flask_sluice.wire.headers import LIVE, STANDING, attachment, refuse_controls

CONTROLS = [chr(n) for n in range(32)] + ["\x7f"]
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(CONTROLS)),
    min_size=1,
)


@settings(deadline=None, max_examples=300)
@given(name=NAMES)
@example("report.csv")
@example('a "quoted" name.csv')
@example("back\\slash; filename=evil")
@example("fünf Flüge.csv")
@example("飛行機.csv")
@example("100%25.csv")
@example("\uff02fullwidth\uff02\uff3c.csv")
def test_a_name_survives(name: str) -> None:
    """Werkzeug's parser finds the same name, in one line of ASCII."""
    # Browsers write %22 for a quote, and werkzeug reads every one as that.
    assume("%22" not in name)
    value = attachment(name)
    assert value.isascii()
    assert not any(control in value for control in CONTROLS)
    kind, options = parse_options_header(value)
    assert kind == "attachment"
    assert options == {"filename": name}


@settings(deadline=None)
@given(
    name=st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1)
)
def test_a_plain_name_is_read_by_email_too(name: str) -> None:
    """A name of plain ASCII needs no second spelling."""
    assume("\\" not in name)  # email counts quotes before it takes escapes off
    message = Message()
    message["Content-Disposition"] = attachment(name)
    assert message.get_param("filename", header="content-disposition") == name


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
@pytest.mark.parametrize("name", ["{}a", "a{}", "a{}b"])
def test_a_control_in_a_name_is_refused(control: str, name: str) -> None:
    """No control character gets into a file's name, a tab included."""
    with pytest.raises(HeaderError, match="filename"):
        attachment(name.format(control))


@pytest.mark.parametrize("control", [c for c in CONTROLS if c != "\t"], ids=repr)
def test_a_control_in_a_header_is_refused(control: str) -> None:
    """CR, LF, NUL and the like raise an error that names the header."""
    with pytest.raises(HeaderError, match="X-Own"):
        refuse_controls("X-Own", f"a{control}b")


def test_a_tab_is_fine_in_a_header() -> None:
    """RFC 9110 §5.5 allows it as a separator."""
    assert refuse_controls("X-Own", "a\tb") == "a\tb"


def test_an_empty_name_is_refused() -> None:
    """Leaving it out is how to have none."""
    with pytest.raises(ArgumentError, match="empty"):
        attachment("")


def test_half_a_character_in_a_name_is_refused_in_our_words() -> None:
    """A name from a file system may hold a lone surrogate: a clear error, ours."""
    with pytest.raises(ArgumentError, match="filename"):
        attachment("a\udcff.csv")


def test_the_table_asks_proxies_not_to_buffer() -> None:
    """Each stream asks; a live one also forbids rewriting."""
    assert STANDING == {"X-Accel-Buffering": "no", "Incremental": "?1"}
    assert LIVE == {**STANDING, "Cache-Control": "no-cache, no-transform"}
