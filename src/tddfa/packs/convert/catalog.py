"""Which networks of 3DDFA_V2 can be installed, and under which terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tddfa.dataclass import dataclass
from tddfa.packs.specs import Licence

LICENCE = Licence(
    name="MIT (code, network weights); Basel Face Model: academic, non-commercial use only",
    terms=(
        "The face model of this pack is the Basel Face Model of the University of Basel, which may be used "
        "for non-commercial scientific purposes only and may not be redistributed. Meshes made with it fall "
        "under the same terms."
    ),
    url="https://faces.dmi.unibas.ch/bfm/",
)


@dataclass(frozen=True, slots=True)
class V2Pack:
    """A network of the project of 3DDFA_V2.

    Attributes:
        name: of the pack.
        title: one line for people.
        architecture: key of `REGRESSORS`.
        weights: its checkpoint in the project.
        measured: of the weights of 3DDFA_V2, by protocol; NME in percent, bins of |yaw| up to 30, 60, 90.
    """

    name: str
    title: str
    architecture: str
    weights: str
    measured: Mapping[str, Any]


V2_PACKS: Mapping[str, V2Pack] = {
    pack.name: pack
    for pack in (
        V2Pack(
            "3ddfa-v2-mb1",
            "3DDFA_V2, MobileNetV1 ×1.0: its most accurate network",
            "mobilenet_v1",
            "weights/mb1_120x120.pth",
            {},
        ),
        V2Pack(
            "3ddfa-v2-mb05",
            "3DDFA_V2, MobileNetV1 ×0.5: its fastest network",
            "mobilenet_v1",
            "weights/mb05_120x120.pth",
            {
                # tddfa eval aflw2000, 500 faces of AFLW2000-3D, official crops.
                "aflw2000-3d-68/ground-truth/1": {
                    "data": "aflw2000_dev",
                    "count": 500,
                    "original": {"mean_of_bins": 3.858, "bins": [2.918, 3.658, 4.998]},
                    "reannotated": {"mean_of_bins": 3.032, "bins": [2.202, 2.826, 4.068]},
                },
                "aflw2000-3d-pose/1": {"data": "aflw2000_dev", "count": 491, "mae_deg": 3.852},
            },
        ),
        V2Pack(
            "3ddfa-v2-resnet22",
            "3DDFA_V2, ResNet-22 (download its weights by hand, then use --from)",
            "resnet22",
            "weights/resnet22.pth",
            {},
        ),
    )
}
