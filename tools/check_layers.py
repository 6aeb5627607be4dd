"""Every #include "module/..." under src/ must be of the module itself or of one that its CMakeLists.txt names.

DEPENDS is for all files; TEST_DEPENDS for *_test.cc and testing/. What a dependency depends on may be included too, because
the libraries pass their own dependencies on (cmake/postern_module.cmake)."""

import pathlib
import re
import sys

SRC = pathlib.Path(__file__).resolve().parents[1] / "src"
INCLUDE = re.compile(r'^\s*#include "([a-z_]+)/', re.MULTILINE)


def words_after(keyword, text):
    found = re.search(rf"\b{keyword}\b([^A-Z)]*)", text)
    return set(found.group(1).split()) if found else set()


def main():
    declared = {f.parent.name: re.sub(r"#.*", "", f.read_text()) for f in sorted(SRC.glob("*/CMakeLists.txt"))}
    depends = {name: words_after("DEPENDS", text) for name, text in declared.items()}

    def reach(names):
        return set(names).union(*(reach(depends.get(name, ())) for name in names))

    wrong = []
    for module, text in declared.items():
        allowed = reach(depends[module]) | {module}
        for file in sorted((SRC / module).rglob("*")):
            if file.suffix not in (".cc", ".h"):
                continue
            is_test = file.name.endswith("_test.cc") or "testing" in file.parts
            more = reach(words_after("TEST_DEPENDS", text)) if is_test else set()
            for used in INCLUDE.findall(file.read_text()):
                if used in declared and used not in allowed | more:
                    wrong.append(f"{file.relative_to(SRC.parent)}: includes {used}/, which {module} does not depend on")
    print("\n".join(wrong) or f"layers: {len(declared)} modules include only what they declare")
    return 1 if wrong else 0


sys.exit(main())
