"""Model packs: networks, face model and their record, in one verified folder."""

from tddfa.packs.manifest import SCHEMA, Manifest
from tddfa.packs.pack import ModelPack
from tddfa.packs.store import default_pack_name, find_pack, installed_packs, pack_folder, remove_pack

__all__ = [
    "SCHEMA",
    "Manifest",
    "ModelPack",
    "default_pack_name",
    "find_pack",
    "installed_packs",
    "pack_folder",
    "remove_pack",
]
