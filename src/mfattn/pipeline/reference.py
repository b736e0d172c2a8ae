"""Reference of all keys of a config, as Markdown, from its schema."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mfattn.pipeline.config import JsonSchema, RunConfig, SlurmConfig, dereference, describe

_INTRODUCTION = """\
# Keys of the config files

Made by `mfattn schema --markdown`; do not edit. Any key can be set on the command line as well:
`--set sweep.num=401`, and with quotes where the shell needs them: `--set 'figure.features=[1, 2]'`.

A list is set as a whole; `memories[].radii` below is a key of every item of the list `memories`.

The files are YAML 1.2: `1e-8` is a number, `12:30:00` and `yes` are text. Every key is given once. Anchors,
aliases and tags (`&name`, `*name`, `!name`) are not supported. A key below an optional section is required where that
section is given.

Features and their numbers are counted from 1, rows of weights and patterns from 0. A parameter that the sweep sets is
ignored in `model`. A result may hold 8 GiB, a grid 10,000,000 points, and each kind of drawn weights 4,000,000 numbers
(features times `template`).
"""


def markdown(schemas: Mapping[str, type[RunConfig]]) -> str:
    """The reference of all experiments."""
    parts = [_INTRODUCTION]
    for name, schema in schemas.items():
        root = schema.model_json_schema()
        own = {key: entry for key, entry in root["properties"].items() if key not in RunConfig.model_fields}
        own = {"experiment": root["properties"]["experiment"]} | own
        parts.append(f"\n## `experiment: {name}`\n\n{root['description'].splitlines()[0]}\n")
        parts += _table(_rows(root, {**root, "properties": own}, ""))
    root = SlurmConfig.model_json_schema()
    parts.append(f"\n## `slurm`, in every config\n\n{root['description'].splitlines()[0]}\n")
    parts += _table(_rows(root, root, "slurm."))
    return "".join(parts)


def _table(rows: Iterator["_Row"]) -> Iterator[str]:
    yield "\n| key | what it is | allowed | default |\n|---|---|---|---|\n"
    for key, what, allowed, default in rows:
        yield f"| `{key}` | {what} | {allowed} | {default} |\n"


class _Row(NamedTuple):
    key: str
    what: str
    allowed: str
    default: str


def _rows(root: JsonSchema, node: JsonSchema, prefix: str) -> Iterator[_Row]:
    """Rows of all keys below NODE."""
    required = node.get("required", ())
    for name, entry in node["properties"].items():
        target = dereference(root, entry)
        key = f"{prefix}{name}"
        what = entry.get("description") or target.get("description", "")
        default = "required" if name in required else _default(entry)
        yield _Row(key, what, describe(root, entry), default)
        yield from _rows_below(root, target, key)


def _rows_below(root: JsonSchema, target: JsonSchema, key: str) -> Iterator[_Row]:
    """Rows of the keys of a section, of its variants, or of the items of a list of sections."""
    if target.get("type") == "array" and "items" in target:
        yield from _rows_below(root, dereference(root, target["items"]), f"{key}[]")
    if "properties" in target:
        yield from _rows(root, target, f"{key}.")
    for variant, reference in target.get("discriminator", {}).get("mapping", {}).items():
        yield from _variant_rows(root, f"{key}.", target["discriminator"]["propertyName"], variant, reference)


def _variant_rows(root: JsonSchema, prefix: str, tag: str, variant: str, reference: str) -> Iterator[_Row]:
    """Rows of one variant of a section; its tag, which all variants have, comes first."""
    rows = list(_rows(root, dereference(root, {"$ref": reference}), prefix))
    for row in sorted(rows, key=lambda row: row.key != prefix + tag):
        place = f"{prefix.removesuffix('.')}: {{{tag}: {variant}}}"
        yield row._replace(key=place) if row.key == prefix + tag else row._replace(what=f"({variant}) {row.what}")


def _default(entry: Mapping[str, Any]) -> str:
    value = entry.get("default")
    return "optional" if value is None or isinstance(value, Mapping) else f"`{value}`"
