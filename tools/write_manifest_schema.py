"""Write the JSON Schema of manifest.json again: python tools/write_manifest_schema.py."""

import json
from pathlib import Path

from tddfa.packs.manifest import manifest_schema

TARGET = Path(__file__).parents[1] / "src" / "tddfa" / "packs" / "manifest.schema.json"

if __name__ == "__main__":
    TARGET.write_text(json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
