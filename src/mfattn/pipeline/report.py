"""A run on one self-contained HTML page."""

import base64
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from mfattn.pipeline import provenance
from mfattn.pipeline.collect import Joined, join_blocks, mixtures, read_result, recorded_provenance
from mfattn.pipeline.errors import InputError
from mfattn.pipeline.experiment import Arrays
from mfattn.pipeline.messages import clock, compact, counted, say
from mfattn.pipeline.runs import Run
from mfattn.pipeline.store import InvalidFile, check_target, make_folder, write_file
from mfattn.pipeline.work import missing_parts

Rows = list[tuple[str, str]]


def write_report(run: Run, path: Path | None = None) -> None:
    """Write the page: figure, parameters, findings, times, provenance and, where there are any, missing blocks.

    Raises
    ------
    PipelineError
        If it cannot be written.
    """
    path = path or run.folder.report
    if not run.folder.about.exists():
        raise InputError(f"{run.folder.path}: not begun; mfattn run or submit its config")
    check_target(path)
    make_folder(path.parent)
    write_file(path, render_report(run).encode())
    say("report", str(path))


def render_report(run: Run) -> str:
    """The page as text."""
    arrays, about, joined = _contents(run)
    done = run.plan.blocks - len(joined.missing) if joined else run.plan.blocks
    note = f", partial: {done} of {run.plan.blocks} blocks" if done < run.plan.blocks else ""
    facts = about.get("links", []) + about.get("blocks", [])
    template = resources.files("mfattn.pipeline").joinpath("report.html").read_text()
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(template)
    return page.render(
        name=run.name,
        run=run.plan.run,
        state=f"{done} of {counted(run.plan.blocks, 'block')}" if note else "complete",
        missing=_missing(run, joined),
        figures=_figures(run, arrays, note),
        parameters=list(
            _flat(run.experiment.config.model_dump(mode="json", by_alias=True, exclude={"slurm", "figure"}))
        ),
        findings=run.experiment.findings(arrays) if arrays else [],
        warnings=[*(run.experiment.warnings(arrays) if arrays and not note else []), *mixtures(facts)],
        times=_times(facts, about),
        provenance=_origins(facts, about),
        made=provenance.now(),
    )


def _contents(run: Run) -> tuple[Arrays, dict[str, Any], Joined | None]:
    """Arrays and provenance of the result, or of the blocks that are there."""
    try:
        return read_result(run), recorded_provenance(run), None
    except InvalidFile:
        joined = join_blocks(run.work({}))
        arrays = joined.arrays | run.experiment.derive(joined.arrays) if joined.facts else {}
        return arrays, {"blocks": joined.facts}, joined


def _missing(run: Run, joined: Joined | None) -> Rows:
    """Missing links and blocks, if any."""
    if joined is None:
        return []
    links = missing_parts(run.work({})).links
    return [
        (f"Missing {what}", compact(numbers))
        for what, numbers in (("links", links), ("blocks", joined.missing))
        if numbers
    ]


def _figures(run: Run, arrays: Arrays, note: str) -> list[str]:
    """PNG figures as the addresses of their own content."""
    files = run.experiment.draw(arrays, note) if arrays else {}
    images = [content for suffix, content in files.items() if suffix.endswith(".png")]
    return [f"data:image/png;base64,{base64.b64encode(content).decode()}" for content in images]


def _flat(value: Any, name: str = "") -> Rows:
    """Keys and values of nested sections, by dotted name, without those that are not set."""
    if isinstance(value, dict):
        return [row for key, inner in value.items() for row in _flat(inner, f"{name}.{key}" if name else key)]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [row for number, item in enumerate(value) for row in _flat(item, f"{name}[{number}]")]
    return [(name, str(value))] if value is not None else []


def _times(facts: list[dict[str, Any]], about: dict[str, Any]) -> Rows:
    seconds = [fact["seconds"] for fact in facts]
    if not seconds:
        return []
    total = sum(seconds)
    restarts = sum(int(fact.get("slurm_restarts") or 0) > 0 for fact in facts)
    return [
        ("core-hours", f"{total / 3600:.3f}"),
        (
            "blocks and links",
            f"{len(seconds):,}: {min(seconds):.1f} to {max(seconds):.1f} s, mean {total / len(seconds):.1f} s",
        ),
        ("first started", min(fact["started"] for fact in facts)),
        ("collected", about.get("finished", "not yet")),
        ("computed after a requeue", f"{restarts:,}"),
        ("if on one core", clock(total)),
    ]


def _origins(facts: list[dict[str, Any]], about: dict[str, Any]) -> Rows:
    """Where the blocks come from, each kind with its number of blocks."""
    rows: Rows = []
    for word, key in (
        ("host", "host"),
        ("processor", "processor"),
        ("vector units", "vector_units"),
        ("job", "slurm_array"),
    ):
        values = [fact[key] for fact in facts if fact.get(key)]
        rows += [(word, f"{value}   ({counted(values.count(value), 'part')})") for value in sorted(set(values))]
    programs = {str(fact["program"]): fact["program"] for fact in facts}
    for program in programs.values():
        git = program.get("git") or {}
        rows.append(("revision", git.get("describe") or git.get("revision") or "unknown"))
        rows += [(f"version of {name}", str(version)) for name, version in program.get("versions", {}).items()]
    if "result" in about:
        rows.append(("hash of the result", about["result"]))
        rows.append(("command that collected", " ".join(about.get("collected_by", {}).get("argv", []))))
    return rows
