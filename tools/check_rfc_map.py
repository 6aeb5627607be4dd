"""Every path in docs/rfc-map.md exists, and every name beside a path occurs in that file."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
QUOTED = re.compile(r"`([^`]+)`")
FOLDERS = ("src/", "tests/", "fuzz/", "docs/", "bench/", "tools/")


def main():
    wrong, rows = [], 0
    for number, line in enumerate((ROOT / "docs/rfc-map.md").read_text().split("\n"), 1):
        if not line.startswith("| RFC") and not line.startswith("| draft"):
            continue
        rows += 1
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) != 4 or not all(cells):
            wrong.append(f"docs/rfc-map.md:{number}: a row has four cells")
            continue
        for cell in cells[2:]:
            text = None
            for word in QUOTED.findall(cell):
                if word.startswith(FOLDERS):
                    path = ROOT / word
                    text = path.read_text() if path.is_file() else None
                    if text is None:
                        wrong.append(f"docs/rfc-map.md:{number}: no such file: {word}")
                elif text is not None and word not in text:
                    wrong.append(f"docs/rfc-map.md:{number}: {word} is not in the file beside it")
    if rows == 0:
        wrong.append("docs/rfc-map.md: no rows")
    print("\n".join(wrong) or f"rfc-map: {rows} rows, every path and name exists")
    return 1 if wrong else 0


sys.exit(main())
