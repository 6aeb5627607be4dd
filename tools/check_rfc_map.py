"""Every path in docs/rfc-map.md exists, and every name beside a path occurs in that file: beside a unit test, as the name of
a test. Every row is shown by a test, or says why not."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
QUOTED = re.compile(r"`([^`]+)`")
TEST_PATH = re.compile(r"`(?:tests/|fuzz/|bench/|src/[^`]*_test\.cc)")
NO_TEST = ("not applicable", "not done", "not shown by a test")
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
        if not TEST_PATH.search(cells[3]) and not cells[3].startswith(NO_TEST):
            wrong.append(f"docs/rfc-map.md:{number}: no test shows it, and it does not say why")
        for cell in cells[2:]:
            text, is_unit_test = None, False
            for word in QUOTED.findall(cell):
                if word.startswith(FOLDERS):
                    path = ROOT / word
                    is_unit_test = word.endswith("_test.cc")
                    text = path.read_text() if path.is_file() else None
                    if text is None:
                        wrong.append(f"docs/rfc-map.md:{number}: no such file: {word}")
                elif text is not None and word not in text:
                    wrong.append(f"docs/rfc-map.md:{number}: {word} is not in the file beside it")
                elif is_unit_test and not re.search(rf"^(TEST\w*|INSTANTIATE_\w+)\((\w+, )?{re.escape(word)}[,)]", text, re.MULTILINE):
                    wrong.append(f"docs/rfc-map.md:{number}: {word} is no test of the file beside it")
    if rows == 0:
        wrong.append("docs/rfc-map.md: no rows")
    print("\n".join(wrong) or f"rfc-map: {rows} rows, every path and name exists")
    return 1 if wrong else 0


sys.exit(main())
