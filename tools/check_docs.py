"""Every path in backticks in the pages below exists, so does every module::Name in src/module, and so does every function()
in src. Every event that the program logs is in the table of docs/operations.md, and the other way round."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = re.compile(r"`((?:src|docs|tools|tests|cmake|fuzz|bench|packaging)/[^`\s]*)`")
NAME = re.compile(r"`([a-z]+)::([A-Za-z_]+)`")
FUNCTION = re.compile(r"`([a-z_]+)\(\)`")
EVENT = re.compile(r"Event(?: \w+)?\(([^;]*?)(?:\)\s*\.with\(|;)|\b(?:write_log|wrong_port)\(([^;]*?);", re.DOTALL)
EVENT_NAME = re.compile(r'"([a-z]+\.[a-z_]*)"')
EVENT_TABLE = re.compile(r"^\| event \|.*?\n\n", re.MULTILINE | re.DOTALL)


def events_in_code():
    """Names, and beginnings of names that are made ("watch.")."""
    for source in ROOT.glob("src/**/*.cc"):
        if not source.name.endswith("_test.cc") and "testing" not in source.parts:
            for parts in EVENT.findall(source.read_text()):
                yield from EVENT_NAME.findall("".join(parts))


# Where the second half of a name comes from, when it is made.
MADE_IN = {"delivery.": "src/delivery/conclusion.cc", "watch.": "src/guard/watch/watch_book.cc"}


def wrong_events():
    known = set(events_in_code())
    yield from (f"tools/check_docs.py: where are the names of {name}* made?" for name in known if name.endswith(".") and name not in MADE_IN)
    table = EVENT_TABLE.search((ROOT / "docs/operations.md").read_text()).group(0)
    told = {name for row in table.splitlines() for name in re.findall(r"`([a-z]+\.[a-z_]+)`", row.partition("|")[2].partition("|")[0])}
    for name in sorted(known - told - set(MADE_IN)):
        yield f"docs/operations.md: no row for the event {name}"
    for name in sorted(told - known):
        begin, dot, end = name.partition(".")
        made_in = MADE_IN.get(begin + dot)
        if made_in is None or f'"{end}"' not in (ROOT / made_in).read_text():
            yield f"docs/operations.md: no event {name} in src"


def main():
    wrong = list(wrong_events())
    headers = "".join(source.read_text() for source in ROOT.glob("src/*/*.*"))
    for page in ("ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "docs/operations.md"):
        text = (ROOT / page).read_text()
        wrong += [f"{page}: no such path: {path}" for path in PATH.findall(text) if not any(ROOT.glob(path.rstrip("/")))]
        for module, name in NAME.findall(text):
            own = (ROOT / "src" / module).glob("*.h")
            if not any(re.search(rf"\b{name}\b", header.read_text()) for header in own):
                wrong.append(f"{page}: {module}::{name} is in no header of src/{module}")
        wrong += [f"{page}: no function {name}() in src" for name in FUNCTION.findall(text) if not re.search(rf"\b{name}\(", headers)]
    print("\n".join(wrong) or "docs: every path, name and event exists")
    return 1 if wrong else 0


sys.exit(main())
