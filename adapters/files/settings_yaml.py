"""YAML text -> plain data, with the line of every key and every problem of the text itself.

YAML 1.2, so that `no` and `on` are words. Numbers with a fraction become Decimals: money is never rounded to
a float on its way in.
"""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path = tuple[str | int, ...]
"""Where a value stands: ("costs", "taker_fee_bps"), ("universe", "instruments", 0)."""

FLOAT_TAG = "tag:yaml.org,2002:float"


@dataclass(slots=True)
class Document:
    """What a YAML text says.

    Attributes:
        data: Mappings, lists and scalars; None for a text without content.
        lines: Line (from 1) of each key or list item, by path.
        problems: (line, what is wrong and what to do), in the order found.
    """

    data: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of a path, or of its nearest ancestor that stands in the text; 1 for the whole."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def parse(text: str) -> Document:
    """Read one YAML document; what is wrong with it is in `problems`, and `data` holds the rest."""
    document = Document()
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        if root is not None:
            document.data = _Reader(yaml, document).build(root, (), ())
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        document.problems.append((line, _explain(error)))
    except YAMLError as error:
        document.problems.append(
            (1, f"is not YAML text: {str(error).splitlines()[0]}; save it as plain UTF-8")
        )
    return document


def parse_value(text: str) -> object:
    """Read the value of an environment variable as YAML: `0.5`, `true`, `[BTCUSDT, ETHUSDT]`.

    Raises:
        ValueError: The text is not one YAML value; says what is wrong.
    """
    document = parse(text)
    if document.problems:
        raise ValueError(document.problems[0][1])
    return document.data


def _explain(error: MarkedYAMLError) -> str:
    problem = str(error.problem or error.context)
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces; indent with spaces"
    if "another document" in problem:
        return "a second document begins here (`---`); keep one document in the file"
    if "mapping values are not allowed" in problem:
        return "is not valid YAML here; check the indentation, and quote a text that holds `: `"
    if "constructor for the tag" in problem:
        return "has a YAML tag (`!...`) that settings do not know; remove the tag"
    if "refers to itself" in problem:
        return f"{problem}; write the value out"
    return f"is not valid YAML: {problem}; check brackets, quotes and indentation"


class _Reader:
    """Builds plain data from YAML's nodes and notes lines and problems on the way."""

    def __init__(self, yaml: YAML, document: Document) -> None:
        self.yaml = yaml
        self.document = document

    def build(self, node: Node, path: Path, parents: tuple[int, ...]) -> object:
        """Return a node's data; `parents` are the ids of the nodes it stands in (an alias may name one)."""
        if id(node) in parents:
            problem = "a value refers to itself through an alias"
            raise ConstructorError(problem=problem, problem_mark=node.start_mark)
        parents = (*parents, id(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, path, parents)
        if isinstance(node, SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self.document.lines[(*path, index)] = item.start_mark.line + 1
                items.append(self.build(item, (*path, index), parents))
            return items
        return self._scalar(node)

    def _mapping(self, node: MappingNode, path: Path, parents: tuple[int, ...]) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._problem(key_node, "a name of a setting must be a single word, not a list or a mapping")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in mapping:
                dotted = ".".join(map(str, here))
                first = self.document.lines[here]
                self._problem(key_node, f"{dotted} stands here again (first in line {first}); keep one")
                continue
            self.document.lines[here] = key_node.start_mark.line + 1
            mapping[key] = self.build(value_node, here, parents)
        return mapping

    def _scalar(self, node: Node) -> object:
        if node.tag == FLOAT_TAG:
            try:
                number = Decimal(node.value)
            except InvalidOperation:
                pass  # .inf and .nan: left to the constructor, refused by validation
            else:
                return number
        return self.yaml.constructor.construct_object(node, deep=True)

    def _problem(self, node: Node, text: str) -> None:
        self.document.problems.append((node.start_mark.line + 1, text))
