"""What is known about the expression weights of a teacher: rest, reliability, strength."""

from collections.abc import Mapping
from dataclasses import dataclass, field


def _both_sides(values: Mapping[str, float]) -> dict[str, float]:
    return {f"{name}{side}": value for name, value in values.items() for side in ("Left", "Right")}


@dataclass(frozen=True, slots=True)
class TeacherWeights:
    """Facts about a teacher's weights, by the name of the expression.

    Attributes:
        rest_of: weight that the teacher gives to a face at rest; 0 where not named.
        reliability_of: 0 (never moves) to 1; 1 where not named.
        held_at_rest: how strongly the fit is held at 0, for expressions that geometry alone makes up.
        strength_of: how strongly the fit is held to the teacher; 1 where not named.
    """

    rest_of: Mapping[str, float] = field(default_factory=dict)
    reliability_of: Mapping[str, float] = field(default_factory=dict)
    held_at_rest: Mapping[str, float] = field(default_factory=dict)
    strength_of: Mapping[str, float] = field(default_factory=dict)

    def rest(self, name: str) -> float:
        """Return the teacher's weight for a face at rest."""
        return self.rest_of.get(name, 0.0)

    def reliability(self, name: str) -> float:
        """Return how reliable the teacher's weight is."""
        return self.reliability_of.get(name, 1.0)

    def rest_strength(self, name: str) -> float:
        """Return how strongly the fit is held at 0."""
        return self.held_at_rest.get(name, 1.0)

    def strength(self, name: str) -> float:
        """Return how strongly the fit is held to the teacher."""
        return self.strength_of.get(name, 1.0)


# Measured on 13,873 photos of mostly frontal faces: medians of raw weights, agreement of a crop and its
# mirror image (r .54-.69 for jaw, mouth, dimple and frown sides, .81-.97 otherwise), and which never move.
FACE_LANDMARKER = TeacherWeights(
    rest_of=_both_sides(
        {
            "eyeSquint": 0.42,
            "eyeBlink": 0.13,
            "browDown": 0.06,
            "browOuterUp": 0.06,
            "mouthPress": 0.06,
            "eyeWide": 0.02,
            "mouthSmile": 0.03,
            "mouthUpperUp": 0.02,
            "mouthLowerDown": 0.02,
            "mouthDimple": 0.02,
            "mouthStretch": 0.02,
        }
    )
    | {"browInnerUp": 0.03, "mouthShrugUpper": 0.02, "jawOpen": 0.02},
    reliability_of=_both_sides(
        {
            "mouthDimple": 0.4,
            "mouthFrown": 0.4,
            "eyeWide": 0.5,
            "noseSneer": 0.0,
            "cheekSquint": 0.0,
            "jaw": 0.4,
            "mouth": 0.4,
        }
        # Gaze follows from the irises.
        | {f"eyeLook{way}": 0.0 for way in ("In", "Out", "Up", "Down")}
    )
    | {
        "cheekPuff": 0.0,
        "jawForward": 0.0,
        "tongueOut": 0.0,
        "mouthFunnel": 0.4,
        "mouthClose": 0.2,
        "mouthShrugUpper": 0.4,
    },
    held_at_rest=_both_sides(
        {"cheekSquint": 4.0, "noseSneer": 4.0, "mouthDimple": 4.0, "mouthFrown": 3.0, "jaw": 4.0}
    )
    | {"cheekPuff": 4.0, "jawForward": 4.0, "mouthShrugUpper": 4.0},
    # Its jaw closes where lips meet; a chin alone would be taken for an open jaw.
    strength_of={"jawOpen": 25.0},
)
"""MediaPipe Face Landmarker."""
