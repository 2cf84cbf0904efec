"""Arrow table of images → Arrow table of faces: the callable that every engine runs.

It pickles as its settings; each process loads the networks once, whatever the number of tables and copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from tddfa.alignment import FaceAligner
from tddfa.alignment.faces import Faces
from tddfa.batch.arrow import arrow
from tddfa.batch.passing import may_pass
from tddfa.batch.schema import AGAIN, empty_values, face_values, printable, rows_table, table_schema
from tddfa.batch.settings import GROUP, BatchSettings
from tddfa.concurrency import one_at_a_time
from tddfa.errors import ImageFileError, InputError, MissingExtraError, PackError, TddfaError
from tddfa.export.rows import to_rows
from tddfa.imaging.files import decode_image, encode_image, read_image
from tddfa.imaging.pyramid import warp_square
from tddfa.types import BoundingBox, Face, Image
from tddfa.types.arguments import shown

_MAX_PIXELS = 1 << 25  # of images that are in memory at a time, where one alone does not have more
_CROP_MARGIN = 1.5  # side of a crop in extents of the landmarks: from the hair to below the chin

FATAL = (PackError, ImportError)
"""Errors that no other image would fare better with."""


Source: TypeAlias = bytes | str | Exception | None
"""Bytes of an image, its path, or why there is neither; None for an empty cell."""


class TableAligner:
    """Find the faces of the images of an Arrow table.

    It takes a table with a column `bytes` (images in memory), `path` (files to read), or both: then `path` is
    only the name. It gives the table of `tddfa.batch.schema`: a row per face, and one with `face` −1 for an
    image without any, with the reason in `error` where it could not be read.

    For Ray Data `map_batches(TableAligner(), batch_format="pyarrow")`; docs/scale.md has Spark and Daft.

    Args:
        pack: name or folder of a model pack; the default pack when not given.
        search_size: as for `FaceAligner`.
        max_faces: only so many of the largest faces of an image.
        device: as for `FaceAligner`.
        group: images that are aligned at a time, as far as memory goes.
        crops: width of a square JPEG of each face, px, for the column `crop`.

    Example:
        >>> import pyarrow as pa
        >>> faces = TableAligner()(pa.table({"path": ["a.jpg", "b.jpg"]}))
        >>> faces.column("yaw_deg")
    """

    def __init__(
        self,
        pack: str | None = None,
        *,
        search_size: int | None = None,
        max_faces: int | None = None,
        device: str = "cpu",
        group: int = GROUP,
        crops: int | None = None,
    ) -> None:
        self._settings = BatchSettings(
            pack, search_size, max_faces, device=device, group=group, crops=crops
        ).resolved()

    def __call__(self, table: Any) -> Any:
        """Return the faces of a table of images.

        Raises:
            InputError: it is no Arrow table, or has neither of the columns, or one of them twice.
            PackError: the pack is broken.
        """
        if not isinstance(table, arrow().Table | arrow().RecordBatch):
            raise InputError(f"table is {shown(table)}; a pyarrow.Table or RecordBatch is needed")
        names: Sequence[str] = table.schema.names
        columns = [name for name in names if name in ("path", "bytes")]
        if not columns or len(set(columns)) < len(columns):
            raise InputError(
                f"a table of images has one column path or bytes, or both; this one has {', '.join(names)}"
            )
        rows = table.select(columns).to_pylist()
        sources = (_named_source(index, row) for index, row in enumerate(rows))
        found = ImageAligner(self._settings).outcomes(sources)
        return rows_table([row for rows, _, _ in found for row in rows], self.schema)

    @property
    def schema(self) -> Any:
        """The Arrow schema of the tables that it gives, as Spark asks for it."""
        return aligner_schema(process_aligner(self._settings, None))

    def batches(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield the record batches of faces of record batches of images, as Spark's `mapInArrow` takes it."""
        for batch in batches:
            yield from self(arrow().Table.from_batches([batch])).to_batches()


def _named_source(index: int, row: Mapping[str, Any]) -> tuple[str, Source]:
    """Return the name of the image in a row of a table, or the number of the row, and the source."""
    path = row.get("path")
    name = str(index) if path in (None, "") else str(path)
    if "bytes" in row:
        data = row["bytes"]
        if data is None or isinstance(data, bytes):
            return name, data
        return name, ImageFileError(
            f"{name} is a {type(data).__name__} in the column bytes; the bytes of a file are needed, base64 "
            "after its decoding"
        )
    if isinstance(path, str) and path:
        return name, path
    # A number is no name of a file, though there may be one of that name.
    what = "is empty" if path in (None, "") else f"is a {type(path).__name__}, and no text"
    return name, ImageFileError(f"the path in row {index} {what}")


class ImageAligner:
    """Find the faces of images; an error costs its image alone.

    Args:
        settings: what is done.
        pack_sha256: fingerprint that the pack has to have.
    """

    def __init__(self, settings: BatchSettings, pack_sha256: str | None = None) -> None:
        self.aligner = process_aligner(settings, pack_sha256)
        self._settings = settings

    def outcome(self, name: str, source: Source) -> tuple[list[dict[str, Any]], Image | None, list[Face]]:
        """Return the rows of an image, the image and its faces."""
        try:
            image = decoded(name, source)
            faces = list(self.aligner.align(image, max_faces=self._settings.max_faces))
        except Exception as error:
            if not _is_of_one_image(error):
                raise
            return [failed_row(name, error)], None, []
        return self._rows(name, image, faces), image, faces

    def outcomes(
        self, sources: Iterable[tuple[str, Source]]
    ) -> Iterator[tuple[list[dict[str, Any]], Image | None, list[Face]]]:
        """Yield the rows of several images, aligned in batches of so many that memory holds them.

        Args:
            sources: name of each, and its source.
        """
        waiting: list[_Decoded] = []
        n_pixels = 0
        for name, source in sources:
            try:
                image = decoded(name, source)
                n_pixels += image.size // 3
            except Exception as error:
                if not _is_of_one_image(error):
                    raise
                image = error
            waiting.append((name, source, image))
            if len(waiting) >= self._settings.group or n_pixels > _MAX_PIXELS:
                yield from self._together(waiting)
                waiting, n_pixels = [], 0
        yield from self._together(waiting)

    def _together(
        self, inputs: Sequence[_Decoded]
    ) -> Iterator[tuple[list[dict[str, Any]], Image | None, list[Face]]]:
        """Yield the rows of decoded images, aligned in one batch."""
        found: Iterator[Faces] | None = None
        try:
            images = [image for _, _, image in inputs if not isinstance(image, Exception)]
            found = iter(self.aligner.align_batch(images, max_faces=self._settings.max_faces))
        except Exception as error:
            if not _is_of_one_image(error):
                raise
        for name, source, image in inputs:
            if isinstance(image, Exception):
                yield [failed_row(name, image)], None, []
            elif found is None:  # one of them cannot be used: each by itself shows which
                yield self.outcome(name, source)
            else:
                faces = list(next(found))
                yield self._rows(name, image, faces), image, faces

    def _rows(self, name: str, image: Image, faces: Sequence[Face]) -> list[dict[str, Any]]:
        """Return the rows of an image: one per face, or one that says that there is none."""
        size, name = (image.shape[1], image.shape[0]), printable(name)
        if not faces:
            return [empty_values(name, size)]
        crops = [
            None if self._settings.crops is None else crop(image, f, self._settings.crops) for f in faces
        ]
        rows = zip(to_rows(faces), faces, crops, strict=True)
        return [face_values(name, row, face, size, jpeg) for row, face, jpeg in rows]


_Decoded: TypeAlias = tuple[str, Source, Image | Exception]
"""Name and source of an image, and the image, or why there is none."""


def _is_of_one_image(error: Exception) -> bool:
    """Return whether another image may fare better: it may be in a format that needs no extra package."""
    return isinstance(error, MissingExtraError) or not isinstance(error, FATAL)


def decoded(name: str, source: Source) -> Image:
    """Return the image of a source.

    Raises:
        ImageFileError: it cannot be read.
    """
    if isinstance(source, Exception):
        raise source
    if source is None:
        raise ImageFileError(f"{name} has no bytes: the cell is empty")
    return read_image(source) if isinstance(source, str) else decode_image(source, name)


def crop(image: Image, face: Face, size: int) -> bytes:
    """Return a JPEG of the square around the landmarks of a face; black where it leaves the image.

    Args:
        image: RGB.
        face: one of its faces.
        size: width of the square, px.
    """
    around = BoundingBox.around(face.landmarks)
    side = _CROP_MARGIN * max(around.width, around.height)
    return encode_image(warp_square(image, *around.center, side, size), "jpg")


def failed_row(name: str, error: BaseException) -> dict[str, Any]:
    """Return the row of an input that could not be used."""
    if isinstance(error, TddfaError):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = "not enough memory"
    else:
        text = f"unexpected {type(error).__name__}: {str(error)[:200]}"
    row = empty_values(printable(name), error=printable(" ".join(text.split())))
    return {**row, AGAIN: may_pass(error)}


@one_at_a_time
@lru_cache(maxsize=4)
def process_aligner(settings: BatchSettings, pack_sha256: str | None) -> FaceAligner:
    """Return the aligner of settings; the same one for every call in this process."""
    return settings.aligner(pack_sha256)


def aligner_schema(aligner: FaceAligner, metadata: Mapping[str, str] | None = None) -> Any:
    """Return the Arrow schema of the tables that come of an aligner."""
    pack = aligner.pack
    texts = {"tddfa.pack": pack.manifest.name, "tddfa.pack_sha256": pack.fingerprint, **(metadata or {})}
    return table_schema(aligner.model.expression_names, texts)
