"""Algebraic rules 0 = r(x): those linear in what they determine become assignments; others are refused by name."""

from __future__ import annotations

from twin_service.model.sbml.record import Draft
from twin_service.model.sbml.refusal import refuse, unsupported
from twin_service.model.sbml.resolve import Resolver
from twin_service.solver.derivative import gradients
from twin_service.solver.expression import Expression, constant, substitute, symbol, symbols_of

_ZERO = constant(0.0)


def solve_algebraic(draft: Draft) -> dict[str, Expression]:
    """Values, over base symbols, of the ids that the algebraic rules determine.

    n rules determine n ids; they are eliminated one after another (Gauss), each where its coefficient is not zero.
    """
    if not draft.residuals:
        return {}
    free = _undetermined(draft)
    resolver = Resolver(draft, {name: symbol(f"? {name}") for name in free})
    rows = [(element, resolver.formula(r, element)) for element, r in draft.residuals]
    unknowns = _chosen(draft, rows, free)
    kept = {f"? {n}": Resolver(draft).value(n) for n in free if n not in unknowns}
    rows = [(element, substitute([r], kept)[0]) for element, r in rows]
    solved: dict[str, Expression] = {}
    for element, row in rows:
        row = substitute([row], {f"? {n}": e for n, e in solved.items()})[0]
        name, value = _eliminate(draft, element, row, [u for u in unknowns if u not in solved])
        solved = {n: substitute([e], {f"? {name}": value})[0] for n, e in solved.items()}
        solved[name] = value
    return solved


def _undetermined(draft: Draft) -> list[str]:
    """Quantities that may vary and that no rule or reaction determines."""
    reacting = {p.species for r in draft.reactions for p in r.parts}
    return [
        q.id
        for q in draft.quantities.values()
        if not q.constant
        and q.id not in draft.assigned
        and q.id not in draft.rates
        and not (q.id in reacting and not q.boundary)
    ]


def _chosen(draft: Draft, rows: list[tuple[str, Expression]], free: list[str]) -> list[str]:
    present = symbols_of([r for _, r in rows])
    unknowns = [n for n in free if f"? {n}" in present]
    stepped = {name for h in draft.happenings for name, _ in h.assignments}
    if len(unknowns) > len(rows):
        unknowns = [n for n in unknowns if n not in stepped]
    if len(unknowns) != len(rows):
        raise unsupported(
            draft.file,
            rows[0][0],
            f"{len(rows)} algebraic rules for {len(unknowns)} undetermined "
            f"quantities ({', '.join(unknowns) or 'none'})",
            "write assignment rules for what each rule determines",
        )
    clash = sorted(set(unknowns) & stepped)
    if clash:
        raise unsupported(draft.file, rows[0][0], f"determines {clash[0]}, which an event also assigns")
    return unknowns


def _eliminate(draft: Draft, element: str, row: Expression, open_names: list[str]) -> tuple[str, Expression]:
    symbols = [f"? {n}" for n in open_names]
    slopes = gradients([row], symbols)[0]
    if not slopes:
        raise refuse(draft.file, element, "determines nothing", "remove the rule or correct it")
    for name, mark in zip(open_names, symbols, strict=True):
        slope = slopes.get(mark)
        if slope is None or mark in symbols_of([slope]) or slope is _ZERO:
            continue
        rest = substitute([row], {mark: _ZERO})[0]
        return name, -rest / slope
    raise unsupported(
        draft.file, element, f"is not linear in {', '.join(open_names)}", "write an assignment rule with its solution"
    )
