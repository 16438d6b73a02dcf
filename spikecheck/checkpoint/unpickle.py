"""Read a pickle by an allow-list of opcodes: nothing that a file names is imported or called.

A pickle is a program for a small stack machine. Python's own machine imports and calls whatever the program names; this
one only builds plain containers. A global becomes a `GlobalName`; the result of a call is made by `rebuild` if the
global is on its allow-list, and is an inert `Standin` otherwise. Python's machine also allocates a memo as large as the
file asks (2**31 entries) and hashes tuples that contain each other; this one does neither.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import count
from typing import Any

from spikecheck.checkpoint.budget import Budget
from spikecheck.checkpoint.rebuild import Rebuilder
from spikecheck.checkpoint.values import GlobalName, Source, Standin, TensorRef, safe_key
from spikecheck.errors import UnreadableError
from spikecheck.outside_text import shortened

WINDOW = 1 << 16
LOOK_EVERY = 1 << 16  # operations between two looks at the budget
MAX_DIGITS = 1 << 10

MARK = Standin("a mark")
CHANGES = "refused: its pickle {what} {target} after it was made, which torch.save never writes"


def kind_of(value: Any) -> str:
    """Return what an object of a pickle is, in words."""
    if isinstance(value, TensorRef):
        return "a tensor"
    return str(value) if isinstance(value, GlobalName) else "an object of another type"


class PickleReader:
    """Read the bytes of a source in order."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self.source, self.end, self.budget = source, source.size, budget
        self.start = 0  # of the window
        self.window = b""
        self.at = 0

    @property
    def position(self) -> int:
        """Return the offset of the next byte."""
        return self.start + self.at

    def take(self, count: int) -> bytes:
        """Return the next bytes; UnreadableError where the file ends before."""
        stop = self.at + count
        if stop <= len(self.window):
            part = self.window[self.at : stop]
            self.at = stop
            return part
        here = self.position
        if count > self.end - here:
            raise UnreadableError("truncated: its pickle is incomplete")
        if count > WINDOW:
            self.budget.spend_bytes(count)
        self.window = self.source.read(here, min(max(count, WINDOW), self.end - here))
        self.start, self.at = here, count
        if len(self.window) < count:
            raise UnreadableError("truncated: its pickle is incomplete")
        return self.window[:count]

    def line(self) -> str:
        """Return the text up to the next line feed, which is dropped."""
        stop = self.window.find(b"\n", self.at)
        if stop < 0:
            self.start, self.at = self.position, 0
            self.window = self.source.read(self.start, WINDOW)
            stop = self.window.find(b"\n")
        if stop < 0:
            raise UnreadableError("damaged: a line of its pickle does not end")
        return self.take(stop + 1 - self.at)[:-1].decode("utf-8", "replace")


class Unpickler:
    """Read one pickle; `load()` returns the object that is left on the stack."""

    def __init__(self, reader: PickleReader, rebuild: Rebuilder) -> None:
        self.reader, self.rebuild = reader, rebuild
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.stop = False
        self.result: Any = None

    def load(self) -> Any:
        """Return the object that the pickle describes; UnreadableError says what is wrong with it."""
        take, known, budget = self.reader.take, OPERATIONS, self.rebuild.budget
        for number in count():
            if number % LOOK_EVERY == 0:
                budget.check_time()
            budget.operations -= 1
            if budget.operations < 0:
                break
            code = take(1)[0]
            operation = known.get(code)
            if operation is None:
                raise UnreadableError(f"damaged: its pickle contains the unknown opcode 0x{code:02x}")
            try:
                operation(self)
            except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
                raise UnreadableError("damaged: its pickle is invalid") from error
            if self.stop:
                return self.result
        raise UnreadableError("its pickle has too many operations to be a checkpoint")

    def pop(self) -> Any:
        """Remove and return the topmost object, which must not be a mark."""
        value = self.stack.pop()
        if value is MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def marked(self) -> list[Any]:
        """Remove and return all objects above the last mark, and remove the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
            if at < 0:
                raise IndexError("no mark")
        values = self.stack[at + 1 :]
        del self.stack[at:]
        return values

    def number(self, size: int, *, signed: bool = False) -> int:
        """Return the next bytes as a number."""
        return int.from_bytes(self.reader.take(size), "little", signed=signed)

    def text(self, size: int) -> str:
        """Return the next bytes as text."""
        return self.reader.take(size).decode("utf-8", "surrogatepass")

    def put(self, pairs: list[Any]) -> None:
        """Add keys and values, which alternate, to the topmost object."""
        target = self.stack[-1]
        if not isinstance(target, dict | Standin) or target is MARK:
            raise UnreadableError(CHANGES.format(what="sets items of", target=kind_of(target)))
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if isinstance(target, dict):
                target[safe_key(key)] = value
            else:
                target.items.append((key, value))

    def extend(self, values: list[Any]) -> None:
        """Append values to the topmost object."""
        target = self.stack[-1]
        if not isinstance(target, list | Standin) or target is MARK:
            raise UnreadableError(CHANGES.format(what="appends to", target=kind_of(target)))
        (target.items if isinstance(target, Standin) else target).extend(values)

    def build(self, state: Any) -> None:
        """Give the topmost object its state; that of a dictionary is kept aside, for it may hold tensors."""
        target = self.stack[-1]
        if isinstance(target, Standin) and target is not MARK and target.state is None:
            target.state = state
        elif isinstance(target, dict | list | Standin) and target is not MARK:
            self.rebuild.set_aside(state)
        else:
            raise UnreadableError(CHANGES.format(what="changes", target=kind_of(target)))

    def call(self, function: Any, args: Any) -> None:
        """Push what the call would return, by the allow-list; nothing is called."""
        if not isinstance(args, tuple):
            raise TypeError("arguments are a tuple")
        self.stack.append(self.rebuild.call(function, args))

    def create(self, cls: Any, args: Any) -> None:
        """Push a new object of a class, without its state, as NEWOBJ does; nothing is called."""
        if not isinstance(args, tuple):
            raise TypeError("arguments are a tuple")
        self.stack.append(self.rebuild.create(cls, args))

    def push_global(self, module: str, name: str) -> None:
        """Push a `GlobalName`, noted if it is not on the allow-list."""
        self.stack.append(self.rebuild.name(GlobalName(shortened(module), shortened(name))))


def parse_integer(text: str) -> int | bool:
    """Return the number of an INT or LONG line; 00 and 01 are booleans."""
    if text in ("00", "01"):
        return text == "01"
    if len(text) > MAX_DIGITS:
        raise ValueError("too many digits")
    return int(text.rstrip("L"))


def checked_digits(size: int) -> int:
    """Return the size of an integer in bytes; ValueError if it is too long."""
    if size > MAX_DIGITS:
        raise ValueError("too many digits")
    return size


def unquote(text: str) -> str:
    """Return the text between the quotes of a STRING line; escapes stay as they are."""
    if len(text) < 2 or text[0] != text[-1]:
        raise ValueError("no quotes")
    return text[1:-1]


def from_stack(unpickler: Unpickler, depth: int) -> tuple[Any, ...]:
    """Remove and return the topmost objects."""
    values = [unpickler.pop() for _ in range(depth)]
    return tuple(reversed(values))


def remember(unpickler: Unpickler, place: int) -> None:
    """Memoize the topmost object under a number."""
    unpickler.memo[place] = unpickler.stack[-1]


def instantiate(unpickler: Unpickler, values: list[Any]) -> None:
    """Run OBJ: a class and its arguments are above the mark."""
    unpickler.call(values[0], tuple(values[1:]))


def new_object(unpickler: Unpickler, depth: int) -> None:
    """Run NEWOBJ or NEWOBJ_EX: a class and its arguments."""
    cls, args, *keywords = from_stack(unpickler, depth)
    unpickler.create(cls, (*args, *keywords) if isinstance(args, tuple) else args)


def reduce(unpickler: Unpickler) -> None:
    """Run REDUCE: a function and its arguments."""
    function, args = from_stack(unpickler, 2)
    unpickler.call(function, args)


def build(unpickler: Unpickler) -> None:
    """Run BUILD: a state for the object below it."""
    state = unpickler.pop()
    unpickler.build(state)


def stack_global(unpickler: Unpickler) -> None:
    """Run STACK_GLOBAL: module and name are on the stack."""
    module, name = from_stack(unpickler, 2)
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("a name is text")
    unpickler.push_global(module, name)


def inst(unpickler: Unpickler) -> None:
    """Run INST: module and name are lines, the arguments are above the mark."""
    module, name = unpickler.reader.line(), unpickler.reader.line()
    args = tuple(unpickler.marked())
    unpickler.push_global(module, name)
    unpickler.call(unpickler.pop(), args)


def global_(unpickler: Unpickler) -> None:
    """Run GLOBAL: module and name are lines."""
    module = unpickler.reader.line()
    unpickler.push_global(module, unpickler.reader.line())


def append(unpickler: Unpickler) -> None:
    """Run APPEND: one value."""
    value = unpickler.pop()
    unpickler.extend([value])


def set_item(unpickler: Unpickler) -> None:
    """Run SETITEM: one key and its value."""
    unpickler.put(list(from_stack(unpickler, 2)))


def pop_any(unpickler: Unpickler) -> None:
    """Run POP: remove the topmost object or mark."""
    unpickler.stack.pop()


def skip(unpickler: Unpickler, count: int) -> None:
    """Run PROTO or FRAME: their arguments are not needed."""
    unpickler.reader.take(count)


def halt(unpickler: Unpickler) -> None:
    """Run STOP: the topmost object is the result."""
    unpickler.result = unpickler.pop()
    unpickler.stop = True


Operation = Callable[[Unpickler], None]


def pushing(make: Callable[[Unpickler], Any]) -> Operation:
    """Return an operation that pushes what `make` returns."""
    return lambda u: u.stack.append(make(u))


OPERATIONS: dict[int, Operation] = {
    ord("("): pushing(lambda u: MARK),
    ord("."): halt,
    ord("0"): pop_any,
    ord("1"): lambda u: u.marked().clear(),
    ord("2"): pushing(lambda u: u.stack[-1]),
    ord("F"): pushing(lambda u: float(u.reader.line())),
    ord("I"): pushing(lambda u: parse_integer(u.reader.line())),
    ord("J"): pushing(lambda u: u.number(4, signed=True)),
    ord("K"): pushing(lambda u: u.number(1)),
    ord("L"): pushing(lambda u: parse_integer(u.reader.line())),
    ord("M"): pushing(lambda u: u.number(2)),
    ord("N"): pushing(lambda u: None),
    ord("P"): pushing(lambda u: u.rebuild.persistent(u.reader.line())),
    ord("Q"): pushing(lambda u: u.rebuild.persistent(u.pop())),
    ord("R"): reduce,
    ord("S"): pushing(lambda u: unquote(u.reader.line())),
    ord("T"): pushing(lambda u: u.reader.take(u.number(4)).decode("latin-1")),
    ord("U"): pushing(lambda u: u.reader.take(u.number(1)).decode("latin-1")),
    ord("V"): pushing(lambda u: u.reader.line()),
    ord("X"): pushing(lambda u: u.text(u.number(4))),
    ord("a"): append,
    ord("b"): build,
    ord("c"): global_,
    ord("d"): pushing(lambda u: dict(zip(map(safe_key, (v := u.marked())[::2]), v[1::2], strict=True))),
    ord("}"): pushing(lambda u: {}),
    ord("e"): lambda u: u.extend(u.marked()),
    ord("g"): pushing(lambda u: u.memo[int(u.reader.line())]),
    ord("h"): pushing(lambda u: u.memo[u.number(1)]),
    ord("i"): inst,
    ord("j"): pushing(lambda u: u.memo[u.number(4)]),
    ord("l"): pushing(lambda u: u.marked()),
    ord("]"): pushing(lambda u: []),
    ord("o"): lambda u: instantiate(u, u.marked()),
    ord("p"): lambda u: remember(u, int(u.reader.line())),
    ord("q"): lambda u: remember(u, u.number(1)),
    ord("r"): lambda u: remember(u, u.number(4)),
    ord("s"): set_item,
    ord("t"): pushing(lambda u: tuple(u.marked())),
    ord(")"): pushing(lambda u: ()),
    ord("u"): lambda u: u.put(u.marked()),
    ord("G"): pushing(lambda u: struct.unpack(">d", u.reader.take(8))[0]),
    0x80: lambda u: skip(u, 1),
    0x81: lambda u: new_object(u, 2),
    0x85: pushing(lambda u: from_stack(u, 1)),
    0x86: pushing(lambda u: from_stack(u, 2)),
    0x87: pushing(lambda u: from_stack(u, 3)),
    0x88: pushing(lambda u: True),
    0x89: pushing(lambda u: False),
    0x8A: pushing(lambda u: u.number(u.number(1), signed=True)),
    0x8B: pushing(lambda u: u.number(checked_digits(u.number(4)), signed=True)),
    ord("B"): pushing(lambda u: u.reader.take(u.number(4))),
    ord("C"): pushing(lambda u: u.reader.take(u.number(1))),
    0x8C: pushing(lambda u: u.text(u.number(1))),
    0x8D: pushing(lambda u: u.text(u.number(8))),
    0x8E: pushing(lambda u: u.reader.take(u.number(8))),
    0x8F: pushing(lambda u: []),  # a set: as a list, whose members need no hash
    0x90: lambda u: u.extend(u.marked()),
    0x91: pushing(lambda u: u.marked()),
    0x92: lambda u: new_object(u, 3),
    0x93: stack_global,
    0x94: lambda u: remember(u, len(u.memo)),
    0x95: lambda u: skip(u, 8),  # a frame: what is in it is read all the same
    0x96: pushing(lambda u: u.reader.take(u.number(8))),
}
