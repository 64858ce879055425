"""Exact arithmetic on what a user or a model has written, parsed as an expression and never evaluated as code.

Numbers are fractions, so that 0.1 + 0.2 is 0.3. Invariant: whatever the text, the answer comes in little time and
memory: its length, the nodes of its tree and the digits of every number in it are bounded. Callers: the calculator.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from fractions import Fraction

from shared.errors import CaddieError

TEXT_CHARS = 500
NODES = 200
#: Of a numerator or denominator: a number of about 1,200 digits.
BITS = 4_096
DIGITS = 15
Operation = Callable[[Fraction, Fraction], Fraction]


def calculate(text: str) -> str:
    """The value as people write it. Raises CaddieError INVALID, which says what is wrong."""
    if len(text) > TEXT_CHARS:
        raise _invalid(f"at most {TEXT_CHARS} characters", "more")
    plain = text.strip().rstrip("=").replace("×", "*").replace("÷", "/").replace("−", "-").replace("^", "**")
    try:
        tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _invalid("an arithmetic expression such as (2 + 3) * 4", "something else") from None
    if sum(1 for _ in ast.walk(tree)) > NODES:
        raise _invalid("a shorter expression", "one with too many parts")
    try:
        return _written(_value(tree.body))
    except ZeroDivisionError:
        raise _invalid("a divisor other than zero", "zero") from None
    except (OverflowError, ValueError) as error:
        raise _invalid("a number this function is defined for", "another") from error


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=bool() | complex()):
            raise _invalid("numbers", "something else")
        case ast.Constant(value=int(number)):
            return _bounded(Fraction(number))
        case ast.Constant(value=float(number)):
            # The shortest decimal that means this double is what was written.
            return _bounded(Fraction(repr(_finite(number))))
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=operand):
            return -_value(operand) if isinstance(sign, ast.USub) else _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _OPERATIONS:
            return _bounded(_OPERATIONS[type(kind)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            least, most, function = _FUNCTIONS[name]
            if not least <= len(args) <= most:
                raise _invalid(f"{name} with {least} to {most} values", f"{len(args)}")
            return _bounded(function(*map(_value, args)))
        case _:
            raise _invalid("numbers, + - * / // % **, parentheses and " + ", ".join(_FUNCTIONS), "something else")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        return _real(math.pow(float(base), float(exponent)))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits > 1 and bits * abs(exponent.numerator) > BITS * 2:
        raise _invalid("a smaller power", "one with too many digits")
    if abs(exponent.numerator) > BITS * 2:
        exponent = Fraction(exponent.numerator % 2)  # of 0, 1 and -1
    return _bounded(Fraction(base**exponent.numerator))


def _bounded(number: Fraction) -> Fraction:
    if max(number.numerator.bit_length(), number.denominator.bit_length()) > BITS:
        raise _invalid("numbers of bearable length", "one with too many digits")
    return number


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise _invalid("a finite number", "a larger one")
    return number


def _real(number: float) -> Fraction:
    return Fraction(repr(_finite(float(f"{number:.{DIGITS}g}"))))


def _root(number: Fraction) -> Fraction:
    """Exact for squares of fractions."""
    if number < 0:
        raise ValueError
    exact = Fraction(math.isqrt(number.numerator), math.isqrt(number.denominator))
    return exact if exact * exact == number else _real(math.sqrt(number))


def _rounded(number: Fraction, places: Fraction = Fraction(0)) -> Fraction:
    """Halves away from zero, as people round."""
    if places.denominator != 1 or abs(places) > DIGITS * 2:
        raise ValueError
    scale = Fraction(10) ** places.numerator
    whole = math.floor(abs(number) * scale + Fraction(1, 2))
    return (Fraction(whole) if number >= 0 else -Fraction(whole)) / scale


def _written(number: Fraction) -> str:
    if number.denominator == 1:
        return str(number.numerator)
    rest, places = number.denominator, 0
    while rest % 10 == 0 or rest % 2 == 0 or rest % 5 == 0:
        rest = rest // 10 if rest % 10 == 0 else rest // 2 if rest % 2 == 0 else rest // 5
        places += 1
    if rest == 1 and places <= DIGITS * 2:
        scaled = abs(number) * 10**places
        digits = str(scaled.numerator // scaled.denominator).rjust(places + 1, "0")
        return f"{'-' if number < 0 else ''}{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")
    return f"{float(number):.{DIGITS}g}"


def _invalid(expected: str, got: str) -> CaddieError:
    return CaddieError("INVALID", f"expected {expected}, got {got}")


_OPERATIONS: dict[type[ast.operator], Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
    ast.Mod: operator.mod,
}
_CONSTANTS = {"pi": _real(math.pi), "e": _real(math.e), "tau": _real(math.tau)}
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Fraction]]] = {
    "sqrt": (1, 1, _root),
    "abs": (1, 1, abs),
    "round": (1, 2, _rounded),
    "floor": (1, 1, lambda number: Fraction(math.floor(number))),
    "ceil": (1, 1, lambda number: Fraction(math.ceil(number))),
    "min": (1, 50, min),
    "max": (1, 50, max),
    "log": (1, 2, lambda number, *base: _real(math.log(number, *base))),
    "exp": (1, 1, lambda number: _real(math.exp(number))),
    "sin": (1, 1, lambda number: _real(round(math.sin(number), DIGITS - 1))),
    "cos": (1, 1, lambda number: _real(round(math.cos(number), DIGITS - 1))),
    "tan": (1, 1, lambda number: _real(round(math.tan(number), DIGITS - 1))),
}
