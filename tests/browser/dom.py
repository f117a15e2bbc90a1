"""What a page shows: questions that wait for their answer, and its tree as text.

In: a page. Out: nothing, or a failed test; `tree` gives text for comparing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers import PATIENCE, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

# What only the streamed page has: the runtime, the separators behind the patches, and
# an empty script behind the last one.
TREE = r"""() => {
    const page = document.documentElement.cloneNode(true);
    const body = page.querySelector("body");
    for (const script of body.querySelectorAll(":scope > script")) {
        if (!script.text || script.text.includes("createTreeWalker")) script.remove();
    }
    while (/^\s*$|^\?$/.test(body.lastChild?.data)) body.lastChild.remove();
    if (body.lastChild?.data) body.lastChild.data = body.lastChild.data.trimEnd();
    return page.outerHTML;
}"""


def holds(page: Page, expression: str) -> None:
    """Wait until *expression* is true in the page, whatever its policy forbids.

    The page's own `wait_for_function` needs a policy that allows `eval`, and scripts.
    """
    until(lambda: page.evaluate(expression), PATIENCE)


def shows(page: Page, selector: str, text: str | list[str]) -> None:
    """Wait until *selector* has *text*; a list is for several elements."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(text)


def counts(page: Page, selector: str, number: int) -> None:
    """Wait until there are *number* of *selector*."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_count(number)


def ready_state(page: Page) -> Any:
    """Tell how far the document is: "loading" while its response is open."""
    return page.evaluate("document.readyState")


def tree(page: Page) -> str:
    """Give the document as it is now, as HTML."""
    text: str = page.evaluate(TREE)
    return text
