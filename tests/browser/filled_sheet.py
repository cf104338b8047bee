"""Fills the Excel template of the bulk upload: filled_sheet.py TEMPLATE FILLED ROWS, where ROWS is JSON, a list of {column: text}."""

import json
import re
import sys
import xml.sax.saxutils
import zipfile

SHEET = "xl/worksheets/sheet1.xml"


def main(template, filled, rows):
    with zipfile.ZipFile(template) as before, zipfile.ZipFile(filled, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            part = before.read(name)
            if name == SHEET:
                part = with_rows(part.decode(), json.loads(rows)).encode()
            after.writestr(name, part)


def with_rows(sheet, rows):
    """The sheet with these rows below its names, whose cells tell which letter a column has."""
    letters = {name: letter for letter, name in re.findall(r'<c r="([A-Z]+)1".*?<t[^>]*>(.*?)</t>', sheet)}
    lines = []
    for number, row in enumerate(rows, start=2):
        cells = "".join(
            f'<c r="{letters[name]}{number}" t="inlineStr"><is><t>{xml.sax.saxutils.escape(text)}</t></is></c>'
            for name, text in sorted(row.items(), key=lambda cell: list(letters).index(cell[0]))
        )
        lines.append(f'<row r="{number}">{cells}</row>')
    return sheet.replace("</sheetData>", "".join(lines) + "</sheetData>")


if __name__ == "__main__":
    main(*sys.argv[1:])
