"""Write LLVM IR: straight-line arithmetic on `width` patients at once.

No fast-math flag is ever set and every fused multiply-add is written out, so that a lane computes bit for bit the same
whatever its neighbors hold and however wide the vector is.
"""

from __future__ import annotations

import struct

LIBM = ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")


class FunctionWriter:
    """Lines of one function. Values are SSA names or literals of type `real`, `integer` or `flag`."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.real = "double" if width == 1 else f"<{width} x double>"
        self.integer = "i64" if width == 1 else f"<{width} x i64>"
        self.flag = "i1" if width == 1 else f"<{width} x i1>"
        self.suffix = "f64" if width == 1 else f"v{width}f64"
        self.align = 8 * width
        self.lines: list[str] = []
        self.declared: set[str] = set()
        self._count = 0

    def name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def emit(self, text: str) -> str:
        value = self.name()
        self.lines.append(f"  {value} = {text}")
        return value

    def number(self, x: float) -> str:
        bits = f"0x{struct.unpack('<Q', struct.pack('<d', x))[0]:016X}"
        return bits if self.width == 1 else "<" + ", ".join([f"double {bits}"] * self.width) + ">"

    def whole(self, i: int) -> str:
        return str(i) if self.width == 1 else "<" + ", ".join([f"i64 {i}"] * self.width) + ">"

    def binary(self, op: str, a: str, b: str) -> str:
        return self.emit(f"{op} {self.real} {a}, {b}")

    def add(self, a: str, b: str) -> str:
        return self.binary("fadd", a, b)

    def sub(self, a: str, b: str) -> str:
        return self.binary("fsub", a, b)

    def mul(self, a: str, b: str) -> str:
        return self.binary("fmul", a, b)

    def div(self, a: str, b: str) -> str:
        return self.binary("fdiv", a, b)

    def neg(self, a: str) -> str:
        return self.emit(f"fneg {self.real} {a}")

    def fma(self, a: str, b: str, c: str) -> str:
        """a*b + c with one rounding."""
        return self.intrinsic("fma", a, b, c)

    def intrinsic(self, name: str, *args: str) -> str:
        self.declared.add(f"declare {self.real} @llvm.{name}.{self.suffix}({', '.join([self.real] * len(args))})")
        typed = ", ".join(f"{self.real} {a}" for a in args)
        return self.emit(f"call {self.real} @llvm.{name}.{self.suffix}({typed})")

    def compare(self, condition: str, a: str, b: str) -> str:
        """A flag; `condition` is an LLVM predicate such as olt (false for NaN) or une (true for NaN)."""
        return self.emit(f"fcmp {condition} {self.real} {a}, {b}")

    def logic(self, op: str, a: str, b: str) -> str:
        return self.emit(f"{op} {self.flag} {a}, {b}")

    def opposite(self, a: str) -> str:
        true = "true" if self.width == 1 else "<" + ", ".join(["i1 true"] * self.width) + ">"
        return self.logic("xor", a, true)

    def select(self, condition: str, a: str, b: str) -> str:
        return self.emit(f"select {self.flag} {condition}, {self.real} {a}, {self.real} {b}")

    def bits(self, a: str) -> str:
        return self.emit(f"bitcast {self.real} {a} to {self.integer}")

    def unbits(self, a: str) -> str:
        return self.emit(f"bitcast {self.integer} {a} to {self.real}")

    def integral(self, op: str, a: str, b: int | str) -> str:
        right = self.whole(b) if isinstance(b, int) else b
        return self.emit(f"{op} {self.integer} {a}, {right}")

    def slot(self, base: str, index: int | str) -> str:
        """Address of vector `index` after `base`."""
        if isinstance(index, int):
            return self.emit(f"getelementptr double, ptr {base}, i64 {index * self.width}") if index else base
        scaled = self.emit(f"mul i64 {index}, {self.width}")
        return self.emit(f"getelementptr double, ptr {base}, i64 {scaled}")

    def load(self, base: str, index: int | str = 0) -> str:
        return self.emit(f"load {self.real}, ptr {self.slot(base, index)}, align {self.align}")

    def store(self, value: str, base: str, index: int | str = 0) -> None:
        address = self.slot(base, index)
        self.lines.append(f"  store {self.real} {value}, ptr {address}, align {self.align}")

    def broadcast(self, address: str) -> str:
        """One number in memory, for every lane."""
        x = self.emit(f"load double, ptr {address}, align 8")
        if self.width == 1:
            return x
        first = self.emit(f"insertelement {self.real} poison, double {x}, i32 0")
        zeros = f"<{self.width} x i32> zeroinitializer"
        return self.emit(f"shufflevector {self.real} {first}, {self.real} poison, {zeros}")

    def libm(self, name: str, x: str) -> str:
        """A function of the C library, lane by lane."""
        self.declared.add(f"declare double @{name}(double)")
        if self.width == 1:
            return self.emit(f"call double @{name}(double {x})")
        result = "poison"
        for lane in range(self.width):
            one = self.emit(f"extractelement {self.real} {x}, i32 {lane}")
            value = self.emit(f"call double @{name}(double {one})")
            result = self.emit(f"insertelement {self.real} {result}, double {value}, i32 {lane}")
        return result

    def call(self, function: str, *pointers: str) -> None:
        self.lines.append(f"  call void @{function}({', '.join(f'ptr {p}' for p in pointers)})")

    def foreign(self, function: str, pointers: tuple[str, ...], size: int) -> None:
        """Call a function compiled elsewhere with pointers and a size."""
        self.declared.add(f"declare void @{function}({', '.join(['ptr'] * len(pointers))}, i64)")
        self.lines.append(f"  call void @{function}({', '.join(f'ptr {p}' for p in pointers)}, i64 {size})")

    def begin_loop(self, count: int) -> str:
        """Open a loop over 0..count-1 and give its counter; close it with `end_loop`."""
        number, counter = self._count, self.name()
        label, entry = f"loop{number}", f"before{number}"
        self.lines += [f"  br label %{entry}", f"{entry}:", f"  br label %{label}", f"{label}:"]
        following = f"{counter}.next"
        self.lines.append(f"  {counter} = phi i64 [ 0, %{entry} ], [ {following}, %{label} ]")
        self._open = (label, counter, following, count)
        return counter

    def carry(self, start: str) -> tuple[str, int]:
        """A value carried around the open loop, and the place of its still unfinished line."""
        value = self.name()
        self.lines.append(
            f"  {value} = phi {self.real} [ {start}, %before{self._open[0][4:]} ], [ NEXT, %{self._open[0]} ]"
        )
        return value, len(self.lines) - 1

    def end_loop(self, carried: tuple[int, str] | None = None) -> None:
        label, counter, following, count = self._open
        if carried is not None:
            place, value = carried
            self.lines[place] = self.lines[place].replace("NEXT", value)
        done = self.name()
        self.lines += [
            f"  {following} = add i64 {counter}, 1",
            f"  {done} = icmp eq i64 {following}, {count}",
            f"  br i1 {done}, label %after{label}, label %{label}",
            f"after{label}:",
        ]

    def function(self, name: str, arguments: tuple[str, ...], *, internal: bool = True) -> str:
        """The text of the function written so far."""
        typed = ", ".join(f"ptr noalias nocapture %{a}" for a in arguments)
        kind = "internal " if internal else ""
        body = "\n".join(self.lines)
        return f"define {kind}void @{name}({typed}) nounwind {{\nentry:\n{body}\n  ret void\n}}\n"
