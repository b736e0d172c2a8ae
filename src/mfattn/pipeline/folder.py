"""The folder of a run: which files it holds, and what they must hold to be its own.

    NAME-HASH/plan.json          grid and block size
              config.json        the config, as it was understood
              run.json           the run's name, and where its figures go
              links/00003.npz    arrays of a link of a chain; immutable
              blocks/00012.npz   arrays of a block; immutable
              result.npz         arrays of the whole grid
              provenance.json    how the result came about
              submissions/0001/  what was given to a cluster, with the scripts
              logs/              what its jobs wrote
              report.html        the run on one page

A block or a link names its run and its range; one that does not is not used.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfattn.pipeline.experiment import ArrayLayout, Arrays
from mfattn.pipeline.plan import Plan
from mfattn.pipeline.store import (
    InvalidFile,
    create_file,
    make_folder,
    pack_arrays,
    read_arrays,
    read_members,
    unpack_array,
    unpack_layout,
    write_file,
)

_HEADER = "about_this_block"


@dataclass(frozen=True)
class Part:
    """A block or a link: its file, the run and range that the file must name, and the arrays that it must hold."""

    path: Path
    header: Mapping[str, Any]
    layout: Mapping[str, ArrayLayout]

    def write(self, arrays: Arrays, about: Mapping[str, Any]) -> None:
        """Write the arrays, with what is worth knowing ABOUT their computation."""
        make_folder(self.path.parent)
        named = np.array(json.dumps({**self.header, "about": dict(about)}))
        write_file(self.path, pack_arrays({**arrays, _HEADER: named}))

    def read(self) -> tuple[Arrays, dict[str, Any]]:
        """The arrays, and what was noted about them.

        Raises
        ------
        InvalidFile
            If the file is missing, broken, of another run or range, or its arrays are not those of the layout.
        """
        arrays = read_arrays(self.path)
        about = self._about(arrays.pop(_HEADER, None))
        self._check({name: ArrayLayout(array.shape, array.dtype) for name, array in arrays.items()})
        return arrays, about

    def check(self) -> None:
        """Raise as `read` does, and inflate no numbers, which is faster."""

        def read(content: bytes, member: zipfile.ZipInfo) -> Any:
            return (unpack_array if member.filename == f"{_HEADER}.npy" else unpack_layout)(content, member)

        members = read_members(self.path, read)
        self._about(members.pop(_HEADER, None))
        self._check(members)

    def _about(self, named: NDArray[Any] | None) -> dict[str, Any]:
        try:
            found = json.loads(str(named))
            about: dict[str, Any] = found.pop("about")
        except (AttributeError, KeyError, ValueError, TypeError):
            raise InvalidFile("it does not say which block it is") from None
        if found != self.header:
            raise InvalidFile("it is a block of another run or range")
        return about

    def _check(self, layout: Mapping[str, ArrayLayout]) -> None:
        if dict(layout) != dict(self.layout):
            raise InvalidFile("its arrays are not the plan's")


class RunFolder:
    """Files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.result = path / "result.npz"
        self.provenance = path / "provenance.json"
        self.plan_path = path / "plan.json"
        self.config = path / "config.json"
        self.about = path / "run.json"
        self.logs = path / "logs"
        self.submissions = path / "submissions"
        self.report = path / "report.html"
        self._blocks = path / "blocks"
        self._links = path / "links"

    def open(self, plan: Plan) -> Plan:
        """Make the folder and write PLAN; where it has one already, that one is returned and kept.

        Raises
        ------
        RunError
            If the plan cannot be written.
        InputError
            If the folder cannot be made.
        InvalidFile
            If the plan in the folder is not of this run.
        """
        make_folder(self._blocks)
        create_file(self.plan_path, plan.to_json().encode())
        return self.kept_plan(plan) or plan

    def kept_plan(self, plan: Plan) -> Plan | None:
        """The plan with which the run of PLAN was begun in this folder, if it was.

        Raises
        ------
        InvalidFile
            If the file is not a plan, or one of another run.
        """
        try:
            kept = Plan.from_json(self.plan_path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InvalidFile(f"not a plan ({error})") from None
        if (kept.run, kept.points) != (plan.run, plan.points):
            raise InvalidFile("the plan of another run")
        return kept

    def block_path(self, block: int) -> Path:
        """File of BLOCK."""
        return self._blocks / f"{block:05d}.npz"

    def link_path(self, link: int) -> Path:
        """File of LINK."""
        return self._links / f"{link:05d}.npz"

    def block(self, plan: Plan, block: int, layout: Mapping[str, ArrayLayout]) -> Part:
        """BLOCK of the run, whose arrays are those of LAYOUT."""
        points = plan.points_of(block)
        header = {"run": plan.run, "start": points.start, "stop": points.stop}
        return Part(self.block_path(block), header, layout)

    def link(self, plan: Plan, link: int, stages: range, layout: Mapping[str, ArrayLayout]) -> Part:
        """LINK of the run, which holds some STAGES of the walk, and whose arrays are those of LAYOUT."""
        header = {"run": plan.run, "link": link, "start": stages.start, "stop": stages.stop}
        return Part(self.link_path(link), header, layout)
