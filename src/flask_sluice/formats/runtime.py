"""The script that fills slots where the browser doesn't do it by itself.

In: a nonce, or none. Out: one inline script, sent once, between the shell and its first
patch. It refuses to know what a page is, and who needs the script.

It is written for its size, so here is what it does. An engine that knows no marks reads
`<?start name="X">` and `<?end>` as comments, and `<template for=X>` as a template that
shows nothing. Patches come as children of the body, each followed by a separator: a bit
of text, or a comment.

* The script walks over the document's comments once, and keeps them in a map. Each
  patch's own comments are added when it is applied, so nested slots are found, and
  the cost is linear in the number of slots.
* An observer of the body's children, and of nothing below them, sees each template
  that the parser adds. A template may come in many pieces. It is whole when the
  separator behind it has been added; an element wouldn't prove that, since other
  scripts too append to the body.
* To apply it is to remove what stands between the start and its end, which is the
  end that as many starts as ends stand before; or all the rest of the parent, where
  there is none, as `<template for>` has it by itself. Then the template's content
  takes the place of the start. Nothing is parsed a second time, so nothing that
  was text becomes an element.
* A patch without a mark is left alone. So is everything in an engine that fills
  slots by itself: marks are no comments there, and the map stays empty. This spares
  a test for that.
* Observers are called before deferred scripts, even when the last patch and the page's
  end came together, and by `html.LAST` before `DOMContentLoaded`. What waits for these
  sees all slots.

It leaves no name in the page, and breaks no `require-trusted-types-for`. The text never
changes within a release, so a policy may as well allow it by its hash.
"""

from __future__ import annotations

from html import escape

__all__ = ["RUNTIME", "runtime"]

# d: document; m: data of a comment → the comment; t: the newest template, at first the
# body, which is for nothing; n: the start to be filled, none at first; c: any node.
RUNTIME = (
    # A block, so that `let` is private.
    "{let d=document,m={},t=d.body,n,c,"
    # Put r in n's place; z counts starts without end, w walks over r's comments (128).
    "P=(r,z=1,w=d.createTreeWalker(r,128))=>{"
    # Each comment is worth 1 if it starts a slot, -1 if it ends one, or 0.
    'for(;c=w.nextNode();c.z=/^\\?s/.test(c.data)-(c.data=="?end"))m[c.data]=c;'
    # What is not an indexed comment has no worth: |0.
    "for(;z&&(c=n?.nextSibling);c.remove())z+=c.z|0;"
    "n?.replaceWith(r)};"
    # There is nothing to fill yet: this only reads the document's comments.
    "P(d);"
    # Remember a template (it has content); a separator (it has data) has it applied.
    "new MutationObserver(r=>r.map(r=>r.addedNodes.forEach(w=>w.content?t=w:w.data&&"
    '(n=m[`?start name="${t.getAttribute("for")}"`])&&t.remove(P(t.content)))))'
    ".observe(t,{childList:1})}"
)


def runtime(nonce: str | None) -> str:
    """Give the script's element.

    :param nonce: what the page's `script-src` allows; None or "" for no attribute.
    """
    attribute = f' nonce="{escape(nonce)}"' if nonce else ""
    return f"<script{attribute}>{RUNTIME}</script>"
