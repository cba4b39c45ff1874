"""`latent`: sentences as points: sample, encode, decode, and the paper's table."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractions import Fraction

    from explorer.latent.language import Language
    from explorer.latent.space import ArielSpace, Points, Space


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its own commands."""
    parser = commands.add_parser("latent", help="sentences as points of continuous spaces")
    own = parser.add_subparsers(dest="latent", metavar="COMMAND", required=True)

    table = own.add_parser("table", help="the paper's table: every space, measured")
    table.add_argument("--language", choices=("toy", "dialogue"), help="one only")
    table.add_argument("--points", type=int, default=10_000, metavar="N", help="decoded a row")
    table.add_argument("--held-out", type=Path, metavar="FILE", help="sentences, one a line")
    table.add_argument("--markdown", action="store_true", help="as Markdown")
    table.set_defaults(run=_table)

    sample = own.add_parser("sample", help="points drawn, and what they say")
    _add_space(sample)
    sample.add_argument("--points", type=int, default=20, metavar="N")
    sample.add_argument("--how", choices=("uniform", "prior"), default="uniform")
    sample.set_defaults(run=_sample)
    for command in (table, sample):
        command.add_argument("--seed", type=int, default=0, metavar="S", help="of the points")

    encode = own.add_parser("encode", help="a sentence's point; its box and volume under AriEL")
    _add_space(encode)
    encode.add_argument("sentence", help="in the words of the language; of a model a continuation")
    encode.set_defaults(run=_encode)

    decode = own.add_parser("decode", help="what a point says")
    _add_space(decode)
    decode.add_argument("point", help="numbers with commas between them: 0.3,0.71, or 1/3,5/7")
    decode.set_defaults(run=_decode)

    speed = own.add_parser("speed", help="AriEL's decoding against the published scheme")
    speed.add_argument("--points", type=int, default=10_000, metavar="N")
    speed.set_defaults(run=_speed)
    for command in (table, sample, encode, decode, speed):
        command.add_argument("--json", action="store_true", help="as JSON")
    for command in (table, sample):
        command.add_argument("--out", type=Path, metavar="FILE", help="write there")


def _add_space(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", help="toy (the default) or dialogue")
    parser.add_argument("--space", default="ariel", help="ariel, ariel_lm, vae, ae, transformer")
    parser.add_argument("--dimensions", type=int, default=2, metavar="D")
    parser.add_argument(
        "--model", metavar="M", help="a language model instead: tiny, smollm2-135m, …"
    )
    parser.add_argument("--prompt", metavar="TEXT", help="what the model goes on from")


def _space(arguments: argparse.Namespace) -> tuple[Language, Space]:
    from explorer.core.errors import InvalidParams
    from explorer.latent.language import language
    from explorer.latent.points import checked_dimensions
    from explorer.latent.spaces import load_space

    if arguments.model is not None:
        if arguments.language is not None or arguments.space != "ariel":
            raise InvalidParams("A model is its own language.", "It has the space ariel only.")
        checked_dimensions(arguments.dimensions)
        return _model_space(arguments)
    if arguments.prompt is not None:
        raise InvalidParams("Nothing goes on from a prompt here.", "Give --model too.")
    spoken = language(arguments.language or "toy")
    return spoken, load_space(spoken, arguments.space, arguments.dimensions)


def _model_space(arguments: argparse.Namespace) -> tuple[Language, Space]:
    from explorer.cli.arguments import open_model
    from explorer.latent.ariel import MAX_TOKENS
    from explorer.latent.model_space import model_language, model_space

    model = open_model(arguments.model)
    space = model_space(
        model, arguments.dimensions, prompt=arguments.prompt or "", max_tokens=MAX_TOKENS
    )
    return model_language(model), space


def _say(arguments: argparse.Namespace, text: str) -> int:
    """Print, or write to the file that was asked for."""
    out: Path | None = getattr(arguments, "out", None)
    if out is None:
        print(text)
        return 0
    from explorer.core.errors import InvalidParams

    try:
        out.write_text(text + "\n", "utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidParams(
            f"'{out}' cannot be written: {reason}.", "Name another file."
        ) from error
    print(f"wrote {out}", file=sys.stderr)
    return 0


def _table(arguments: argparse.Namespace) -> int:
    from explorer.cli.latent_table import as_json, as_markdown, as_text
    from explorer.cli.progress import LoadBar
    from explorer.core.errors import InvalidParams
    from explorer.latent.language import LANGUAGES, language
    from explorer.latent.table import measure, read_turns

    names = [arguments.language] if arguments.language else list(LANGUAGES)
    lines: list[str] | None = None
    if arguments.held_out is not None:
        if len(names) > 1:
            raise InvalidParams("Held-out sentences are of one language.", "Give --language too.")
        try:
            lines = arguments.held_out.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidParams(f"'{arguments.held_out}' cannot be read: {error}.") from error
    found = []
    with LoadBar() as bar:
        for name in names:
            spoken = language(name)
            held = None if lines is None else read_turns(spoken, lines)
            if held is not None and lines is not None:
                print(f"{len(held)} sentences of {len(lines)} lines are used", file=sys.stderr)
            found.append(
                measure(
                    spoken,
                    points=arguments.points,
                    seed=arguments.seed,
                    held_out=held,
                    progress=bar,
                )
            )
    shown = as_json if arguments.json else as_markdown if arguments.markdown else as_text
    return _say(arguments, shown(found))


def _sample(arguments: argparse.Namespace) -> int:
    from explorer.latent.table import drawn

    spoken, space = _space(arguments)
    points = drawn(space, arguments.points, arguments.how, arguments.seed)
    readings = space.decode(points)
    if not arguments.json:
        return _say(arguments, "\n".join(_line(spoken.join(r.words)) for r in readings))
    lines = []
    for point, reading in zip(points.tolist(), readings, strict=True):
        line = {"point": point, "words": reading.words, "ended": reading.ended}
        if len(spoken.seen):
            line["novel"] = spoken.is_novel(reading.words)
        if spoken.judge is not None:
            line["valid"] = spoken.judge.judge(reading.words).valid and reading.ended
        lines.append(json.dumps(line, ensure_ascii=False))
    return _say(arguments, "\n".join(lines))


def _encode(arguments: argparse.Namespace) -> int:
    from explorer.latent.space import ArielSpace

    spoken, space = _space(arguments)
    words = spoken.split(arguments.sentence)
    point = space.encode([words])
    found: dict[str, Any] = {"words": words, "point": point[0].tolist()}
    found["back"] = space.decode(point)[0].words
    if isinstance(space, ArielSpace):
        found |= _box(space, words)
    if arguments.json:
        return _say(arguments, json.dumps(found, ensure_ascii=False))
    lines = [f"point   {_numbers(point)}"]
    if "low" in found:
        edges = zip(found["low"], found["high"], strict=True)
        lines.append("box     " + "  ".join(f"{low:.9g} to {high:.9g}" for low, high in edges))
        lines.append(f"volume  2^-{found['volume_bits']:.3f}")
    lines.append(f"back    {_line(spoken.join(found['back']))}")
    if "low" in found:
        tokens = len(words) + 1
        lines.append(f"floats  tell {found['certain_tokens']} of {tokens} words, the end included")
        same = "the same sentence" if found["exact_same"] else "ANOTHER sentence"
        lines.append(f"exact   fractions give {same} back")
        lines.append(f"law     whole numbers cost at most {found['kl_nats']:.1e} nats a word")
    return _say(arguments, "\n".join(lines))


def _box(space: ArielSpace[Any], words: tuple[str, ...]) -> dict[str, Any]:
    """What the box of a sentence is, and what floats and fractions tell of it."""
    ids = space.ids(words)
    box = space.ariel.box(ids)
    exact = space.ariel.decode(box.centre)
    return {
        "low": [float(edge) for edge in box.low],
        "high": [float(edge) for edge in box.high],
        "volume_bits": box.bits,
        "exact": [f"{z.numerator}/{z.denominator}" for z in box.centre],
        "exact_same": exact.ended and exact.tokens == ids,
        "certain_tokens": space.ariel.certain_tokens([float(z) for z in box.centre], exact),
        "kl_nats": space.ariel.laws.kl_nats,
    }


def _line(text: str) -> str:
    """A text on one line of a terminal."""
    return text.replace("\n", "⏎")


def _numbers(points: Points) -> str:
    return ",".join(repr(float(value)) for value in points[0])


def _decode(arguments: argparse.Namespace) -> int:
    from explorer.core.errors import InvalidParams
    from explorer.latent.space import ArielSpace, Reading

    spoken, space = _space(arguments)
    try:
        point = [_coordinate(part) for part in arguments.point.split(",")]
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidParams(
            f"'{arguments.point[:80]}' is no point.", "Write numbers with commas: 0.3,0.71."
        ) from error
    if isinstance(space, ArielSpace):
        decoded = space.ariel.decode(point)
        reading = Reading(space.words.words(decoded.tokens), decoded.ended)
    else:
        [reading] = space.decode([[float(z) for z in point]])
    if arguments.json:
        said = {"words": reading.words, "ended": reading.ended}
        return _say(arguments, json.dumps(said, ensure_ascii=False))
    return _say(arguments, _line(spoken.join(reading.words)) + ("" if reading.ended else " …"))


def _coordinate(text: str) -> float | Fraction:
    """A number as it is typed; fractions stay exact."""
    from fractions import Fraction

    return Fraction(text) if "/" in text else float(text)


def _speed(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from explorer.core.errors import InvalidParams
    from explorer.latent.speed import measure

    if arguments.points < 20:
        raise InvalidParams("The comparison decodes 20 points both ways.", "Ask for 20 or more.")
    found = measure(arguments.points)
    if arguments.json:
        ratios = {"ratio": found.ratio, "ratio_kept": found.ratio_kept}
        return _say(arguments, json.dumps(asdict(found) | ratios))
    print(f"{found.points:,} points of the toy language in {found.seconds:.2f} s")
    print(f"as published: {found.published:.2e} s a point, {found.ratio:,.0f} times as long")
    print(
        "published arithmetic alone, next words looked up beforehand: "
        f"{found.published_kept:.2e} s a point, {found.ratio_kept:,.0f} times as long"
    )
    same = "the same sentences" if found.agree else "NOT the same sentences"
    print(f"both ways gave {same}")
    return 0 if found.agree else 1
