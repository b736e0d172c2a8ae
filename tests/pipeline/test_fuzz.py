"""Mutated configs: each is accepted and can be used, or is refused with the place of every mistake.

Every file of cfgs/ is mutated more than a thousand times, alike in every run. A mutation is an edit or a few, and an
edit puts a text in the place of the characters from a start to an end. Lone surrogates in these texts stand for bytes
that are not UTF-8.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from mfattn.cli import main
from mfattn.experiments import CONFIGS, make_experiment
from mfattn.meanfield import FIELDS
from mfattn.pipeline.config import RunConfig, load
from mfattn.pipeline.errors import BAD_INPUT, COMPLETE, InputError
from mfattn.pipeline.plan import run_hash

CONFIG_FOLDER = Path(__file__).parents[2] / "cfgs"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(CONFIG_FOLDER.glob("*.yaml"))}

MUTATIONS, CHECKED_MUTATIONS = 480, 60
"""Mutations of a config by each kind of edits, and those that are given to the command."""

Edit = tuple[int, int, str]

NUMBERS = ["0", "-0", "-1", "2", "3.0", "-0.5", "1e-320", "1e308", "-1e308", "1e400", "-1e400", ".inf", "-.inf", ".nan"]
NUMBERS += ["nan", "0o17", "1_000", "4294967296", "1" + "0" * 40, "-" + "9" * 400, "9" * 401, "0x" + "f" * 398]
WORDS = ["", "~", "true", "''", "auto", "random", "assigned", "epsilon", "2026-11-21", "β", "@a", "`a`", "%a"]
WORDS += ["x" * 5000, r'"\ud800"', r'"\UFFFFFFFF"', r'"a\nb\u2028\e[31m"', r'"\0"', "|\n  a\n  b", "'a\n\n  b'"]
NESTED = ["[" * depth + "1" + "]" * depth for depth in (2, 40, 600)]
NESTED += ["{a: " * depth + "1" + "}" * depth for depth in (2, 40, 600)]
COLLECTIONS = ["[]", "[[]]", "[null]", "[1, 2]", "[1, -1e308, a]", "[1, 1]", "{}", "{a: 1}", "{'': 1}", "{1: 2, ~: 3}"]
COLLECTIONS += ["{[a]: 1}", "{? {a: 1} : 2}", r'{"a\nb": 1}', r'{"\ud800": 1}', "{<<: {a: 1}}", "{a: 1, a: 2}", "a: b"]
BEYOND = ["&a 1", "*a", "&a [*a]", "!!python/object/apply:os.system [exit 1]", "!!python/name:os.system", "!!int x"]
BEYOND += ["!!binary aGk=", "!!set {a, b}", "!mine 1", "!a%0Ab 1", "!<x> 1", "!!float 1"]
VALUES = [*NUMBERS, *WORDS, *NESTED, *COLLECTIONS, *BEYOND]
"""What is put in the place of a value, beside the values of all configs."""

KEYS = ["bogus", "''", "1", "~", "<<", "?", "[a]", "*a", "&a", "!!str", "β", "? x", r'"\ud800"', r'"a\nb"', "k" * 1100]
"""What is put in the place of a key, beside the keys of all configs."""

ENSEMBLES = ["{ensemble: gaussian, template: 99, seed: 1}", "{ensemble: product, template: 99, seed: 1, rng: legacy}"]
POSITION = ", ".join(f"{kind}: [[1, 1], [1, -1], [-1, -1]]" for kind in FIELDS)
PATTERNS = ", ".join(f"{kind}: [0, 1, 1]" for kind in FIELDS)
ENSEMBLES += [f"{{ensemble: assigned, base_patterns: 2, patterns: {{{PATTERNS}}}, position: {{{POSITION}}}}}"]
FURTHER = [*(("weights", ensemble) for ensemble in ENSEMBLES), ("start", "{pattern: 1}"), ("features", "[2, 1]")]
FURTHER += [("parameter", "epsilon"), ("keep_orbits", "[1.25]"), ("figure", "{section: [], observables: [attention]}")]
FURTHER += [("slurm", "{partition: a, time: 12:30:00, memory: 4G, setup: [module load a], options: [--qos=a]}")]
FURTHER += [("slurm", f"{{{key}: {value}}}") for key, value in (("setup", r'["\ud800"]'), ("time", "1"), ("cpus", "0"))]
"""Keys and values that no config has."""

CHARACTERS = ["\0", "\x07", "\x1b", "\x7f", "\x85", "\xa0", "\u2028", "\ufeff", "\ufffe", "\U0001f600", "\r", "\r\n"]
CHARACTERS += ["\t", "\n", "\n\n", " ", "  ", "\udcff", "\udcc3", "\udced\udca0\udc80", "\udcf0\udc9f"]
MARKS = [*"[]{}'\"&*!|>%@`?-\\~<=#,:", " #", ": ", "? ", "- ", "---\n", "\n...\n", "\n---\n", "%YAML 9.9\n---\n"]
MARKS += [f"%YAML 1.{'9' * 5000}\n---\n", "%TAG ! tag:x,1:\n---\n", r"\x", r"\ud800", r"\U00110000"]
MARKS += ["[" * 3000, "{a: " * 600, "- " * 600, "? " * 600, "".join(f"\n{' ' * depth}a:" for depth in range(300))]
JUNK = [*CHARACTERS, *MARKS]
"""What is put anywhere in the text."""


class Entry(NamedTuple):
    """Where a key and its value stand, and what parts them from a neighbour."""

    key: slice
    value: slice
    separator: str


@cache
def entries_of(name: str) -> list[Entry]:
    """Every key of a config with its value."""
    return [
        Entry(_span(name, key), _span(name, value), ", " if node.flow_style else "\n" + " " * key.start_mark.column)
        for node in _nodes(name)
        if isinstance(node, yaml.MappingNode)
        for key, value in node.value
    ]


@cache
def values_of(name: str) -> list[slice]:
    """Every value of a config, every item of its lists, and the whole."""
    return [_span(name, node) for node in _nodes(name)]


@cache
def _nodes(name: str) -> list[yaml.Node]:
    def walk(node: yaml.Node) -> Iterator[yaml.Node]:
        yield node
        for child in node.value if isinstance(node, yaml.CollectionNode) else ():
            yield from walk(child[1] if isinstance(child, tuple) else child)

    return list(walk(yaml.compose(TEXTS[name], yaml.SafeLoader)))


def _span(name: str, node: yaml.Node) -> slice:
    start, end = node.start_mark.index, node.end_mark.index
    return slice(start, start + len(TEXTS[name][start:end].rstrip()))


ENTRIES = [(text[entry.key], text[entry.value]) for name, text in TEXTS.items() for entry in entries_of(name)]
ENTRIES += FURTHER
VALUES_OF_KEY = {key: sorted({value for name, value in ENTRIES if name == key}) for key, _ in ENTRIES}
entries = st.sampled_from(ENTRIES) | st.sampled_from(FURTHER)
new_keys = st.sampled_from(sorted(VALUES_OF_KEY) + KEYS)
new_values = st.one_of(
    st.sampled_from(VALUES),
    st.sampled_from(VALUES),
    st.sampled_from(sorted({value for _, value in ENTRIES if len(value) < 200})),
    st.integers(-(10**8), 10**8).map(str),
    st.floats().map(repr),
    st.lists(st.sampled_from([*NUMBERS, "1", "-1", "x"]), max_size=4).map(lambda items: f"[{', '.join(items)}]"),
)


@st.composite
def edits_of_structure(draw: st.DrawFn, name: str) -> Edit:
    """A value replaced; or a key removed, renamed, misspelt, doubled, added, or given another config's value."""
    text = TEXTS[name]
    if draw(st.booleans()):
        value = draw(st.sampled_from(values_of(name)))
        return value.start, value.stop, draw(new_values)
    key, value, separator = draw(st.sampled_from(entries_of(name)))
    match draw(st.sampled_from(("remove", "rename", "misspell", "double", "add", "append", "borrow"))):
        case "remove":
            beyond = len(separator) if text.startswith(separator, value.stop) else 0
            return key.start, value.stop + beyond, ""
        case "rename":
            return key.start, key.stop, draw(new_keys)
        case "misspell":
            place = draw(st.integers(key.start, key.stop))
            return place, place + draw(st.integers(0, 1)), draw(st.sampled_from(["", *"ax_X0ß"]))
        case "double":
            return key.start, key.start, text[key.start : value.stop] + separator
        case "add":
            return key.start, key.start, f"{draw(new_keys)}: {draw(new_values)}{separator}"
        case "append":
            return len(text), len(text), f"{': '.join(draw(entries))}\n"
        case "borrow":
            return value.start, value.stop, draw(st.sampled_from(VALUES_OF_KEY[text[key]]))


@st.composite
def edits_of_text(draw: st.DrawFn, name: str) -> Edit:
    """Characters or lines removed, doubled, exchanged, indented, or put in from elsewhere; or the rest cut off."""
    text = TEXTS[name]
    start = draw(st.integers(0, len(text)))
    end = min(start + draw(st.integers(0, 12)), len(text))
    if draw(st.booleans()):
        # The whole line.
        start, end = text.rfind("\n", 0, start) + 1, text.find("\n", start) + 1 or len(text)
    match draw(st.sampled_from(("remove", "double", "exchange", "indent", "junk", "any", "merge", "truncate"))):
        case "remove":
            return start, end, ""
        case "double":
            return end, end, text[start:end]
        case "exchange":
            beyond = min(end + draw(st.integers(1, 80)), len(text))
            return start, beyond, text[end:beyond] + text[start:end]
        case "indent":
            return start, min(start + draw(st.integers(0, 3)), end), draw(st.sampled_from(("", " ", "  ", "\t", " \t")))
        case "junk":
            return start, draw(st.sampled_from((start, end))), draw(st.sampled_from(JUNK))
        case "any":
            return start, draw(st.sampled_from((start, end))), draw(st.text(max_size=4))
        case "merge":
            lines = TEXTS[draw(st.sampled_from(sorted(TEXTS)))].splitlines(keepends=True)
            first = draw(st.integers(0, len(lines) - 1))
            return start, draw(st.sampled_from((start, end))), "".join(lines[first : first + draw(st.integers(1, 6))])
        case "truncate":
            return start, len(text), ""


def mutations(name: str, edits: st.SearchStrategy[Edit]) -> st.SearchStrategy[bytes]:
    """A config after one edit or a few that do not overlap."""

    def edited(chosen: list[Edit]) -> bytes:
        text = TEXTS[name]
        kept = len(text)
        for start, end, new in sorted(chosen, reverse=True):
            if end <= kept:
                text = text[:start] + new + text[end:]
                kept = start
        return text.encode("utf-8", "surrogateescape")

    return st.one_of(st.tuples(edits), st.lists(edits, min_size=1, max_size=4)).map(edited)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def check_message(path: Path, message: str) -> None:
    """State that every line begins with the file, and a line and a column in it."""
    lines = 1 + len(re.findall(b"\r\n|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]", path.read_bytes()))
    assert message
    for mistake in message.splitlines():
        assert mistake.startswith(f"{path}:"), mistake
        place = re.match(r"(\d+):(\d+): .", mistake.removeprefix(f"{path}:"))
        assert place is not None, mistake
        assert 1 <= int(place[1]) <= lines and int(place[2]) >= 1, mistake


def check_usable(config: RunConfig) -> None:
    """Ask of an experiment everything that costs no computation."""
    experiment = make_experiment(config)
    assert experiment.points >= 1 and experiment.block_size >= 1 and experiment.steps_per_point >= 1
    assert experiment.estimate() >= 0
    assert run_hash(experiment.identity())
    assert all(word and text for word, text in experiment.describe())
    assert experiment.layout(range(1))
    if experiment.chain is not None:
        assert experiment.chain.links >= 1 and experiment.chain.steps >= 0 and experiment.chain.layout(0)


@pytest.mark.parametrize("edits", [edits_of_text, edits_of_structure])
@pytest.mark.parametrize("name", TEXTS)
def test_a_mutated_config_is_usable_or_refused_with_places(folder, name, edits):
    path = folder / f"{name}.yaml"

    @seed(name)
    @settings(max_examples=MUTATIONS)
    @given(mutations(name, edits(name)))
    def check(content):
        path.write_bytes(content)
        try:
            config = load(path, CONFIGS)
        except InputError as error:
            check_message(path, str(error))
        else:
            check_usable(config)

    check()


@pytest.mark.parametrize("name", TEXTS)
def test_the_command_accepts_a_mutated_config_or_says_what_is_wrong(folder, name):
    path = folder / f"{name}.yaml"

    @seed(name)
    @settings(max_examples=CHECKED_MUTATIONS)
    @given(mutations(name, edits_of_text(name) | edits_of_structure(name)))
    def check(content):
        path.write_bytes(content)
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            status = main(["check", str(path)])
        output, errors = (stream.buffer.getvalue().decode() for stream in streams)
        assert status in (COMPLETE, BAD_INPUT)
        if status == COMPLETE:
            assert (output, errors) == (f"{path}: valid\n", "")
        else:
            assert output == ""
            check_message(path, errors)

    check()
