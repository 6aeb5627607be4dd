"""Every path in backticks in the pages below exists, so does every module::Name in src/module, and so does every function()
in src."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATH = re.compile(r"`((?:src|docs|tools|tests|cmake|fuzz|bench|packaging)/[^`\s]*)`")
NAME = re.compile(r"`([a-z]+)::([A-Za-z_]+)`")
FUNCTION = re.compile(r"`([a-z_]+)\(\)`")


def main():
    wrong = []
    headers = "".join(source.read_text() for source in ROOT.glob("src/*/*.*"))
    for page in ("ARCHITECTURE.md", "README.md", "CONTRIBUTING.md", "docs/operations.md"):
        text = (ROOT / page).read_text()
        wrong += [f"{page}: no such path: {path}" for path in PATH.findall(text) if not any(ROOT.glob(path.rstrip("/")))]
        for module, name in NAME.findall(text):
            own = (ROOT / "src" / module).glob("*.h")
            if not any(re.search(rf"\b{name}\b", header.read_text()) for header in own):
                wrong.append(f"{page}: {module}::{name} is in no header of src/{module}")
        wrong += [f"{page}: no function {name}() in src" for name in FUNCTION.findall(text) if not re.search(rf"\b{name}\(", headers)]
    print("\n".join(wrong) or "docs: every path and name exists")
    return 1 if wrong else 0


sys.exit(main())
