"""``skysteer show``: one run explained to somebody who was not there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._errors import errors_said
from ._folder import check_picture
from ._runs import FOLDER

if TYPE_CHECKING:
    from ._account import Account, Measured, Remark

__all__ = ["FolderOption", "RunArgument", "account_in", "plain", "show"]

MOST, ENDS = 60, 20
"""So many points are shown whole; of more, so many from the beginning and from the end."""
REMARKS = 40
"""So many decisions are shown between these."""

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Its uid, or the first letters of it (4 or more), the name or path of its file, or last: the newest.",
    ),
]
FolderOption = Annotated[Path, typer.Option("--folder", help="The folder of runs.")]


def show(
    run: RunArgument = "last",
    *,
    folder: FolderOption = FOLDER,
    points: Annotated[
        str | None, typer.Option(metavar="N..M", show_default=False, help="These points only: 5..12, 5.. or ..12.")
    ] = None,
    point: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default=False, help="Everything about one point: why it was measured."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Draw the run into this file (PNG).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it in JSON, and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Explain a run: what was looked for, by whom, and for every point why it was measured there.

    Between the points stands what else was decided: points that were given up,
    answers that were refused, verdicts of watchdogs, what people asked for by
    hand, and where the run was cut off and resumed.

    Exit code: 0, or 1 after an error.
    """
    with errors_said("skysteer show", debug=debug):
        from ._wording import say, width

        if point is not None and points is not None:
            raise typer.BadParameter("--point and --points: one of them, please")
        if picture is not None:
            check_picture(picture)
        account = account_in(folder, run)
        if as_json:
            shown = _chosen(account, points) if points else account.timeline
            if point is not None:
                from ._audit import audit_dict

                typer.echo(json.dumps(plain(audit_dict(account, _the_point(account, point))), indent=2))
            else:
                typer.echo(json.dumps(plain(_as_dict(account, shown)), indent=2))
        elif point is not None:
            from ._audit import audit

            say(audit(account, _the_point(account, point), width()))
        else:
            say(_text(account, points, width()))
        if picture is not None:
            from ._show_picture import draw_account

            draw_account(picture, account)
            typer.echo(f"picture: {picture}", err=as_json)


def account_in(folder: Path, run: str) -> Account:
    """Return the account of a run in a folder; of one without decisions, what its events tell.

    Raises
    ------
    RecordError
        If there is no such run.
    """
    from skysteer.errors import RecordError
    from skysteer.stores import Record, find

    from ._measurements import bare_account
    from ._teller import account_of

    path = Path(run).expanduser()
    if path.is_file():
        folder, run = path.absolute().parent, path.name
    entry = find(folder, run)
    if entry.kind == "measurement":
        try:
            record = Record.read(folder, entry.uid)
        except RecordError as exc:
            return bare_account(entry, str(exc))
    else:
        record = Record.read(folder, entry.uid)
    return account_of(record)


def plain(value: Any) -> Any:
    """Return a value as JSON takes it; what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _text(account: Account, points: str | None, columns: int) -> list[str]:
    from ._account_header import header
    from ._account_table import rows

    lines = [] if points else [*header(account, columns), ""]
    if points:
        return rows(account, columns, _chosen(account, points))
    many = len(account.points)
    if many <= MOST:
        return [*lines, *rows(account, columns, account.timeline), *_legend(account, columns)]
    first, last = _chosen(account, f"..{ENDS}"), _chosen(account, f"{many - ENDS + 1}..")
    between = _between(account, ENDS + 1, many - ENDS)
    return [*lines, *rows(account, columns, [*first, *between, *last]), *_legend(account, columns)]


def _between(account: Account, low: int, high: int) -> list[Remark | str]:
    """The points from one to another are left out, but not what was decided between them."""
    from ._account import Measured

    remarks: list[tuple[int, Remark]] = []
    number = 0
    for each in account.timeline:
        if isinstance(each, Measured):
            number = each.number
        elif low <= number + 1 <= high + 1:
            remarks.append((number, each))
    lines: list[Remark | str] = []
    for number, each in remarks[:REMARKS]:
        if number >= low:
            lines.append(_gap(low, number))
            low = number + 1
        lines.append(each)
    if low <= high or len(remarks) > REMARKS:
        lines.append(_gap(low, high, len(remarks) - REMARKS))
    return lines


def _gap(low: int, high: int, others: int = 0) -> str:
    besides = f" and {others} other decision{'s' * (others != 1)}" if others > 0 else ""
    if low == high and not besides:
        return f"... 1 point more; --points {low} shows it ..."
    many = high - low + 1
    return f"... {many:,} point{'s' * (many != 1)}{besides} more; --points {low}..{high} shows them ..."


SAID = (
    "what the one who suggested this place said of it when it was asked, and how many points it knew then where it "
    "did not know all above"
)
ASKED = "the question that the recommender answered with this place, and how many points it knew then"


def _legend(account: Account, columns: int) -> list[str]:
    from ._wording import wrapped

    if not any(each.answer is not None for each in account.points):
        return []
    said = any(each.reason for each in account.points)
    words = f"why there: {SAID if said else ASKED}. waited: from the question to the answer."
    audited = f"skysteer show {account.named} --point N says what was known when point N was chosen."
    return ["", *wrapped("", words, columns, 0), *wrapped("", audited, columns, 0)]


def _chosen(account: Account, text: str) -> list[Measured | Remark]:
    """The part of the timeline from one point to another; the first and the last take what is beside them along."""
    from ._account import Measured

    first, dots, last = text.partition("..")
    many = len(account.points)
    try:
        low = int(first) if first.strip() else 1
        high = (int(last) if last.strip() else many) if dots else low
    except ValueError:
        raise ValueError(f"--points must be N..M, N.. or ..M, found {text!r}") from None
    if low > high or low < 1 or low > many:
        raise ValueError(f"--points {text}: this run has points 1 to {many}" if many else "this run has no points")
    chosen: list[Measured | Remark] = []
    number = 0
    for each in account.timeline:
        if isinstance(each, Measured):
            number = each.number
            if low <= number <= high:
                chosen.append(each)
        elif (low <= number < high) or (number >= high == many) or (number < low == 1):
            chosen.append(each)
    return chosen


def _the_point(account: Account, number: int) -> Measured:
    for each in account.points:
        if each.number == number:
            return each
    many = len(account.points)
    raise ValueError(f"--point {number}: this run has {f'points 1 to {many}' if many else 'no points'}")


def _as_dict(account: Account, shown: list[Measured | Remark]) -> dict[str, Any]:
    from ._account import Measured
    from ._audit import point_dict

    best = account.best()
    return {
        "run": account.entry.uid,
        "launches": [each.entry.uid for each in account.records],
        "measurements": [each.uid for each in account.entries],
        "files": [each.path.name for each in (*account.entries, *(one.entry for one in account.records))],
        "began": account.began,
        "ended": account.entry.stopped,
        "running": account.entry.running,
        "exit_status": account.entry.exit_status,
        "reason": account.entry.reason,
        "resumed_by": account.entry.resumed_by,
        "about": account.about,
        "units": account.units,
        "problems": account.problems,
        "measured": len(account.points),
        "best": None if best is None else best.number,
        "timeline": [
            point_dict(each)
            if isinstance(each, Measured)
            else {"kind": each.kind, "time": each.time, "text": each.text}
            for each in shown
        ],
    }
