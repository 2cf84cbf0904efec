"""Lips as far apart as a teacher's points have them.

Fits hold expressions to a teacher's weights, and shift its points to where the model has them on average. A
smile that shows teeth is then fitted with lips that nearly touch: of gaps of 6 to 10 mm two fifths are left.
What the gap lacks is taken from the expressions that part lips, and only there.
"""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tddfa.morphable.landmarks import LandmarkSet
from tddfa.morphable.model import MorphableModel
from tddfa_train.data.point_fits import PointFits
from tddfa_train.point_model import PointModel

# Points of the inner edges of upper and lower lip, above each other, in MediaPipe's numbers.
# Source of the indices: MediaPipe's canonical face mesh (Apache-2.0).
_PAIRS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318))
# Expressions that part lips, and how strongly each is held where the fit has it. Chins show how far jaws are
# open, so jaws are held most. The second group closes lips, and may only be taken back.
_PARTING = {
    **{f"mouthUpperUp{side}": 0.5 for side in ("Left", "Right")},
    **{f"mouthLowerDown{side}": 0.8 for side in ("Left", "Right")},
    "jawOpen": 12.0,
}
_CLOSING = {
    **{f"mouthPress{side}": 1.0 for side in ("Left", "Right")},
    **dict.fromkeys(
        ("mouthClose", "mouthRollUpper", "mouthRollLower", "mouthShrugUpper", "mouthShrugLower"), 1.0
    ),
}
_HELD = 1.4  # strength of all of them, mm of gap per unit of expression
_CLOSED_MM = 2.8  # gap of the inner points up to which lips touch
_LEAST_TRUST = 0.3
_STEPS, _RATE, _CHUNK = 150, 0.03, 2000


def part_lips(fits: PointFits, mediapipe: Float[np.ndarray, "n m 2"], model: MorphableModel) -> PointFits:
    """Return fits whose lips are as far apart as the teacher's.

    Args:
        fits: of all faces.
        mediapipe: the teacher's points, px, as the model's set `mediapipe478` has them; NaN where unknown.
        model: level 0, with its expressions.
    """
    gaps = _Gaps(model)
    expression = fits.expression.copy()
    seen = (fits.trust > _LEAST_TRUST) & np.isfinite(mediapipe).all((1, 2))
    rows = np.flatnonzero(seen)
    for start in range(0, len(rows), _CHUNK):
        some = rows[start : start + _CHUNK]
        expression[some] = gaps.matched(
            fits.camera[some], fits.identity[some], fits.expression[some], mediapipe[some]
        )
    return replace(fits, expression=expression)


class _Gaps:
    def __init__(self, model: MorphableModel) -> None:
        marks = model.landmark_sets["mediapipe478"]
        assert marks.indices is not None
        place = {int(number): k for k, number in enumerate(marks.indices)}
        pairs = [(place[a], place[b]) for a, b in _PAIRS if a in place and b in place]
        self.given = torch.tensor(pairs)
        shown = self.given.flatten().tolist()
        self.points = PointModel(model, LandmarkSet(marks.vertices[shown], marks.weights[shown]))
        held = {
            name: strength
            for name, strength in (_PARTING | _CLOSING).items()
            if name in model.expression_names
        }
        self.columns = torch.tensor([model.expression_index(name) for name in held])
        self.strength = _HELD * torch.tensor(list(held.values()))
        self.parts = torch.tensor([name in _PARTING for name in held])

    def matched(
        self, camera: np.ndarray, identity: np.ndarray, expression: np.ndarray, teacher: np.ndarray
    ) -> np.ndarray:
        """Return expressions with the teacher's gaps."""
        camera_, identity_, fitted, points = (
            torch.from_numpy(np.asarray(v, np.float32)) for v in (camera, identity, expression, teacher)
        )
        size = camera_[:, 0, :3].norm(dim=1)[:, None, None]
        truth = (points[:, self.given[:, 0]] - points[:, self.given[:, 1]]) / size
        start = fitted[:, self.columns]
        values = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([values], lr=_RATE)
        for step in range(_STEPS):
            optimizer.param_groups[0]["lr"] = _RATE * (1 - 1.6 * max(0.0, step / _STEPS - 0.5))
            error = (self._shown(camera_, identity_, fitted, values) / size - truth).norm(dim=2)
            misfit = torch.where(error < 1, 0.5 * error * error, error - 0.5).sum()
            loss = misfit + (self.strength * (values - start).abs()).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                one_way = torch.where(self.parts, values.maximum(start), values.minimum(start))
                values.copy_(one_way.clamp(0, 1))
        parted = truth[:, 0].norm(dim=1, keepdim=True) > _CLOSED_MM
        out = fitted.clone()
        out[:, self.columns] = torch.where(parted, values.detach(), start)
        return out.numpy()

    def _shown(self, camera: Tensor, identity: Tensor, fitted: Tensor, values: Tensor) -> Tensor:
        expression = fitted.index_copy(1, self.columns, values)
        flat = self.points(camera, identity, expression)[..., :2]
        return flat[:, 0::2] - flat[:, 1::2]
