"""Config files: from YAML text to validated, frozen values, with every mistake named at once."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from mfattn.pipeline.errors import InputError
from mfattn.pipeline.yaml_text import Document, KeyPath, dotted_name, read_file

JsonSchema = Mapping[str, Any]


class Config(BaseModel):
    """Base of all config sections: frozen, strict about types, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def mistakes(self) -> Iterator[tuple[KeyPath, str]]:
        """What the schema cannot express, as (path, message); sections override it."""
        yield from ()


_WORD = r"^[A-Za-z0-9_.,@+-]+$"
Item = TypeVar("Item")
Tuple = tuple[Item, ...]
SetupLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$", examples=["module load python"])]
SbatchOption = Annotated[
    str, Field(pattern=r"^-{1,2}[A-Za-z][^\x00-\x1f\x7f-\x9f\u2028\u2029]*$", examples=["--constraint=avx512"])
]


class SlurmConfig(Config):
    """What a cluster is asked for; changes no number."""

    partition: str | None = Field(None, pattern=_WORD, examples=["batch"], description="Partition.")
    account: str | None = Field(None, pattern=_WORD, examples=["physics"], description="Account that is charged.")
    time: str | None = Field(
        None,
        pattern=r"^([0-9]+-)?[0-9]+(:[0-9]{1,2}){0,2}$",
        examples=["12:30:00"],
        description="Time limit of an element; without it, twice what the pilot block lets expect.",
    )
    memory: str | None = Field(
        None,
        pattern=r"^[0-9]+[KMGT]?$",
        examples=["4G"],
        description="Memory of an element; without it, half as much again as the pilot block needs.",
    )
    cpus: int = Field(1, ge=1, le=1024, description="Cores of an element, each of which computes blocks.")
    elements: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Elements of the array; without it, 16, or as many as make an element last an hour.",
    )
    max_running: int | None = Field(None, ge=1, description="Elements that run at once, at most.")
    chain_jobs: int | None = Field(
        None, ge=1, le=1000, description="Jobs into which a chain is cut; without it, as many as make one last an hour."
    )
    lead: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Seconds of warning before the limit; without it, 120, or twice a block and 60.",
    )
    requeues: int = Field(5, ge=0, le=1000, description="Times that a job may put itself back into the queue.")
    patience: int = Field(
        60, ge=0, le=86400, description="Seconds in which the collector looks again for blocks that are listed late."
    )
    scratch: str = Field(
        "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}",
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$",
        examples=["/scratch/$USER"],
        description="Folder on the node for compiled kernels, as the shell reads it.",
    )
    setup: Tuple[SetupLine] = Field((), description="Shell lines that come first, such as `module load python`.")
    options: Tuple[SbatchOption] = Field((), description="Further `#SBATCH` options, such as `--constraint=avx512`.")


class RunConfig(Config):
    """Root of a config file."""

    experiment: str
    slurm: SlurmConfig = Field(SlurmConfig(), description="What a cluster is asked for; changes no number.")


Root = TypeVar("Root", bound=RunConfig)


def load(path: Path, schemas: Mapping[str, type[Root]], assignments: Sequence[str] = ()) -> Root:
    """Read the config at PATH under the schema that its key ``experiment`` names.

    Parameters
    ----------
    path : Path
    schemas : mapping of str to Config class
        Schema of each experiment.
    assignments : sequence of str
        ``key=value`` of the command line, applied in order before validation.

    Raises
    ------
    InputError
        With one line for each mistake: where, which key, what is allowed, what was found.
    """
    document = read_file(path)
    for assignment in assignments:
        document.set(assignment)
    experiment = document.data.get("experiment")
    if not isinstance(experiment, str) or experiment not in schemas:
        raise InputError(*document.mistakes, _experiment_mistake(document, experiment, schemas))
    return validate(document, schemas[experiment])


def _experiment_mistake(document: Document, found: object, schemas: Mapping[str, Any]) -> str:
    allowed = f"one of {', '.join(schemas)}"
    if "experiment" not in document.data:
        return f"{document.where(())}: experiment: missing; {allowed}"
    return f"{document.where(('experiment',))}: experiment: {allowed}, found {describe_value(found)}"


def validate(document: Document, schema: type[Root]) -> Root:
    """The values of DOCUMENT under SCHEMA, or InputError with all mistakes."""
    mistakes = list(document.mistakes)
    try:
        config = schema.model_validate(document.data)
    except ValidationError as error:
        root = _json_schema(schema)
        details = [detail for detail in error.errors(include_url=False) if not _follows(detail)]
        mistakes += [_mistake(document, root, detail) for detail in details]
        raise InputError(*dict.fromkeys(mistakes)) from None
    mistakes += [f"{document.where(path)}: {dotted_name(path)}: {message}" for path, message in config.mistakes()]
    if mistakes:
        raise InputError(*mistakes)
    return config


@cache
def _json_schema(schema: type[RunConfig]) -> JsonSchema:
    return schema.model_json_schema()


def _follows(detail: ErrorDetails) -> bool:
    """Whether a list is called too short only because items of it were refused, each with a mistake of its own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _mistake(document: Document, root: JsonSchema, detail: ErrorDetails) -> str:
    """One validation error as one line."""
    path, node, parent = _resolve(root, detail["loc"])
    kind = detail["type"]
    if kind == "union_tag_not_found" or kind == "union_tag_invalid":
        path = (*path, node["discriminator"]["propertyName"])
        allowed = f"one of {', '.join(node['discriminator']['mapping'])}"
        if not document.has(path):
            return f"{document.where(path[:-1])}: {dotted_name(path)}: missing; {allowed}"
        found = describe_value(detail["input"][path[-1]])
        return f"{document.where(path)}: {dotted_name(path)}: {allowed}, found {found}"
    if kind == "missing" and isinstance(path[-1], int):
        path, node = path[:-1], parent
    elif kind == "missing":
        return f"{document.where(path[:-1])}: {dotted_name(path)}: missing"
    if kind == "extra_forbidden":
        known = list(parent.get("properties", {}))
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"allowed are {', '.join(known)}"
        return f"{document.where(path, key=True)}: {dotted_name(path)}: unknown key; {hint}"
    return (
        f"{document.where(path)}: {dotted_name(path)}: {describe(root, node)}, found {describe_value(detail['input'])}"
    )


def _resolve(root: JsonSchema, location: Sequence[str | int]) -> tuple[KeyPath, JsonSchema, JsonSchema]:
    """Path in the document, schema, and schema of what contains it, for a location that pydantic names."""
    path: list[str | int] = []
    node, parent = root, root
    for part in location:
        node = dereference(root, node)
        if "anyOf" in node:
            # What is left names a branch of the union, not a key.
            break
        variants = node.get("discriminator", {}).get("mapping", {})
        if part in variants:
            node = {"$ref": variants[part]}
            continue
        parent = node
        path.append(part)
        if isinstance(part, int):
            items = node.get("prefixItems")
            node = items[part] if items and part < len(items) else node.get("items", {})
        else:
            node = node.get("properties", {}).get(part, {})
    return tuple(path), dereference(root, node), parent


def dereference(root: JsonSchema, node: JsonSchema) -> JsonSchema:
    """The schema that NODE stands for: follows references, and the nullable wrapper of optional keys."""
    while True:
        if "$ref" in node:
            node = root["$defs"][node["$ref"].rsplit("/", 1)[1]]
            continue
        concrete = [option for option in node.get("anyOf", ()) if option.get("type") != "null"]
        if len(concrete) != 1:
            return node
        node = concrete[0]


def describe(root: JsonSchema, node: JsonSchema) -> str:
    """What a schema allows, in words: ``a whole number above 0``."""
    node = {**dereference(root, node), **{key: node[key] for key in ("examples",) if key in node}}
    if "const" in node:
        return f"'{node['const']}'"
    if "enum" in node:
        return f"one of {', '.join(map(str, node['enum']))}"
    if "anyOf" in node:
        return " or ".join(describe(root, option) for option in node["anyOf"])
    if "discriminator" in node:
        return f"a mapping with {node['discriminator']['propertyName']}"
    if node.get("type") in ("integer", "number"):
        return _describe_number(node)
    if node.get("type") == "array":
        return _describe_list(root, node)
    if "pattern" in node and "examples" in node:
        return f"text such as '{node['examples'][0]}'"
    return {"string": "text", "boolean": "true or false", "object": "a mapping"}.get(node.get("type", ""), "a value")


def _describe_number(node: JsonSchema) -> str:
    words = "a whole number" if node["type"] == "integer" else "a finite number"
    if "minimum" in node and "maximum" in node:
        return f"{words} from {_number(node['minimum'])} to {_number(node['maximum'])}"
    bounds = (("of at least", "minimum"), ("above", "exclusiveMinimum"), ("of at most", "maximum"))
    given = [f"{relation} {_number(node[key])}" for relation, key in bounds if key in node]
    if "exclusiveMaximum" in node:
        given.append(f"below {_number(node['exclusiveMaximum'])}")
    return " ".join([words, " and ".join(given)]) if given else words


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _describe_list(root: JsonSchema, node: JsonSchema) -> str:
    if "prefixItems" in node:
        return f"a list of {len(node['prefixItems'])}, each {describe(root, node['prefixItems'][0])}"
    least = f" of at least {node['minItems']}" if "minItems" in node else ""
    return f"a list{least}, each {describe(root, node['items'])}"


def describe_value(value: object) -> str:
    """A value as a person would name it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value) if isinstance(value, float) or abs(value) < 10**30 else "a larger one"
    if isinstance(value, str):
        return f"'{value if len(value) <= 40 else value[:37] + '...'}' (text)"
    if isinstance(value, Mapping):
        return "a mapping"
    return f"a list of {len(value)}" if isinstance(value, Sequence) else type(value).__name__
