"""What no compiler says: file and function lengths, includes without their module, and the ways of writing co_await that
g++ 12 and clang 14 compile wrongly (CONTRIBUTING.md).

A statement here is what stands between two of ; { } outside of strings and comments."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILE_LINES = 500
TEST_LINES = 800
OWN_LIMIT = {"src/app/server.cc": 300}
FUNCTION_LINES = 60
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\((?:.*?)\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)
LAMBDA = re.compile(r"(?<![\w\])])\[([^\[\]]*)\]\s*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?\s*(?:mutable\s*)?(?:->\s*[\w:<>,\s&*]+?)?\s*\{")
COROUTINE = re.compile(r"\bco_(?:await|return|yield)\b")
FUNCTION = re.compile(r"^(?P<indent> *)(?!namespace|struct|class|enum|extern|union|else|if|for|while|switch|do|try|\}).*\)[^;{}]*\{$")


def blank(match):
    """Keeps the lines, so that numbers stay right."""
    text = match.group(0)
    return re.sub(r"[^\n]", " ", text) if text.startswith("/") else '""' + "\n" * text.count("\n")


def block_end(text, open_brace):
    depth = 0
    for at in range(open_brace, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return len(text)


def in_conditional(statement, await_at):
    """Whether the awaited value is an operand of ?:. One inside its arguments is harmless."""
    depth = 0
    for at, octet in enumerate(statement):
        depth += {"(": 1, ")": -1}.get(octet, 0)
        if at == await_at:
            depth_of_await = depth
        if octet == "?" and (at < await_at or depth <= depth_of_await):
            return True
    return False


def coroutine_faults(code):
    def line(at):
        return code.count("\n", 0, at) + 1

    for found in LAMBDA.finditer(code):
        captures = found.group(1).strip()
        body = code[found.end() - 1:block_end(code, found.end() - 1)]
        if captures and COROUTINE.search(body):
            yield line(found.start()), "a lambda with captures is a coroutine: its captures die before it does"
    for found in re.finditer(r"\bco_await\b[^;{]*[(,]\s*\{", code):
        yield line(found.start()), "a braced list beside co_await (g++ 12 destroys it twice; bind it to a name first)"
    at = 0
    for statement in re.split(r"[;{}]", code):
        awaits = [m.start() for m in re.finditer(r"\bco_await\b", statement)]
        if awaits:
            here = line(at + awaits[0])
            if len(awaits) > 1:
                yield here, "more than one co_await in a statement"
            if in_conditional(statement, awaits[0]):
                yield here, "co_await in ?: (bind it to a name first)"
            if re.search(r"\b(?:EXPECT|ASSERT)_\w+\s*\(", statement):
                yield here, "co_await inside a test macro"
            if re.search(r"(?<![\w\])])\[[^\[\]]+\]\s*(?:\(|$)", statement):
                yield here, "co_await beside a lambda with captures (g++ 12 destroys them twice)"
        at += len(statement) + 1


def function_faults(lines):
    start = None
    for number, text in enumerate(lines, 1):
        if start is None:
            found = FUNCTION.match(text)
            if found and len(found["indent"]) <= 2:
                start, indent = number, found["indent"]
        elif text == indent + "}" or text == indent + "};":
            if number - start + 1 > FUNCTION_LINES:
                yield start, f"a function of {number - start + 1} lines; {FUNCTION_LINES} are enough"
            start = None


def faults(path):
    name = str(path.relative_to(ROOT))
    text = path.read_text()
    lines = text.splitlines()
    is_test = name.endswith("_test.cc") or "/testing/" in name
    limit = OWN_LIMIT.get(name, TEST_LINES if is_test else FILE_LINES)
    if len(lines) > limit:
        yield 1, f"{len(lines)} lines; {limit} are enough"
    if name.startswith("src/"):
        for number, include in enumerate(lines, 1):
            if re.match(r'\s*#include "[^"/]+"', include):
                yield number, "an include without its module's folder"
    code = NOISE.sub(blank, text)
    yield from coroutine_faults(code)
    if not is_test:
        yield from function_faults(code.splitlines())


def main():
    tracked = subprocess.run(["git", "ls-files", "--", "*.cc", "*.h"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:
        files = [ROOT / name for name in tracked.stdout.split()]
    else:  # an unpacked archive
        files = [p for folder in ("src", "bench", "fuzz") for p in (ROOT / folder).rglob("*.[ch]*")]
    wrong = []
    for path in sorted(p for p in files if p.exists()):
        wrong += [f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in faults(path)]
    print("\n".join(wrong) or f"style: {len(files)} files")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
