"""The bytes of one hand-made face in every protocol, as they were when public receivers had read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from live_faces import hand_made
from tddfa.export import livelink, osf, vmc
from tddfa.export.live_message import float_message, json_message

GOLDEN = Path(__file__).with_name("live_golden.json")


def encoded() -> dict[str, list[str]]:
    """What each protocol sends for the face: datagrams or messages as hexadecimal digits."""
    capture = hand_made()
    link = livelink.encode(
        capture, subject="tddfa", device_id="6f1a3a0e-0000-4000-8000-00000000002a", time=3600.5
    )
    sent = {
        "livelink": [link],
        "vmc": vmc.encode(capture, time=1.5),
        "osf": [osf.encode([capture], width=640, height=360, time=12.5)],
        "floats": [float_message([capture], frame=7, time=0.25)],
        "json": [json_message([capture], frame=7, time=0.25).encode()],
    }
    return {name: [data.hex() for data in datagrams] for name, datagrams in sent.items()}


@pytest.mark.parametrize("protocol", ["livelink", "vmc", "osf", "floats", "json"])
def test_the_bytes_of_a_protocol_stay_as_they_are(protocol):
    assert encoded()[protocol] == json.loads(GOLDEN.read_text())[protocol]


if __name__ == "__main__":  # writes the file anew, after a change that was meant
    GOLDEN.write_text(json.dumps(encoded(), indent=1) + "\n")
