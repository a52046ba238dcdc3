"""How much arithmetic one step of the generated code does for one patient, counted in the code itself."""

from __future__ import annotations

import re

from twin_service.solver.form import Form
from twin_service.solver.generate import METHOD, generate

_COST = {"fadd": 1, "fsub": 1, "fmul": 1, "fdiv": 1, "llvm.fma": 2, "llvm.sqrt": 1}


def flops_per_step(form: Form) -> float:
    """Additions, multiplications and divisions of one `attempt`; a fused multiply-add counts two."""
    counts = {name: _count(body, len(form.rates)) for name, body in _functions(generate(form, 1))}
    calls = counts["factor"] + METHOD.stages * counts["solve"] + (METHOD.stages - 1) * counts["rates"]
    return counts["attempt"] + calls


def _functions(text: str) -> list[tuple[str, str]]:
    return re.findall(r"define [^@]*@(\w+)\([^)]*\) nounwind \{\n(.*?)\n\}", text, flags=re.DOTALL)


def _count(body: str, n: int) -> float:
    """Loops run once for each of `n` states."""
    total, inside = 0.0, False
    for line in body.splitlines():
        if re.match(r"(loop|afterloop)\d+:", line):
            inside = line.startswith("loop")
        cost = next((c for op, c in _COST.items() if op in line), 0)
        total += cost * (n if inside else 1)
    return total
