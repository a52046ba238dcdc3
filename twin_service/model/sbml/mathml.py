"""MathML, as libSBML parses it, to expressions.

Symbols keep their SBML ids. The rate of change of `x` is the symbol `rateOf x`, resolved when all rates are known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from twin_service.model.sbml.refusal import refuse, unsupported
from twin_service.solver.expression import TIME, Expression, apply, constant, symbol
from twin_service.solver.functions import exp, logical_and, logical_or, where

AVOGADRO = 6.02214179e23  # the value SBML Level 3 fixes for its csymbol
_ONE, _ZERO, _TWO = constant(1.0), constant(0.0), constant(2.0)
_BOOLEAN = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})
_TIME_ID = "time"


@dataclass(frozen=True)
class FormulaScope:
    """Where a formula stands: the file and element (for refusals), the functions and the local names."""

    file: str
    element: str
    functions: Mapping[str, Any] = field(default_factory=dict)
    local: Mapping[str, Expression] = field(default_factory=dict)
    calls: tuple[str, ...] = ()


def name_of(sbml_id: str) -> str:
    """The symbol of an SBML id; `time` is the solver's own."""
    return "time_" if sbml_id == _TIME_ID else sbml_id


def convert(node: Any, scope: FormulaScope) -> Expression:
    """The expression of an ASTNode. Raises Refusal for what has no meaning as a differential equation."""
    import libsbml

    kind = node.getType()
    if kind in (libsbml.AST_NAME,):
        name = name_of(node.getName())
        return scope.local.get(name, symbol(name))
    if kind == libsbml.AST_NAME_TIME:
        return TIME
    if kind == libsbml.AST_NAME_AVOGADRO:
        return constant(AVOGADRO)
    if node.isNumber():
        return constant(float(node.getValue()))
    if kind == libsbml.AST_FUNCTION:
        return _call(node, scope)
    if kind == libsbml.AST_FUNCTION_DELAY:
        raise unsupported(scope.file, scope.element, "uses delay(): a delay differential equation")
    if kind == libsbml.AST_FUNCTION_RATE_OF:
        return _rate_of(node, scope)
    return _operation(node, scope)


def _operation(node: Any, scope: FormulaScope) -> Expression:
    import libsbml

    constants = {
        libsbml.AST_CONSTANT_E: math.e,
        libsbml.AST_CONSTANT_PI: math.pi,
        libsbml.AST_CONSTANT_TRUE: 1.0,
        libsbml.AST_CONSTANT_FALSE: 0.0,
    }
    kind = node.getType()
    if kind in constants:
        return constant(constants[kind])
    args = [convert(node.getChild(i), scope) for i in range(node.getNumChildren())]
    word = _word(node)
    if kind == libsbml.AST_FUNCTION_PIECEWISE:
        return _piecewise(args)
    if word in _LOGICAL:
        return _LOGICAL[word]([truth(a) for a in args])
    rule = _RULES.get(word)
    if rule is None:
        raise unsupported(scope.file, scope.element, f"uses the function {word!r}")
    try:
        return rule([number(a) for a in args])
    except (IndexError, ValueError, TypeError) as error:
        raise refuse(scope.file, scope.element, f"{word} has {len(args)} arguments", "correct the formula") from error


def _word(node: Any) -> str:
    """The MathML name of an operator."""
    import libsbml

    kind = node.getType()
    characters = {
        libsbml.AST_PLUS: "plus",
        libsbml.AST_MINUS: "minus",
        libsbml.AST_TIMES: "times",
        libsbml.AST_DIVIDE: "divide",
        libsbml.AST_POWER: "power",
    }
    if kind in characters:
        return characters[kind]
    return str(node.getName() or node.getOperatorName() or f"node type {kind}")


def truth(a: Expression) -> Expression:
    """`a` as a condition: a number is true unless it is zero."""
    return a if a.op in _BOOLEAN else apply("ne", a, _ZERO)


def number(a: Expression) -> Expression:
    """`a` as a number: true is one."""
    return where(a, _ONE, _ZERO) if a.op in _BOOLEAN else a


def _piecewise(args: list[Expression]) -> Expression:
    result = number(args[-1]) if len(args) % 2 else constant(math.nan)
    for i in range(len(args) - len(args) % 2 - 2, -1, -2):
        result = where(truth(args[i + 1]), number(args[i]), result)
    return result


def _call(node: Any, scope: FormulaScope) -> Expression:
    name = node.getName()
    function = scope.functions.get(name)
    if function is None:
        raise refuse(
            scope.file,
            scope.element,
            f"calls the function {name!r}, which is not defined",
            "define it in the list of function definitions",
        )
    if name in scope.calls:
        raise refuse(scope.file, f"function {name}", "calls itself", "write it without recursion")
    n = function.getNumArguments()
    if n != node.getNumChildren() or function.getBody() is None:
        raise refuse(
            scope.file,
            scope.element,
            f"calls {name!r} with {node.getNumChildren()} arguments; it takes {n}"
            if function.getBody() is not None
            else f"calls {name!r}, which has no formula",
            "correct the call or the definition",
        )
    local = {name_of(function.getArgument(i).getName()): convert(node.getChild(i), scope) for i in range(n)}
    inner = FormulaScope(scope.file, f"function {name}", scope.functions, local, (*scope.calls, name))
    return convert(function.getBody(), inner)


def _rate_of(node: Any, scope: FormulaScope) -> Expression:
    target = convert(node.getChild(0), scope)
    if target.op != "symbol":
        raise refuse(scope.file, scope.element, "takes rateOf of a formula", "rateOf takes one identifier")
    return symbol(f"rateOf {target.name}")


def _compare(op: str) -> Callable[[list[Expression]], Expression]:
    def chain(a: list[Expression]) -> Expression:
        pairs = [apply(op, x, y) for x, y in zip(a, a[1:], strict=False)]
        return reduce(logical_and, pairs) if pairs else _ONE

    return chain


def _unary(op: str) -> Callable[[list[Expression]], Expression]:
    def one(a: list[Expression]) -> Expression:
        (x,) = a
        return apply(op, x)

    return one


def _inverse(op: str) -> Callable[[list[Expression]], Expression]:
    return lambda a: 1 / apply(op, a[0])


def _of_inverse(op: str) -> Callable[[list[Expression]], Expression]:
    return lambda a: apply(op, 1 / a[0])


def _log(a: list[Expression]) -> Expression:
    base, x = (constant(10.0), a[0]) if len(a) == 1 else a
    return apply("log", x) / apply("log", base)


def _root(a: list[Expression]) -> Expression:
    degree, x = (_TWO, a[0]) if len(a) == 1 else a
    return apply("sqrt", x) if degree.op == "const" and degree.value == 2.0 else x ** (1 / degree)


def _minus(a: list[Expression]) -> Expression:
    return -a[0] if len(a) == 1 else a[0] - a[1]


def _truncated(x: Expression) -> Expression:
    return apply("where", apply("lt", x, _ZERO), apply("ceil", x), apply("floor", x))


def _factorial(a: list[Expression]) -> Expression:
    """Of a whole number up to 170, by cases where it is not a constant."""
    (n,) = a
    if n.op == "const":
        return constant(math.gamma(n.value + 1.0))
    result = _ZERO / _ZERO
    for k in range(170, -1, -1):
        result = where(apply("eq", n, constant(float(k))), constant(float(math.factorial(k))), result)
    return result


def _xor(a: list[Expression]) -> Expression:
    def two(x: Expression, y: Expression) -> Expression:
        return apply("or", apply("and", x, apply("not", y)), apply("and", apply("not", x), y))

    return reduce(two, a, apply("ne", _ZERO, _ZERO))


def _arccosecant_hyperbolic(a: list[Expression]) -> Expression:
    return apply("asinh", 1 / a[0])


_LOGICAL: dict[str, Callable[[list[Expression]], Expression]] = {
    "and": lambda a: reduce(logical_and, a, _ONE),
    "or": lambda a: reduce(logical_or, a, _ZERO),
    "not": lambda a: apply("not", a[0]),
    "xor": _xor,
    "implies": lambda a: logical_or(apply("not", a[0]), a[1]),
}
_RULES: dict[str, Callable[[list[Expression]], Expression]] = {
    "plus": lambda a: reduce(lambda x, y: x + y, a, _ZERO),
    "minus": _minus,
    "times": lambda a: reduce(lambda x, y: x * y, a, _ONE),
    "divide": lambda a: a[0] / a[1],
    "power": lambda a: a[0] ** a[1],
    "pow": lambda a: a[0] ** a[1],
    "abs": _unary("abs"),
    "exp": lambda a: exp(a[0]),
    "ln": _unary("log"),
    "log": _log,
    "floor": _unary("floor"),
    "ceiling": _unary("ceil"),
    "root": _root,
    "sqrt": _root,
    "factorial": _factorial,
    "sin": _unary("sin"),
    "cos": _unary("cos"),
    "tan": _unary("tan"),
    "sec": _inverse("cos"),
    "csc": _inverse("sin"),
    "cot": _inverse("tan"),
    "sinh": _unary("sinh"),
    "cosh": _unary("cosh"),
    "tanh": _unary("tanh"),
    "sech": _inverse("cosh"),
    "csch": _inverse("sinh"),
    "coth": _inverse("tanh"),
    "arcsin": _unary("asin"),
    "arccos": _unary("acos"),
    "arctan": _unary("atan"),
    "arcsec": _of_inverse("acos"),
    "arccsc": _of_inverse("asin"),
    "arccot": _of_inverse("atan"),
    "arcsinh": _unary("asinh"),
    "arccosh": _unary("acosh"),
    "arctanh": _unary("atanh"),
    "arcsech": _of_inverse("acosh"),
    "arccsch": _arccosecant_hyperbolic,
    "arccoth": _of_inverse("atanh"),
    "lt": _compare("lt"),
    "leq": _compare("le"),
    "gt": _compare("gt"),
    "geq": _compare("ge"),
    "eq": _compare("eq"),
    "neq": lambda a: apply("ne", a[0], a[1]),
    "min": lambda a: reduce(lambda x, y: apply("min", x, y), a),
    "max": lambda a: reduce(lambda x, y: apply("max", x, y), a),
    "quotient": lambda a: _truncated(a[0] / a[1]),
    "rem": lambda a: a[0] - a[1] * _truncated(a[0] / a[1]),
}
