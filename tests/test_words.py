"""Names are words of the field: those that it has no use for do not come back.

A test of names, not of prose: identifiers are split at capitals and underscores and compared with a list;
texts are searched for a few expressions that used to be names of parts of the program.
"""

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

WORDS_OF_NAMES = {
    "picture": "image",
    "belief": "AcceptanceThresholds",
    "believes": "accepts",
    "denied": "detector_rejected",
    "tiring": "_VELOCITY_DECAY",
    "tolerated": "_DEAD_ZONE",
    "strangeness": "_path_deviation",
    "unexplained": "_unmatched",
    "stranger": "false track",
    "newcomer": "new track",
    "steadiness": "temporal",
    "disguise": "occlusion",
    "disguised": "occluded",
    "spoil": "degrade",
    "spoiled": "degraded",
    "published": "v2",
    "said": "predicted, requested",
    "asked": "requested",
    "knows": "supported",
    "wants": "requires",
}
"""Part of an identifier → what to write."""

IDENTIFIERS = {
    "first_look": "verifier",
    "FirstLook": "FaceVerifier",
    "CheckedDetector": "VerifiedDetector",
    "TddfaDetector": "AnchorFreeDetector",
    "TddfaRegressor": "AffineCameraRegressor",
    "detector_knows": "is_near_frontal",
    "seen_by": "detect_near",
    "same_place": "is_same_face",
    "in_doubt": "n_missed",
    "_see": "_update",
    "_miss": "_mark_missed",
    "_part": "_resolve_contacts",
    "_may_be": "_could_match",
    "FaceNumbers": "FaceOutput",
    "nearest_places": "closest_points",
    "PointPart": "PointSubset",
    "LinearPart": "VertexSubset",
    "mirrored_basis": "symmetric_basis",
    "compact_basis": "quantized_basis",
    "second_round": "relabel",
    "SecondRoundConfig": "RelabelConfig",
    "human_points": "annotations",
    "byte_input": "uint8_input",
    "lit": "brighten_dark",
    "upright": "quarter_turns (of an image), y_up (of an export)",
}
"""Whole identifier → what to write."""

EXPRESSIONS = {
    r"\bpictures?\b": "image",
    r"\bfirst look\b": "verification",
    r"\bfurther looks?\b": "refinement",
    r"\blooks? again\b": "verify, refine",
    r"\bpublished (network|recipe|program|project|weights|checkpoint|model)": "3DDFA_V2",
    r"\b(mirrored|compact) basis\b": "symmetric basis, quantized basis",
    r"\bsecond round\b": "relabelling",
    r"\bhuman points\b": "annotations",
    r"\bspoil": "degrade",
    r"\bdisguise": "occlusion",
}
"""What texts do not say → what they say."""

MODULES = {
    *(
        "evidence",
        "motion",
        "numbers",
        "first_look",
        "means",
        "following",
        "separation",
        "steadiness",
        "sheet",
    ),
    *(
        "profiling",
        "published",
        "places",
        "compact",
        "spoil",
        "disguise",
        "views",
        "card",
        "byte_input",
        "looks",
    ),
}
"""Names that modules had."""

FORMER_NAMES = {  # files in which old names are told today's, for one release
    "src/tddfa/first_look.py",
    "src/tddfa/pipeline.py",
    "src/tddfa/detection/__init__.py",
    "src/tddfa/evaluation/tracking.py",
    "src/tddfa/export/__init__.py",
    "src/tddfa/packs/specs.py",
    "src/tddfa/regression/__init__.py",
    "src/tddfa/render/__init__.py",
    "training/src/tddfa_train/loop/config.py",
    "training/src/tddfa_train/weights/__init__.py",
}
KEPT = {
    ("src/tddfa/render/lighting.py", "pictures"),  # the title of a paper
    ("src/tddfa/packs/convert/sources.py", "published"),  # a file as 3DDFA_V2 published it, bit for bit
    ("src/tddfa/packs/convert/v2.py", "published"),
    ("training/src/tddfa_train/expressions/views.py", "views"),  # views of a face, as the network sees them
}


def files(*patterns: str) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


ANY_WORD = re.compile("|".join({*WORDS_OF_NAMES, *IDENTIFIERS}), re.IGNORECASE)


def identifiers(source: str) -> Iterator[tuple[int, str]]:
    if not ANY_WORD.search(source):  # most files: reading their tokens takes a hundred times as long
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], token.string


def words(identifier: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)}


def faults_of_names(name: str, source: str) -> list[str]:
    found = []
    for line, identifier in identifiers(source):
        parts = words(identifier)
        plain = {part.removesuffix("s") for part in parts} | parts
        bad = [w for w in WORDS_OF_NAMES if w in plain] + [w for w in IDENTIFIERS if w == identifier]
        found += [
            f"{name}:{line}: {identifier}: write {WORDS_OF_NAMES.get(w) or IDENTIFIERS[w]}"
            for w in bad
            if (name, identifier) not in KEPT
        ]
    return found


def faults_of_texts(name: str, text: str) -> list[str]:
    return [
        f"{name}:{number}: {found[0]!r}: write {write}"
        for number, line in enumerate(text.splitlines(), 1)
        for pattern, write in EXPRESSIONS.items()
        if (found := re.search(pattern, line, re.IGNORECASE)) and (name, found[0]) not in KEPT
    ]


def test_identifiers_are_words_of_the_field():
    sources = files(
        "src/*.py", "src/*.pyi", "training/src/*.py", "benchmarks/*.py", "examples/*.py", "tools/*.py"
    )
    assert len(sources) > 300
    faults = [
        fault
        for name in sources
        if name not in FORMER_NAMES
        for fault in faults_of_names(name, (ROOT / name).read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


def test_texts_use_the_words_of_the_field():
    names = files("src", "training/src", "docs", "benchmarks", "examples", "tools", "studio/src", "*.md")
    texts = (".py", ".pyi", ".md", ".c", ".h", ".json", ".ipynb", ".ts", ".css", ".html")
    faults = []
    for name in names:
        if name == "CHANGELOG.md" or not name.endswith(texts) or name in FORMER_NAMES:
            continue
        if "/static/" in name or name.startswith("benchmarks/results/"):
            continue
        faults += faults_of_texts(name, (ROOT / name).read_text(encoding="utf-8"))
    assert not faults, "\n".join(faults)


def test_modules_have_no_former_name():
    old = [
        name
        for name in files("src/*.py", "training/src/*.py", "benchmarks/*.py")
        if Path(name).stem in MODULES and name not in FORMER_NAMES and (name, Path(name).stem) not in KEPT
    ]
    assert old == []


def test_names_of_tests_use_the_words_of_the_field():
    faults = []
    for name in files("tests/*.py"):
        for line, identifier in identifiers((ROOT / name).read_text(encoding="utf-8")):
            if identifier.lower().startswith("test") and words(identifier) & {
                "picture",
                "pictures",
                "spoiled",
            }:
                faults.append(f"{name}:{line}: {identifier}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def draw_picture(): ...\n", "draw_picture: write image"),
        ("class BentPictures: ...\n", "BentPictures: write image"),
        ("x.first_look\n", "first_look: write verifier"),
        ("IS_DENIED = 1\n", "IS_DENIED: write detector_rejected"),
    ],
)
def test_a_word_that_returns_is_found(source, fault):
    assert fault in "\n".join(faults_of_names("a.py", source))


def test_an_expression_that_returns_is_found():
    text = "The picture\nof the published\nnetworks: a first look."
    assert len(faults_of_texts("a.md", text)) == 2
