"""The folder that a command writes into."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["check_picture", "check_writable", "put_results", "set_aside"]


def check_writable(folder: Path) -> None:
    """Make a folder, with its parents, and see that files can be made in it.

    Raises
    ------
    OSError
        If they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise OSError(f"cannot write into the folder {str(folder)!r}: {reason}; choose another with --out") from exc


def check_picture(file: Path) -> None:
    """See that a picture can be written there, before the work for it is done.

    Raises
    ------
    ValueError
        If it cannot.
    """
    if file.is_dir() or not file.parent.is_dir():
        found = "is a folder" if file.is_dir() else f"cannot be written: there is no folder {file.parent}"
        raise ValueError(f"--picture {file} {found}; give the name of a PNG file")


def set_aside(folder: Path, names: Sequence[str]) -> Path | None:
    """Move files of an earlier run into a sub-folder ``earlier-<number>``, so that two runs do not mix.

    Returns
    -------
    Path or None
        That sub-folder, if there was anything to move.
    """
    found = [folder / name for name in names if (folder / name).exists()]
    if not found:
        return None
    number = 1
    while (aside := folder / f"earlier-{number}").exists():
        number += 1
    aside.mkdir()
    for path in found:
        path.rename(aside / path.name)
    return aside


def put_results(folder: Path, name: str, numbers: str, draw: Callable[[Path], object] | None) -> dict[str, str]:
    """Write what came out as ``<name>.json`` and, where it can be drawn, as ``<name>.png``.

    What stood there before is set aside. Returns the paths, for those who look for them.
    """
    picture, written = folder / f"{name}.png", folder / f"{name}.json"
    set_aside(folder, [picture.name, written.name])
    written.write_text(numbers + "\n", encoding="utf-8")
    if draw is None:
        return {"numbers": str(written)}
    draw(picture)
    return {"numbers": str(written), "picture": str(picture)}
