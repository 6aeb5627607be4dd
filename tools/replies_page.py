"""Prints docs/generated/replies.md: every reply that clients can get, from the one place where they are made.

When a reply is given stands above its declaration in src/submission/replies.h; its codes and its text are in replies.cc."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEAD = """# Replies

Every reply of the submission ports: code (RFC 5321 §4.2), enhanced code (RFC 3463, RFC 5248), text, and when it is given.
What stands in braces is filled in. 2xx: done; 3xx: go on; 4xx: not now, the client tries again later; 5xx: never like this.
Made from `src/submission/replies.cc` by `./dev docs`; a test fails when it is stale.

| code | enhanced | text | when |
|---|---|---|---|
"""
DECLARATION = re.compile(r"((?:^///[^\n]*\n)+)\[\[nodiscard\]\] Reply (\w+)\(", re.MULTILINE)
FUNCTION = re.compile(r"^Reply (\w+)\([^)]*\) \{(.*?)(?:^\}|(?<=;) \})$", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"make\(\s*(\d+),\s*\{([^}]*)\},\s*((?:\"(?:[^\"\\]|\\.)*\"|[^;])*?)\);")
PIECE = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|([a-z_]\w*)(?:\.\w+\(\))?\)*(?=\s*(?:\+|$))")


def text_of(expression):
    """`"a " + std::to_string(limit)` is "a {limit}"."""
    out = ""
    for literal, name in PIECE.findall(re.sub(r"\s+", " ", expression.strip())):
        out += "{" + name + "}" if name else literal.replace('\\"', '"')
    return out


def branch(body, at):
    """What the reply at this place of its function depends on: the case or the condition before it."""
    before = body[:at]
    cases = re.findall(r"case Why::(\w+):", before)
    condition = re.findall(r"if \(standing == accounts::Standing::(\w+)\)\s*return $", before)
    if condition:
        return "the account cannot be looked up"
    return cases[-1] if cases and before.rstrip().endswith("return") and "\n  }" not in before.split("case Why::")[-1] else ""


def reasons():
    """What the reasons of intake for not taking a message mean."""
    text = (ROOT / "src/intake/refusal.h").read_text()
    return {name: re.split(r":? ?\d{3} \d\.\d\.\d", what)[0].strip() for name, what in re.findall(r"^    (\w+),\s*///< (.*)$", text, re.MULTILINE)}


def rows():
    header = (ROOT / "src/submission/replies.h").read_text()
    when = {name: re.sub(r"\s*///\s*", " ", comment).strip() for comment, name in DECLARATION.findall(header)}
    source = (ROOT / "src/submission/replies.cc").read_text()
    why = reasons()
    seen = set()
    for name, body in FUNCTION.findall(source):
        for made in MAKE.finditer(body):
            code, enhanced, text = made.groups()
            seen.add(name)
            reason = branch(body, made.start())
            moment = when[name]
            if moment.endswith(":"):
                detail = why.get(reason) or re.sub(r"(?<!^)([A-Z])", r" \1", reason).lower()
                moment = f"{moment} {detail}" if detail else moment.rstrip(":")
            yield int(code), ".".join(enhanced.split(", ")).strip(), text_of(text), moment
    missing = set(re.findall(r"\[\[nodiscard\]\] Reply (\w+)\(", header)) - seen
    if missing:
        sys.exit(f"replies_page: no codes found for {', '.join(sorted(missing))}")


def page():
    return HEAD + "".join(f"| {code} | {enhanced} | `{text}` | {when} |\n" for code, enhanced, text, when in sorted(rows(), key=lambda r: r[:2]))


if __name__ == "__main__":
    print(page(), end="")
