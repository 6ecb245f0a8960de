"""The extension's C source by CFFI, its declarations taken from core/capi/reelsense.h and native/glue.h as they are."""

from __future__ import annotations

import re
from pathlib import Path

from cffi import FFI

# Called inside rs_… calls: see reelsense/_callbacks.py.
CALLBACKS = """
extern "Python" void rspy_on_windows(void* user, const rs_window* windows, size_t n);
extern "Python" void rspy_on_second(void* user, const rs_second* second);
extern "Python" void rspy_on_flow_end(void* user, const rs_flow_summary* flow);
"""


def declarations(header: str) -> str:
    """What CFFI's parser reads of a header: no comments, no preprocessor but `#define NAME number`, no extern "C"."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    lines: list[str] = []
    in_cplusplus = False
    for line in text.splitlines():
        directive = line.strip()
        if directive.startswith("#ifdef __cplusplus"):
            in_cplusplus = True
        elif in_cplusplus:
            in_cplusplus = not directive.startswith("#endif")
        elif directive.startswith("#"):
            number = re.fullmatch(r"#define\s+(\w+)\s+(\d+)u?", directive)
            if number:
                lines.append(f"#define {number[1]} {number[2]}")
        else:
            lines.append(line.replace("RS_API ", ""))
    return "\n".join(lines)


def write_source(capi: Path, glue: Path, target: Path) -> None:
    """Writes the C source of reelsense._native to `target`."""
    ffi = FFI()
    ffi.cdef(declarations(capi.read_text()))
    ffi.cdef(declarations(glue.read_text()))
    ffi.cdef(CALLBACKS)
    ffi.set_source("reelsense._native", '#include "reelsense.h"\n#include "glue.h"\n')
    target.parent.mkdir(parents=True, exist_ok=True)
    ffi.emit_c_code(str(target))
