"""YAML text to plain values that remember where they stood.

Grammar: PyYAML's safe loader with the numbers and words of YAML 1.2 (``1e-8`` is a number; ``12:30:00``, ``yes`` and
``on`` are text), without anchors, aliases and tags, every key given once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mfattn.pipeline.errors import InputError

KeyPath = tuple[str | int, ...]

DEEPEST = 50
"""Levels of nesting that no config needs."""


class _Loader(yaml.SafeLoader):
    """Safe loader whose untagged words are those of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 -- PyYAML's own protocol, replaced so as not to inherit

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        for word in ("anchor", "tag"):
            if getattr(event, word, None) is not None:
                kind = "aliases" if word == "anchor" else "tags"
                found = getattr(event, word)
                raise yaml.composer.ComposerError(
                    None, None, f"{kind} are not supported, found '{found}'", event.start_mark
                )
        if self.depth == DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"nested in more than {DEEPEST} levels", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver(_TAG + "null", re.compile("^$"), [""])

LONGEST_NUMBER = 400
"""Digits beyond which a number is a slip of the keyboard."""


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int" and len(text) <= LONGEST_NUMBER:
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base)
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


@dataclass
class Document:
    """Values of a config, and where each key and value stands.

    Sequences are tuples, so that values are frozen.
    """

    name: str
    data: dict[str, Any]
    keys: dict[KeyPath, str] = field(default_factory=dict)
    values: dict[KeyPath, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def has(self, path: KeyPath) -> bool:
        """Whether the document gives a value at PATH."""
        return path in self.values

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """Place of the value (or the key) at PATH, or of what contains it."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, self.name)

    def set(self, assignment: str) -> None:
        """Apply one ``key=value`` of the command line; the value is YAML.

        Raises
        ------
        InputError
            If the assignment has no ``=``, its value is not YAML, or its key leads through something that is not a
            mapping.
        """
        place = f"--set {assignment}"
        dotted, equals, text = assignment.partition("=")
        path: KeyPath = tuple(dotted.strip().split("."))
        if not equals or not all(path):
            raise InputError(f"{place}: write it as key=value, for example sweep.num=401")
        value = parse_text(text, place, at=path)
        parent = self.data
        for depth, name in enumerate(path[:-1], 1):
            parent = parent.setdefault(str(name), {})
            if not isinstance(parent, dict):
                raise InputError(f"{place}: {'.'.join(map(str, path[:depth]))} is not a mapping")
            self.values.setdefault(path[:depth], place)
        parent[str(path[-1])] = value.data
        for places in (self.keys, self.values):
            for stale in [known for known in places if known[: len(path)] == path]:
                del places[stale]
        self.keys.update(value.keys)
        self.values.update(value.values)
        self.keys[path] = self.values[path] = place
        self.mistakes += value.mistakes


def parse_text(text: str, name: str, *, at: KeyPath = ()) -> Document:
    """Parse YAML TEXT; the places of the mistakes name NAME, with line and column where it is a file (AT is empty).

    Raises
    ------
    InputError
        If the text is not YAML.
    """

    def place(mark: Any) -> str:
        return name if at else f"{name}:{mark.line + 1}:{mark.column + 1}"

    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        where = name if at else _place_after(text[: error.position], name)
        raise InputError(f"{where}: not valid YAML: {str(error).splitlines()[0]}") from None
    try:
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(f"{place(mark)}: not valid YAML: {error.problem or error.context}") from None
    except (ValueError, OverflowError):
        # PyYAML converts the digits of \U and %YAML unchecked.
        mark = loader.get_mark()
        raise InputError(f"{place(mark)}: not valid YAML: a number that is too large") from None
    finally:
        loader.dispose()
    document = Document(name, {})
    document.data = _build(root, at, document, place) if root is not None else None  # type: ignore[assignment]
    return document


def _place_after(text: str, name: str) -> str:
    """Place in the file NAME of what follows TEXT."""
    *_, last = lines = text.split("\n")
    return f"{name}:{len(lines)}:{len(last) + 1}"


def _build(node: yaml.Node, path: KeyPath, document: Document, place: Any) -> Any:
    document.values[path] = place(node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return tuple(_build(child, (*path, index), document, place) for index, child in enumerate(node.value))
    if isinstance(node, yaml.MappingNode):
        return dict(_items(node, path, document, place))
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node)


def _items(node: yaml.MappingNode, path: KeyPath, document: Document, place: Any) -> Iterator[tuple[str, Any]]:
    first_lines: dict[str, int] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is None or key.tag != _TAG + "str":
            document.mistakes.append(f"{place(key.start_mark)}: a key must be text")
            continue
        dotted = dotted_name((*path, name))
        if name in first_lines:
            first = first_lines[name]
            document.mistakes.append(f"{place(key.start_mark)}: {dotted}: given twice (first on line {first})")
            continue
        first_lines[name] = key.start_mark.line + 1
        document.keys[(*path, name)] = place(key.start_mark)
        yield name, _build(value, (*path, name), document, place)


def dotted_name(path: KeyPath) -> str:
    """``start.context.attention[2]`` for a path of keys and indices."""
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    return name


def read_file(path: Path) -> Document:
    """Parse the YAML file at PATH, whose root must be a mapping.

    Raises
    ------
    InputError
        If the file cannot be read or is not YAML text, or holds anything but a mapping.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = _place_after(content[: error.start].decode("utf-8"), str(path))
        raise InputError(f"{where}: not UTF-8 text (byte {error.start})") from None
    document = parse_text(text, str(path))
    if not isinstance(document.data, dict):
        mistakes = document.mistakes or [
            f"{path}:1:1: a mapping of keys to values, found {'nothing' if document.data is None else 'something else'}"
        ]
        raise InputError(*mistakes)
    return document
