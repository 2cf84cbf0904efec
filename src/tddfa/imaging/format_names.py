"""Names and suffixes of image formats, for folders and messages; imports nothing heavy."""

from __future__ import annotations

READABLE = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP, GIF, JPEG 2000, PNM"

# Suffixes that a folder of images stands for.
IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
        *(".png", ".apng", ".webp", ".bmp", ".dib", ".gif"),
        *(".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"),
        *(".jp2", ".j2k", ".jpf", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm", ".hdr"),
    }
)

# Suffixes of images that no reader here knows: a folder names them as left out.
UNREADABLE_SUFFIXES = frozenset(
    {
        *(
            ".jxl",
            ".jxr",
            ".jls",
            ".qoi",
            ".psd",
            ".psb",
            ".xcf",
            ".svg",
            ".exr",
            ".ico",
            ".icns",
            ".tga",
            ".pam",
            ".pcx",
            ".eps",
            ".djvu",
        ),
        *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf"),
        *(".pef", ".srw", ".x3f", ".rwl", ".3fr", ".iiq", ".mrw", ".erf", ".kdc", ".dcr"),
    }
)

# First bytes of files that are sometimes named like images → what they are, and what to do.
UNREADABLE: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF file"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (0, b"II\xbc\x01", "a JPEG XR image"),
    (0, b"qoif", "a QOI image"),
    (0, b"AT&TFORM", "a DjVu file"),
    (0, b"SIMPLE  =", "a FITS file"),
    (128, b"DICM", "a DICOM file"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"gimp xcf", "a GIMP file"),
    (0, b"P7\n", "a PAM image"),
    (0, b"v/1\x01", "an OpenEXR image"),
    (0, b"\x00\x00\x01\x00", "an icon file"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML file (SVG drawing?)"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<!doctype", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
    (0, b"IIRO", "a camera raw file"),
    (0, b"IIU\x00", "a camera raw file"),
    (4, b"ftypcrx", "a camera raw file"),
    (4, b"ftypmif3", "a HEIF image with a small header (mif3)"),
    (4, b"ftypqt", "a video; use 'tddfa video'"),
    (4, b"ftyp", "a video; use 'tddfa video'"),
    (0, b"\x1aE\xdf\xa3", "a video; use 'tddfa video'"),
    (8, b"AVI ", "a video; use 'tddfa video'"),
    (0, b"version https://git-lfs", "a Git LFS pointer; get the file with 'git lfs pull'"),
)
