"""The parts of a workbook around its cells: ECMA-376 as far as an export needs it.

In: labels, widths, names of sheets. Out: XML as text. It refuses to know values, rows
and the archive that the parts go into.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

__all__ = [
    "RELATIONS",
    "STYLES",
    "Sheet",
    "content_types",
    "letters",
    "sheet_end",
    "sheet_head",
    "sheet_name",
    "workbook",
    "workbook_relations",
]

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OPC = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"

RELATIONS = (
    f'{_XML}<Relationships xmlns="{_OPC}/relationships"><Relationship Id="rId1"'
    f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
)

# Cells name a style by its place in cellXfs. What Excel has of its own for dates and
# times looks as the reader's country writes them; ours are the same everywhere. 46 is
# [h]:mm:ss to every reader. Excel insists on the second fill.
_FORMATS = {
    164: r"yyyy\-mm\-dd",
    165: r"yyyy\-mm\-dd\ hh:mm:ss",
    166: "hh:mm:ss",
}
_STYLES = (0, 0, 164, 165, 166, 46)  # plain, header, date, date-time, time, duration
_FONT = '<sz val="11"/><name val="Calibri"/><family val="2"/>'
_NO_LINES = "<left/><right/><top/><bottom/><diagonal/>"

STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="{len(_FORMATS)}">'
    + "".join(
        f'<numFmt numFmtId="{number}" formatCode="{code}"/>'
        for number, code in _FORMATS.items()
    )
    + f'</numFmts><fonts count="2"><font>{_FONT}</font><font><b/>{_FONT}</font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    f'<borders count="1"><border>{_NO_LINES}</border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
    f'</cellStyleXfs><cellXfs count="{len(_STYLES)}">'
    + "".join(
        f'<xf numFmtId="{number}" fontId="{int(place == 1)}" fillId="0" borderId="0"'
        f' xfId="0" applyNumberFormat="{int(number != 0)}"'
        f' applyFont="{int(place == 1)}"/>'
        for place, number in enumerate(_STYLES)
    )
    + '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0"'
    ' builtinId="0"/></cellStyles></styleSheet>'
)


class Sheet(NamedTuple):
    """A sheet that has been written.

    :ivar name: as its tab shows it.
    :ivar filtered: the cells that its filter covers, "" for none.
    """

    name: str
    filtered: str


def letters(place: int) -> str:
    """Give what Excel calls the column at *place*, counted from 0: A to XFD."""
    name = ""
    while place >= 0:
        place, digit = divmod(place, 26)
        name = chr(65 + digit) + name
        place -= 1
    return name


def sheet_head(widths: Sequence[float], *, header: bool, first: bool) -> str:
    """Give what stands before a sheet's first row: view and widths of columns."""
    selected = ' tabSelected="1"' if first else ""
    frozen = ""
    if header:
        frozen = (
            '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
            '<selection pane="bottomLeft"/>'
        )
    columns = "".join(
        f'<col min="{place}" max="{place}" width="{width:g}" customWidth="1"/>'
        for place, width in enumerate(widths, 1)
    )
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView{selected}'
        f' workbookViewId="0">{frozen}</sheetView></sheetViews>'
        + (f"<cols>{columns}</cols>" if columns else "")
        + "<sheetData>"
    )


def sheet_end(filtered: str) -> str:
    """Give what stands after a sheet's last row."""
    auto = f'<autoFilter ref="{filtered}"/>' if filtered else ""
    return f"</sheetData>{auto}</worksheet>"


def workbook(sheets: Sequence[Sheet]) -> str:
    """Give xl/workbook.xml."""
    tabs = "".join(
        f'<sheet name="{escape(sheet.name)}" sheetId="{n}" r:id="rId{n}"/>'
        for n, sheet in enumerate(sheets, 1)
    )
    # Excel writes this name for each sheet with a filter; LibreOffice looks for it.
    names = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{place}"'
        f' hidden="1">{_reference(sheet)}</definedName>'
        for place, sheet in enumerate(sheets)
        if sheet.filtered
    )
    return (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><bookViews>'
        f"<workbookView/></bookViews><sheets>{tabs}</sheets>"
        + (f"<definedNames>{names}</definedNames>" if names else "")
        + "</workbook>"
    )


def workbook_relations(sheets: int) -> str:
    """Give xl/_rels/workbook.xml.rels."""
    parts = [("worksheet", f"worksheets/sheet{n + 1}.xml") for n in range(sheets)]
    parts.append(("styles", "styles.xml"))
    return (
        f'{_XML}<Relationships xmlns="{_OPC}/relationships">'
        + "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
            for n, (kind, target) in enumerate(parts, 1)
        )
        + "</Relationships>"
    )


def content_types(sheets: int) -> str:
    """Give [Content_Types].xml."""
    parts = [("workbook.xml", "sheet.main"), ("styles.xml", "styles")]
    parts += [(f"worksheets/sheet{n + 1}.xml", "worksheet") for n in range(sheets)]
    return (
        f'{_XML}<Types xmlns="{_OPC}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        + "".join(
            f'<Override PartName="/xl/{part}" ContentType="{_TYPE}.{kind}+xml"/>'
            for part, kind in parts
        )
        + "</Types>"
    )


NAME_LENGTH = 31
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def sheet_name(wanted: str, number: int = 1) -> str:
    """Give a name that Excel takes for the sheet with this number.

    31 characters at most, no brackets, slashes, colons or wildcards among them, no
    apostrophe at either end, not empty, and not "History", which Excel keeps.
    """
    name = _cut(_NOT_IN_NAMES.sub("_", wanted), NAME_LENGTH).strip("' ")
    if not name:
        name = "Sheet1"
    elif name.lower() == "history":
        name += "_"
    if number == 1:
        return name
    suffix = f" ({number})"
    return _cut(name, NAME_LENGTH - len(suffix)) + suffix


def _cut(name: str, length: int) -> str:
    # Excel counts UTF-16 code units: an emoji has two, and isn't to be halved.
    units = name.encode("utf-16-le")[: 2 * length]
    return units.decode("utf-16-le", "ignore")


def _reference(sheet: Sheet) -> str:
    first, _, last = sheet.filtered.partition(":")
    cells = ":".join(map(_fixed, (first, last)))
    quoted = sheet.name.replace("'", "''")
    return escape(f"'{quoted}'!{cells}")


def _fixed(cell: str) -> str:
    letter = cell.rstrip("0123456789")
    return f"${letter}${cell[len(letter) :]}"
