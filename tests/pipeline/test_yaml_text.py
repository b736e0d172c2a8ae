"""YAML grammar: values, places, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfattn.pipeline.errors import InputError
from mfattn.pipeline.yaml_text import dotted_name, parse_text, read_file


def value_of(text):
    return parse_text(f"key: {text}", "f.yaml").data["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-8", 1e-8),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-3.", -3.0),
        ("+12", 12),
        ("010", 10),
        ("0o10", 8),
        ("0xff", 255),
        ("12:30:00", "12:30:00"),
        ("190:20:30", "190:20:30"),
        ("yes", "yes"),
        ("on", "on"),
        ("2026-11-21", "2026-11-21"),
        ("1_000", "1_000"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'4001'", "4001"),
        ('"4001"', "4001"),
        ("-.inf", float("-inf")),
        ("nan", "nan"),
        ("[1, [2.5, x]]", (1, (2.5, "x"))),
        ("{a: 1}", {"a": 1}),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_words_are_those_of_yaml_1_2(text, value):
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_is_read_back(value):
    found = value_of(repr(value))
    assert found == value
    assert isinstance(found, float)


@given(st.integers(-(10**30), 10**30))
def test_every_whole_number_is_read_back(value):
    assert value_of(str(value)) == value


def test_keys_and_values_know_their_places():
    document = parse_text("a:\n  b: 1\n  c: [5,\n   6]\n", "f.yaml")
    assert document.keys[("a", "b")] == "f.yaml:2:3"
    assert document.values[("a", "b")] == "f.yaml:2:6"
    assert document.values[("a", "c", 1)] == "f.yaml:4:4"
    assert document.where(("a", "c", 7, "x")) == "f.yaml:3:6"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "f.yaml:1:6: not valid YAML: expected ',' or ']'"),
        ("a: 1\n b: 2", "f.yaml:2:3: not valid YAML"),
        ("a: &x 1\nb: *x", "f.yaml:1:4: not valid YAML: aliases are not supported, found 'x'"),
        ("b: *x", "f.yaml:1:4: not valid YAML: aliases are not supported, found 'x'"),
        ("a: !!python/name:os.system ''", "f.yaml:1:4: not valid YAML: tags are not supported"),
        ("a: !!int abc", "f.yaml:1:4: not valid YAML: tags are not supported"),
        ("a: !mine 3", "f.yaml:1:4: not valid YAML: tags are not supported, found '!mine'"),
        ("a: b: c", "f.yaml:1:5: not valid YAML"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: not valid YAML"),
        ("a:\n b: \x00", "f.yaml:2:5: not valid YAML: unacceptable character #x0000"),
        ("[" * 5000, "f.yaml:1:51: not valid YAML: nested in more than 50 levels"),
        ("a: !x%0Ay 1", r"f.yaml:1:4: not valid YAML: tags are not supported, found '!x\ny'"),
        (r'a: "\UFFFFFFFF"', "f.yaml:1:7: not valid YAML: a number that is too large"),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1", "f.yaml:1:9: not valid YAML: a number that is too large"),
        ("\ta: 1", "f.yaml:1:1: not valid YAML"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_place(text, message):
    with pytest.raises(InputError) as error:
        parse_text(text, "f.yaml")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: 1\nb:\n  c: 2\n  c: 3", "f.yaml:4:3: b.c: given twice (first on line 3)"),
        ("1: 2", "f.yaml:1:1: a key must be text"),
        ("[a]: 2", "f.yaml:1:1: a key must be text"),
    ],
)
def test_mistakes_are_collected(text, mistake):
    assert parse_text(text, "f.yaml").mistakes == [mistake]


def test_assignments_replace_add_and_know_that_they_came_from_the_command_line():
    document = parse_text("a: {b: 1, c: [1, 2]}", "f.yaml")
    document.set("a.b=2.5")
    document.set("a.c={x: 1}")
    document.set("d.e.f=text")
    assert document.data == {"a": {"b": 2.5, "c": {"x": 1}}, "d": {"e": {"f": "text"}}}
    assert document.where(("a", "b")) == "--set a.b=2.5"
    assert document.where(("a", "c", 1)) == "--set a.c={x: 1}"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("a.b", "--set a.b: write it as key=value"),
        ("=3", "--set =3: write it as key=value"),
        ("a..b=3", "--set a..b=3: write it as key=value"),
        ("a.b.c=3", "--set a.b.c=3: a.b is not a mapping"),
        ("a=[1", "--set a=[1: not valid YAML"),
    ],
)
def test_assignments_that_make_no_sense(assignment, message):
    with pytest.raises(InputError) as error:
        parse_text("a: {b: 1}", "f.yaml").set(assignment)
    assert str(error.value).startswith(message)


def test_names_of_paths():
    assert dotted_name(("a", "b", 3, 0, "c")) == "a.b[3][0].c"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1:1: a mapping of keys to values, found nothing"),
        (b"- 1", ":1:1: a mapping of keys to values"),
        (b"\xff\xfe", ":1:1: not UTF-8 text (byte 0)"),
        ("é: 1\né: ".encode() + b"\xff", ":2:4: not UTF-8 text (byte 10)"),
    ],
)
def test_files_that_are_no_configs(tmp_path, content, message):
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_file(path)
    assert str(error.value).startswith(f"{path}{message}")


def test_files_that_cannot_be_read(tmp_path):
    for path, reason in ((tmp_path, "Is a directory"), (tmp_path / "none.yaml", "No such file")):
        with pytest.raises(InputError, match=f"cannot be read: {reason}"):
            read_file(path)
