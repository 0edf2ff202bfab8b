"""Formulas compiled: alternately windows, in numpy and exact, and expressions, in polars and elementwise.

The same program runs over one minute and over thousands. A window is taken as soon as its arguments are
there, so the number of polars calls is the depth of the deepest formula (three for the built-in catalogue).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from daemon.features import averages, primitives, rings
from daemon.features.clockwise import ClockRing, same_minute, universe_mean
from daemon.features.expression import AVERAGES, Kind, Node, smoothing
from daemon.features.language import CLOCKED
from daemon.features.rings import Column, Ring
from daemon.features.rows import Rows
from daemon.features.translation import to_polars
from daemon.kernels import BoolArray, FloatArray

_UNROUNDED = frozenset({"lag", "highest", "lowest"})


@dataclass(slots=True)
class Memory:
    """All that a program keeps between blocks.

    Attributes:
        rings: Key -> (n_lanes, capacity).
        clocks: Key in whole units -> what stood at each minute.
        averages: (n_averages, n_lanes).
    """

    rings: dict[str, Column]
    clocks: dict[str, ClockRing]
    averages: FloatArray


@dataclass(frozen=True, slots=True)
class _Window:
    """A window with what must be rounded and written before it is read, unless an earlier one did."""

    node: Node
    wholes: tuple[tuple[str, str, str], ...]
    writes: tuple[Ring, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """One round: windows whose arguments are known, then expressions over what is known by then."""

    averages: tuple[Node, ...]
    windows: tuple[_Window, ...]
    expressions: tuple[tuple[str, pl.Expr], ...]
    inputs: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Program:
    """Formulas, compiled.

    Attributes:
        outputs: The formulas' trees, in order.
        base: Base columns they use.
        reach_rows: Rows before the newest that must be known.
    """

    outputs: tuple[Node, ...]
    base: frozenset[str]
    averages: tuple[Node, ...] = ()
    _rings: dict[str, Ring] = field(default_factory=dict)
    _clocks: dict[str, int] = field(default_factory=dict)
    _steps: list[_Step] = field(default_factory=list)

    def memory(self, n_lanes: int, block_rows: int, span_minutes: int) -> Memory:
        """Allocate the memory of `n_lanes` empty lanes.

        Args:
            n_lanes: How many lanes.
            block_rows: Most rows of a lane in a block.
            span_minutes: Most minutes by the clock that a block spans.
        """
        return Memory(
            {
                key: np.zeros((n_lanes, rings.capacity_for(ring.reach, block_rows)), ring.dtype)
                for key, ring in self._rings.items()
            },
            {key: ClockRing(n_lanes, minutes, span_minutes) for key, minutes in self._clocks.items()},
            np.zeros((len(self.averages), n_lanes)),
        )

    def run(
        self,
        rows: Rows,
        memory: Memory,
        fresh: FloatArray,
        members: BoolArray,
        min_members: int,
        *,
        rebuild: bool,
    ) -> list[FloatArray]:
        """Take a block in, and return the outputs, (R,) each, in lane order.

        Args:
            rows: The block.
            memory: What is known of earlier rows; changed in place.
            fresh: (n_lanes,) 1.0 for lanes without a row so far.
            members: (n_lanes,) whether an instrument is in the reference list.
            min_members: Least members for a cross-section.
            rebuild: Only refill rings: averages stand still and nothing is returned.
        """
        values: dict[str, Column] = dict(rows.columns)
        first = 0
        for step in self._steps:
            for window in step.windows:
                for key, source, unit in window.wholes:
                    values[key] = primitives.in_whole_units(values[source].view(np.float64), unit, rows)
                for ring in window.writes:
                    rings.write(ring, rows, memory.rings, values)
                values[window.node.text] = self._read(window.node, rows, memory, values, members, min_members)
            self._average(step, first, rows, memory, values, fresh, rebuild=rebuild)
            first += len(step.averages)
            if rebuild and step is self._steps[-1]:
                return []
            values.update(_evaluate(step, values, len(rows)))
        return [values[node.text].view(np.float64) for node in self.outputs]

    def _read(
        self,
        node: Node,
        rows: Rows,
        memory: Memory,
        values: dict[str, Column],
        members: BoolArray,
        min_members: int,
    ) -> FloatArray:
        if node.name not in CLOCKED:
            return primitives.read(node, rows, memory.rings, values)
        key = primitives.whole_key(node, 0)
        if node.name == "universe":
            return universe_mean(node, values, key, rows, members, min_members)
        clock = memory.clocks[key]
        clock.write(rows, values[key].view(np.int64))
        return same_minute(node, clock, rows, primitives.quantum(primitives.unit_of(node, 0), rows))

    @staticmethod
    def _average(
        step: _Step,
        first: int,
        rows: Rows,
        memory: Memory,
        values: dict[str, Column],
        fresh: FloatArray,
        *,
        rebuild: bool,
    ) -> None:
        if not step.averages:
            return
        inputs = [values[node.args[0].text].view(np.float64) for node in step.averages]
        if rebuild:
            # No window reads an average, so what stands here is never seen.
            values.update({node.text: column for node, column in zip(step.averages, inputs, strict=True)})
            return
        state = memory.averages[first : first + len(step.averages)]
        carried = averages.advance(inputs, [smoothing(node) for node in step.averages], state, rows, fresh)
        values.update({node.text: carried[k] for k, node in enumerate(step.averages)})


def _evaluate(step: _Step, values: Mapping[str, Column], n_rows: int) -> dict[str, Column]:
    """Run a step's expressions over one frame of at least two rows."""
    if not step.expressions:
        return {}
    columns = {name: values[key] for name, key in step.inputs}
    if n_rows == 1:
        # polars takes another path for frames of one row (constants are folded), with other bits.
        columns = {name: np.repeat(column, 2) for name, column in columns.items()}
    frame = pl.DataFrame(columns).select(expression for _, expression in step.expressions)
    return {
        key: frame.to_series(index).to_numpy()[:n_rows] for index, (key, _) in enumerate(step.expressions)
    }


def compile_program(outputs: Sequence[Node]) -> Program:
    """Arrange formulas so that each window, ring and expression is computed once, as early as it can be."""
    nodes: dict[str, Node] = {}
    for output in outputs:
        _collect(output, nodes)
    program = Program(tuple(outputs), frozenset(n.name for n in nodes.values() if n.kind is Kind.COLUMN))
    pending = {text: node for text, node in nodes.items() if node.kind is Kind.WINDOW}
    for node in pending.values():
        _require(program, node)
    known = set(program.base)
    wholes: set[str] = set()
    written: set[str] = set()
    while True:
        ready = _ready(pending, known)
        known.update(node.text for node in ready)
        if pending:
            wanted = [arg for node in pending.values() for arg in node.args if _is_computable(arg, known)]
        else:
            wanted = [node for node in program.outputs if node.text not in known]
        distinct = list({node.text: node for node in wanted}.values())
        program._steps.append(_step(program, ready, distinct, known, wholes, written))  # noqa: SLF001
        known.update(node.text for node in distinct)
        if not pending and all(node.text in known for node in program.outputs):
            break
    program.averages = tuple(node for step in program._steps for node in step.averages)  # noqa: SLF001
    return program


def _collect(node: Node, nodes: dict[str, Node]) -> None:
    if node.text not in nodes:
        for arg in node.args:
            _collect(arg, nodes)
        nodes[node.text] = node


def _require(program: Program, node: Node) -> None:
    """Note the memory that a window needs; a ring shared by several reaches as far as the longest of them."""
    if node.name in AVERAGES or node.name == "universe":
        return
    if node.name == "same_minute":
        key = primitives.whole_key(node, 0)
        minutes = node.rows * int(node.parameters[1])
        program._clocks[key] = max(program._clocks.get(key, 0), minutes)  # noqa: SLF001
        return
    for ring in primitives.rings_for(node):
        known = program._rings.get(ring.key)  # noqa: SLF001
        if known is None or known.reach < ring.reach:
            program._rings[ring.key] = ring  # noqa: SLF001


def _ready(pending: dict[str, Node], known: set[str]) -> list[Node]:
    """Take out of `pending` all windows whose arguments are known, also those that become so by it."""
    ready: list[Node] = []
    seen = set(known)
    while True:
        found = [node for node in pending.values() if all(arg.text in seen for arg in node.args)]
        if not found:
            return ready
        for node in found:
            del pending[node.text]
            # An average is carried after the round's windows, so what builds on it waits for the next round.
            if node.name not in AVERAGES:
                seen.add(node.text)
        ready += found


def _is_computable(node: Node, known: set[str]) -> bool:
    if node.text in known or node.kind is Kind.NUMBER:
        return node.text not in known
    return not node.is_bare and all(arg.text in known or _leaves_known(arg, known) for arg in node.args)


def _leaves_known(node: Node, known: set[str]) -> bool:
    if node.text in known or node.kind is Kind.NUMBER:
        return True
    return not node.is_bare and all(_leaves_known(arg, known) for arg in node.args)


def _step(
    program: Program,
    ready: list[Node],
    expressions: list[Node],
    known: set[str],
    wholes: set[str],
    written: set[str],
) -> _Step:
    inputs: dict[str, str] = {}
    compiled = [(node.text, to_polars(node, known, inputs)) for node in expressions]
    return _Step(
        tuple(node for node in ready if node.name in AVERAGES),
        tuple(_prepared(program, node, wholes, written) for node in ready if node.name not in AVERAGES),
        tuple((text, expression.alias(str(index))) for index, (text, expression) in enumerate(compiled)),
        tuple((name, key) for key, name in inputs.items()),
    )


def _prepared(program: Program, node: Node, wholes: set[str], written: set[str]) -> _Window:
    """Give a window the roundings and ring writes that no window before it has done."""
    rounded: list[tuple[str, str, str]] = []
    if node.name not in _UNROUNDED:
        for index, arg in enumerate(node.args):
            key = primitives.whole_key(node, index)
            if key not in wholes:
                wholes.add(key)
                rounded.append((key, arg.text, primitives.unit_of(node, index)))
    needed = [] if node.name in CLOCKED else primitives.rings_for(node)
    writes = [program._rings[ring.key] for ring in needed if ring.key not in written]  # noqa: SLF001
    written.update(ring.key for ring in writes)
    return _Window(node, tuple(rounded), tuple(writes))
