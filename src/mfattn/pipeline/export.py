"""Results as CSV."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mfattn.pipeline.errors import InputError
from mfattn.pipeline.experiment import Experiment
from mfattn.pipeline.store import check_target, make_folder, write_file


def csv_lines(experiment: Experiment, arrays: Mapping[str, NDArray[Any]], name: str | None) -> Iterator[str]:
    """Lines of the table NAME of a result, or of its first one.

    Raises
    ------
    InputError
        If the result has no such table.
    """
    tables = experiment.tables(arrays)
    if name is not None and name not in tables:
        raise InputError(f"--table: one of {', '.join(tables)}, found '{name}'")
    table = tables[name or next(iter(tables))]
    return _lines(table.columns, table.rows)


def _lines(columns: Any, rows: Any) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)
        if buffer.tell() > 2**16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def write_csv(path: Path, lines: Iterator[str]) -> None:
    """Write the lines to a file, which appears whole or not at all."""
    check_target(path)
    make_folder(path.parent)
    write_file(path, "".join(lines).encode())
