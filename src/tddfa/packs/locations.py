"""Where packs lie, and what mends a broken one there."""

from __future__ import annotations

import os
from pathlib import Path

from tddfa.errors import PackError

BUILT_IN = Path(__file__).parent / "built_in"
"""The packs that are part of the package; they need no installation and cannot be removed."""


def pack_folder() -> Path:
    """Return the folder of installed packs: `TDDFA_PACKS`, or the platform's folder for application data.

    Raises:
        PackError: `TDDFA_PACKS` is not set, and the user has no home folder.
    """
    chosen = os.environ.get("TDDFA_PACKS")
    if chosen:
        return Path(chosen)
    import platformdirs

    try:
        folder = Path(platformdirs.user_data_dir("tddfa", appauthor=False))
    except (RuntimeError, KeyError, OSError):
        folder = Path()
    # Without HOME and an entry among the users, "~" stays as it is: a folder of that name is not meant.
    if not folder.is_absolute():
        raise PackError("there is no home folder for packs; name a folder with TDDFA_PACKS")
    return folder / "packs"


def repair(folder: Path) -> str:
    """Return what mends a broken pack: an installed one, one of the package, or one in a folder of the user.

    Args:
        folder: of the pack.
    """
    above = os.path.realpath(os.path.dirname(os.path.abspath(folder)))  # noqa: PTH100, PTH120, no error
    if above == os.path.realpath(BUILT_IN):
        return "it is part of the package; install that again with 'pip install --force-reinstall tddfa'"
    try:
        is_installed = above == os.path.realpath(pack_folder())
    except PackError:
        is_installed = False
    if is_installed:
        return f"remove it with 'tddfa packs remove {folder.name}' and install it again"
    return "copy the whole folder again from where it came, or export the pack again"
