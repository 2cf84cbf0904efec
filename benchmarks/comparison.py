"""Accuracy against speed: every pack in one table."""

from __future__ import annotations

from typing import Any

from benchmarks.tables import DETECTOR, GROUND_TRUTH, ms, or_dash, table

_STEADY, _EYES = "stability/synthetic/1 from-last-frame", "eyes/crops/1"


def comparison(accuracy: dict[str, Any], speed: dict[str, Any]) -> list[str]:
    """The section of docs/benchmarks.md; what was not measured has a dash."""
    stages = speed["stages"]["1"]

    def time(stage: str, name: str) -> str:
        there = stages.get(stage, {}).get(name)
        return "–" if there is None else ms(there["median"])

    rows: list[list[str]] = []
    for name, records in accuracy["packs"].items():
        given, found = records.get(GROUND_TRUTH, {}), records.get(DETECTOR, {})
        truths: dict[str, Any] = given.get("truths", {})
        rows.append(
            [
                name,
                or_dash(speed["programs"].get(name, {}).get("network_mb"), ".1f"),
                time("track", name),
                time("photo_landmarks", name),
                *(
                    or_dash(truths.get(truth, {}).get("mean_of_bins"), ".3f")
                    for truth in ("original", "reannotated")
                ),
                or_dash(found.get("mean_of_bins"), ".3f"),
                or_dash((given.get("pose") or {}).get("mae"), ".2f"),
                or_dash(records.get(_EYES, {}).get("auc"), ".3f"),
                or_dash(records.get(_STEADY, {}).get("mean"), ".3f"),
            ]
        )
    if "mediapipe" in speed["programs"]:
        rows.append(
            ["MediaPipe FaceMesh", "–", time("track", "mediapipe"), time("photo_landmarks", "mediapipe")]
        )
        rows[-1] += ["–"] * 6
    head = [
        "pack",
        "network, MB",
        "ms a frame",
        "ms a photo",
        "NME, original",
        "NME, re-annotated",
        "NME, own detector",
        "pose MAE, °",
        "closed eyes, AUC",
        "unsteadiness, %",
    ]
    return [
        "## Model comparison",
        "",
        "![Accuracy against speed of each pack](images/accuracy_speed.png)",
        "",
        *table(head, rows),
        "Times: one thread, one face, 1280×720; in a frame, `open` follows the face with a network of its "
        "own, whose accuracy the model card has (verified in every sixth, see below), the others crop it "
        "from the landmarks of the frame before; a "
        "photo goes through the detector. NME: AFLW2000-3D, 68 landmarks, mean of bins, in %: on official "
        "crops with both ground truths, and on crops by the pack's own detector (original truth, the faces "
        "that it found). Pose, eyes, unsteadiness (from last frame): see below. MediaPipe's points are not "
        "the 68, and it is the reference for eyes: its times alone are comparable (it chooses its threads).",
        "",
    ]
