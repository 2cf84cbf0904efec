"""`tddfa-train`: prepare data, train, export."""

import argparse
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tddfa.cli.arguments import positive
from tddfa.cli.messages import plain
from tddfa.errors import InputError, TddfaError
from tddfa_train.arguments import check_device, not_negative
from tddfa_train.outputs import OUTPUTS, add_overwrite, check_outputs

if TYPE_CHECKING:
    from tddfa_train.expressions.recipe import CloseUpRecipe

_SMOKE_STEPS = 4
_OVERFIT_STEPS = 60


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command; nothing heavy is imported to build it."""
    parser = argparse.ArgumentParser(prog="tddfa-train", description="Train the networks of tddfa.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    prepare = commands.add_parser("prepare", help="a folder of photos becomes a dataset folder")
    prepare.add_argument("photos", type=Path, metavar="FOLDER")
    prepare.add_argument("output", type=Path, metavar="DATASET")
    prepare.add_argument(
        "--pack",
        action="append",
        help="the teacher: name or folder of a model pack (default: the default pack); given again, the "
        "labels are the mean of all of them",
    )
    prepare.add_argument("--side", type=positive, default=160, help="of the stored crops, px (default: 160)")
    prepare.add_argument(
        "--face-landmarker",
        type=Path,
        metavar="TASK",
        help="MediaPipe's face_landmarker.task as a second teacher, of lids, brows, lips, irises and "
        "expressions (needs the extra 'teacher')",
    )
    prepare.set_defaults(run=_prepare)

    mat = commands.add_parser("prepare-mat", help="300W-LP or AFLW2000-3D becomes a dataset folder")
    mat.add_argument("source", type=Path, metavar="FOLDER", help="with name.jpg and name.mat")
    mat.add_argument("output", type=Path, metavar="DATASET")
    mat.add_argument("--side", type=positive, default=160, help="of the stored crops, px (default: 160)")
    mat.set_defaults(run=_prepare_mat)

    backgrounds = commands.add_parser("backgrounds", help="face-free squares, cut from a folder of photos")
    backgrounds.add_argument("photos", type=Path, metavar="FOLDER", help="with or without faces")
    backgrounds.add_argument("output", type=Path, metavar="B.npy")
    backgrounds.add_argument("--pack", help="whose detector says where faces are (default: the default pack)")
    backgrounds.add_argument("--count", type=positive, default=500, help="squares at most (default: 500)")
    backgrounds.add_argument(
        "--side", type=positive, default=192, help="of a square, px; renders need at least 192 (default: 192)"
    )
    backgrounds.set_defaults(run=_backgrounds)

    fit = commands.add_parser(
        "fit", help="add camera and coefficients of the open face model to a dataset folder"
    )
    fit.add_argument("dataset", type=Path, metavar="DATASET")
    fit.set_defaults(run=_fit)

    answers = commands.add_parser(
        "answers", help="add what a pack says of the faces of a dataset folder, for 'train expressions'"
    )
    answers.add_argument("dataset", type=Path, metavar="DATASET")
    answers.add_argument(
        "--pack",
        default="open:small",
        metavar="NAME",
        help="model pack whose answers the close-ups correct (default: open:small)",
    )
    answers.add_argument("--seed", type=not_negative, default=0)
    answers.set_defaults(run=_answers)

    relabel = commands.add_parser(
        "relabel", help="a dataset folder labelled again by a trained network, from many crops of each face"
    )
    relabel.add_argument("source", type=Path, metavar="DATASET")
    relabel.add_argument("output", type=Path, metavar="DATASET")
    relabel.add_argument("--checkpoint", type=Path, required=True, help="of an alignment network")
    relabel.add_argument("--trunk", default="dense", help="of that network (default: dense)")
    relabel.add_argument("--crops", type=int, default=4, help="crops of each face, each also mirrored")
    relabel.add_argument("--looks", dest="crops", type=int, help=argparse.SUPPRESS)  # former name
    relabel.add_argument("--seed", type=not_negative, default=0)
    relabel.set_defaults(run=_relabel)

    turn = commands.add_parser("turn", help="a dataset folder of turned heads from one of near-frontal faces")
    turn.add_argument("source", type=Path, metavar="DATASET")
    turn.add_argument("output", type=Path, metavar="DATASET")
    turn.add_argument(
        "--backgrounds", type=Path, required=True, help=".npy of face-free images (n, side, side, 3)"
    )
    turn.add_argument("--count", type=positive, default=5000, help="faces (default: 5000)")
    turn.add_argument(
        "--yaw",
        type=float,
        nargs=2,
        default=(30.0, 95.0),
        metavar=("FROM", "TO"),
        help="of the turned faces, degrees to either side (default: 30 95)",
    )
    turn.add_argument(
        "--pitch", type=float, default=10.0, help="sigma of the nod that is added, degrees (default: 10)"
    )
    turn.add_argument(
        "--largest-source-yaw",
        type=float,
        default=55.0,
        help="faces turned further than this are not used, degrees (default: 55)",
    )
    turn.add_argument("--seed", type=not_negative, default=0)
    turn.set_defaults(run=_turn)

    render = commands.add_parser("render", help="a dataset folder of images of the open face model")
    render.add_argument("output", type=Path, metavar="DATASET")
    render.add_argument(
        "--backgrounds", type=Path, required=True, help=".npy of face-free images (n, 192, 192, 3)"
    )
    render.add_argument("--count", type=positive, default=5000, help="images (default: 5000)")
    render.add_argument(
        "--images-per-person",
        type=int,
        default=1,
        metavar="N",
        help="images of each person, in other light, pose and expression; with 2 or more, the labels have "
        "'person' (default: 1)",
    )
    render.add_argument("--seed", type=not_negative, default=0)
    render.set_defaults(run=_render)

    train = commands.add_parser("train", help="train a network, or go on where it stopped")
    train.add_argument("recipe", choices=("landmarks", "alignment", "expressions", "parameters", "detector"))
    train.add_argument("config", type=Path, help="JSON; docs/training.md lists the options")
    train.add_argument(
        "run_folder", type=Path, metavar="RUN", help="checkpoints, log and manifest; resumes if they exist"
    )
    train.add_argument(
        "--network", choices=("tddfa", "faceboxes"), help="detector: which one (default: as in the config)"
    )
    train.add_argument(
        "--start",
        metavar="WEIGHTS",
        help="go on from these weights: open, open:verifier or open:expressions, a .safetensors file, or a "
        "run's last.pt (default: as in the config)",
    )
    train.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    trial = train.add_mutually_exclusive_group()
    trial.add_argument(
        "--smoke", action="store_true", help=f"{_SMOKE_STEPS} steps, to see that everything runs"
    )
    trial.add_argument(
        "--overfit", action="store_true", help="one batch again and again: the loss has to vanish"
    )
    train.set_defaults(run=_train)

    person = commands.add_parser(
        "person", help="fit the identity of the person on top of a trained network of the recipe expressions"
    )
    _add_last_layer(person)
    person.set_defaults(run=_person)

    place = commands.add_parser(
        "place",
        help="fit camera and identity of a trained network of the recipe expressions to labelled landmarks",
    )
    _add_last_layer(place)
    place.set_defaults(run=_place)

    ablate = commands.add_parser("ablate", help="what each part of the recipe of 3DDFA_V2 is worth")
    ablate.add_argument("config", type=Path, help="JSON; docs/training.md lists the options")
    ablate.add_argument("folder", type=Path, metavar="FOLDER", help="runs and table; resumes if they exist")
    ablate.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    ablate.set_defaults(run=_ablate)

    card = commands.add_parser("model-card", aliases=["card"], help="tables and images of a model card")
    card.add_argument("config", type=Path, help="JSON; docs/training.md lists the options")
    card.add_argument("folder", type=Path, metavar="FOLDER", help="receives card.json, card.md and images")
    card.set_defaults(run=_card, command="card")  # also under its other name, which `dest` would keep

    pack = commands.add_parser("pack", help="a model pack from checkpoints")
    pack.add_argument("config", type=Path, help="JSON; docs/training.md lists the options")
    pack.add_argument("output", type=Path, metavar="PACK")
    pack.set_defaults(run=_pack)

    export = commands.add_parser("export", help="the averaged weights of a run as ONNX")
    export.add_argument("kind", choices=("alignment", "detector"))
    export.add_argument("checkpoint", type=Path)
    export.add_argument("output", type=Path)
    export.add_argument("--trunk", help="of an alignment network (default: dense)")
    export.add_argument("--float32", action="store_true", help="store the weights in full precision")
    export.add_argument(
        "--int8",
        type=Path,
        metavar="CONFIG",
        help="convolutions in int8, calibrated on the training data of this recipe's config",
    )
    export.add_argument(
        "--mirrored",
        action="store_true",
        help="an alignment network that averages every crop with its mirror image",
    )
    export.set_defaults(run=_export)
    for name in OUTPUTS:
        add_overwrite(commands.choices[name])
    return parser


def _prepare(args: argparse.Namespace) -> None:
    from tddfa.alignment import FaceAligner
    from tddfa_train.data.prepare import photos_in, prepare_folder

    teacher = None
    if args.face_landmarker is not None:
        from tddfa_train.data.face_landmarker import FaceLandmarker

        teacher = FaceLandmarker(args.face_landmarker)  # first: photos are not read for nothing
    aligners = [FaceAligner(pack) for pack in args.pack or [None]]
    counts = prepare_folder(photos_in(args.photos), args.output, aligners, side=args.side)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    if teacher is not None:
        from tddfa_train.data.prepare import ask_teacher

        print(f"{ask_teacher(args.output, teacher)} faces with a teacher's points and expressions")
    _show_sheet(args.output)


def _show_sheet(dataset: Path) -> None:
    from tddfa_train.data.prepare import write_sheet

    print(f"look at the labels: {write_sheet(dataset)}")


def _backgrounds(args: argparse.Namespace) -> None:
    from tddfa.alignment import FaceAligner
    from tddfa_train.data.prepare import photos_in, prepare_backgrounds

    photos = photos_in(args.photos)
    aligner = FaceAligner(args.pack)
    count = prepare_backgrounds(photos, args.output, aligner, count=args.count, side=args.side)
    print(f"{count} face-free squares in {args.output}")


def _prepare_mat(args: argparse.Namespace) -> None:
    from tddfa_train.data.matfiles import prepare_mat_folder

    print(f"{prepare_mat_folder(args.source, args.output, side=args.side)} faces in {args.output}")
    _show_sheet(args.output)


def _fit(args: argparse.Namespace) -> None:
    import numpy as np

    from tddfa.morphable import open_face_model
    from tddfa_train.data.expression_labels import label_expressions
    from tddfa_train.data.fits import fit_folder
    from tddfa_train.data.folder import open_face_folder

    model = open_face_model(level=0, crop="head")
    taught = "teacher_weights" in open_face_folder(args.dataset).labels
    errors = label_expressions(args.dataset, model) if taught else 100 * fit_folder(args.dataset, model)
    print(
        f"{len(errors)} fits; error in % of the face: median {np.median(errors):.2f}, "
        f"95th percentile {np.percentile(errors, 95):.2f}"
    )


def _answers(args: argparse.Namespace) -> None:
    from tddfa.alignment import FaceAligner
    from tddfa_train.data.answers import add_answers

    count = add_answers(args.dataset, FaceAligner(args.pack), seed=args.seed)
    print(f"{count} answers in {args.dataset}")


def _relabel(args: argparse.Namespace) -> None:
    import numpy as np

    from tddfa.morphable import open_face_model
    from tddfa_train.alignment.recipe import load_alignment_network
    from tddfa_train.data.relabel import RelabelConfig, label_again

    if args.crops < 1:
        raise InputError(f"--crops {args.crops}: at least 1 is needed")
    model = open_face_model(level=0, crop="head")
    network = load_alignment_network(args.checkpoint, args.trunk, model)
    config = RelabelConfig(args.crops, args.seed)
    moved = 100 * label_again(args.source, args.output, network, model, config)
    marked = moved[np.isfinite(moved)]
    print(f"{len(moved)} faces in {args.output}")
    if len(marked):
        print(f"{len(marked)} moved towards the annotations; median {np.median(marked):.2f} % of the face")
    _show_sheet(args.output)


def _turn(args: argparse.Namespace) -> None:
    from tddfa.morphable import open_face_model
    from tddfa_train.data.turn import ViewConfig, make_views

    config = ViewConfig(
        args.count,
        seed=args.seed,
        yaw_deg=(args.yaw[0], args.yaw[1]),
        pitch_sigma_deg=args.pitch,
        largest_source_yaw_deg=args.largest_source_yaw,
    )
    model = open_face_model(level=0, crop="head")
    count = make_views(args.source, args.output, model, config, args.backgrounds)
    print(f"{count} turned faces in {args.output}")
    _show_sheet(args.output)


def _render(args: argparse.Namespace) -> None:
    from tddfa.morphable import open_face_model
    from tddfa_train.data.renders import RenderConfig, Studio, make_renders

    studio = Studio.of(*(open_face_model(level=level, crop="head", mouth=False) for level in (0, 1)))
    config = RenderConfig(args.count, seed=args.seed, images_per_person=args.images_per_person)
    make_renders(args.output, studio, config, args.backgrounds)
    print(f"{args.count} renders in {args.output}")
    _show_sheet(args.output)


def _train(args: argparse.Namespace) -> None:
    from tddfa_train.loop.config import read_config
    from tddfa_train.loop.manifest import recorded
    from tddfa_train.loop.task import SameBatch
    from tddfa_train.loop.train import train
    from tddfa_train.recipes import RECIPES

    kind, build = RECIPES[args.recipe]
    recipe: Any = read_config(kind, args.config)
    if args.network is not None:
        if args.recipe != "detector":
            raise InputError(
                f"--network chooses a detector; the recipe {args.recipe} has the option 'trunk' in its config"
            )
        recipe = dataclasses.replace(recipe, kind=args.network)
    if args.start is not None:
        recipe = dataclasses.replace(recipe, start=args.start)
    if args.smoke or args.overfit:
        steps = _SMOKE_STEPS if args.smoke else _OVERFIT_STEPS
        loop = dataclasses.replace(
            recipe.loop, n_steps=steps, warmup_steps=min(10, steps), log_every=1, workers=0
        )
        recipe = (
            dataclasses.replace(recipe, loop=loop, evaluation=None)
            if hasattr(recipe, "evaluation")
            else (dataclasses.replace(recipe, loop=loop))
        )
    experiment = build(recipe)
    data = SameBatch(experiment.data) if args.overfit else experiment.data
    options = [f"--{name}" for name in ("smoke", "overfit") if getattr(args, name)]
    with recorded(
        args.run_folder, recipe=args.recipe, config=recipe, data=recipe.data.folders, options=options
    ) as start:
        progress = train(
            experiment.network,
            experiment.task,
            data,
            experiment.loop,
            args.run_folder,
            evaluate=experiment.evaluate,
            device=args.device,
        )
    if progress.step == start.step:
        print(
            f"{args.run_folder} has {start.step} steps already, and {experiment.loop.n_steps} were to be "
            "taken; raise n_steps in the config, or train in another folder"
        )
    else:
        print(f"{args.run_folder}: step {progress.step}, {progress.samples} samples, {progress.hours:.2f} h")


def _add_last_layer(command: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that fits a part of the last layer of a trained network."""
    command.add_argument("config", type=Path, metavar="CONFIG", help="JSON, as for 'train expressions'")
    command.add_argument(
        "--start",
        metavar="WEIGHTS",
        help="the trained network: open:expressions, a .safetensors file, or a run's last.pt (default: as in "
        "the config)",
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.safetensors")
    command.add_argument(
        "--options", type=Path, metavar="JSON", help="numbers of the fit; docs/training.md lists them"
    )
    command.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")


def _closeup_recipe(args: argparse.Namespace) -> "CloseUpRecipe":
    from tddfa_train.expressions.recipe import CloseUpRecipe
    from tddfa_train.loop.config import read_config

    recipe = read_config(CloseUpRecipe, args.config)
    return recipe if args.start is None else dataclasses.replace(recipe, start=args.start)


def _person(args: argparse.Namespace) -> None:
    from tddfa_train.expressions.person import write_person_head
    from tddfa_train.expressions.person_fit import PersonConfig
    from tddfa_train.loop.config import read_config

    config = PersonConfig() if args.options is None else read_config(PersonConfig, args.options)
    ratios = write_person_head(_closeup_recipe(args), args.output, config, device=args.device)
    for kind, (people, ratio) in ratios.items():
        print(f"{people} people in {kind}; identity of a person, within / between people: {ratio:.2f}")


def _place(args: argparse.Namespace) -> None:
    from tddfa_train.expressions.placement import PlacementConfig, write_placement
    from tddfa_train.loop.config import read_config

    config = PlacementConfig() if args.options is None else read_config(PlacementConfig, args.options)
    change = write_placement(_closeup_recipe(args), args.output, config, device=args.device)
    print(
        f"{change.n_faces} faces that were left out of the fit: {change.before:.2f} % of their size from "
        f"the labels before, {change.after:.2f} % after"
    )


def _ablate(args: argparse.Namespace) -> None:
    from tddfa_train.ablation import AblationRecipe, ablate, table
    from tddfa_train.loop.config import read_config

    print(table(ablate(read_config(AblationRecipe, args.config), args.folder, device=args.device)))


def _card(args: argparse.Namespace) -> None:
    from tddfa_train.loop.config import read_config
    from tddfa_train.model_card.measure import CardConfig, card_text, measure_card

    print(card_text(measure_card(read_config(CardConfig, args.config), args.folder)))


def _export(args: argparse.Namespace) -> None:
    from tddfa_train.detector.recipe import load_detector
    from tddfa_train.export.onnx import write_network
    from tddfa_train.export.pack import Source, alignment_onnx, detector_onnx

    int8 = None if args.int8 is None else str(args.int8)
    if args.kind == "alignment":
        trunk = args.trunk or "dense"
        source = Source(str(args.checkpoint), trunk, title="", int8=int8, mirrored=args.mirrored)
        data = alignment_onnx(source, float32=args.float32)
    elif args.mirrored or args.trunk:
        raise InputError(f"--{'mirrored' if args.mirrored else 'trunk'} is for alignment networks")
    else:
        data = detector_onnx(load_detector(args.checkpoint), int8, float32=args.float32)
    write_network(args.output, data)
    print(json.dumps({"file": str(args.output), "bytes": args.output.stat().st_size}))


def _pack(args: argparse.Namespace) -> None:
    from tddfa_train.export.pack import PackConfig, write_pack
    from tddfa_train.loop.config import read_config

    manifest = write_pack(args.output, read_config(PackConfig, args.config))
    size = sum(file.bytes for file in manifest.files.values())
    print(f"{manifest.name} in {args.output}: {len(manifest.files)} files, {size / 2**20:.1f} MiB")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; 0 when all went well, 1 with one line that says what did not."""
    # Small matrix products in every loader process: several threads for each would wait for one another.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    args = build_parser().parse_args(argv)
    logging.basicConfig(format="tddfa-train: %(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        check_device(getattr(args, "device", "cpu"))
        check_outputs(args)
        args.run(args)
    except (TddfaError, OSError, MemoryError) as error:
        print(f"tddfa-train: error: {plain(_problem(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tddfa-train: stopped; start it again to go on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _problem(error: Exception) -> str:
    """Return what could not be done, for a person."""
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs, or use less data"
    if isinstance(error, TddfaError) or not isinstance(error, OSError):
        return str(error)
    place = "" if error.filename is None else f" {error.filename}"
    return f"cannot read or write{place}: {error.strerror or error}"


if __name__ == "__main__":
    sys.exit(main())
