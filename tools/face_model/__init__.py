"""The steps that turn MakeHuman's CC0 head into the open face model; run by `tools/build_face_model.py`."""
