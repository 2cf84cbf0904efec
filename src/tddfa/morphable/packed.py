"""The face models of packs, each once per process."""

from __future__ import annotations

from weakref import WeakValueDictionary

from tddfa.concurrency import one_at_a_time
from tddfa.morphable.kinds import make_model
from tddfa.morphable.model import MorphableModel
from tddfa.morphable.registry import remember, source_of
from tddfa.packs import ModelPack

_MODELS: WeakValueDictionary[tuple[str, str], MorphableModel] = WeakValueDictionary()


@one_at_a_time
def pack_model(pack: ModelPack) -> MorphableModel:
    """Return the face model of a pack: the same object for all aligners and faces of a process.

    Raises:
        PackError: its kind is unknown, or a field is missing or wrong.
    """
    key = pack.fingerprint, repr(pack.manifest.model)
    model = _MODELS.get(key)
    if model is None:
        manifest = pack.manifest
        model = make_model(manifest.name, manifest.model, pack.arrays)
        if source_of(model) is None:  # the open model is none of the pack's
            remember(model, pack_model, pack)
        _MODELS[key] = model
    return model
