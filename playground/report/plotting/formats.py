"""Writes figures to files; the same figure always gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import PlaygroundError, suggest_names

if TYPE_CHECKING:
    from playground.report.plotting.figure import Drawing

STILL_DPI = 200
"""Dots per inch of a still picture."""

FRAME_DPI = 110
"""Dots per inch of an animation's frame."""

FRAME_MILLISECONDS = 100
"""Duration of a frame, in milliseconds."""

MIN_WHITE_LEVEL = 249
"""A colour whose three parts are at least this counts as white in a GIF."""

LAST_FRAME_MILLISECONDS = 1500
"""Duration of the last frame, in milliseconds."""


@dataclass(frozen=True)
class PictureFormat:
    """A file format.

    :param write: writes a drawing, given the command that creates it, to a file.
    :param moves: whether the format is animated.
    """

    write: Callable[[Drawing, str, Path], None]
    moves: bool = False

    def check(self, drawing: Drawing) -> None:
        """Refuse to animate a drawing without frames.

        :raises PlaygroundError: the format is animated and the drawing is not.
        """
        if self.moves and not drawing.frames:
            raise PlaygroundError(f"this picture has no animation; write it as {', '.join(STILL_SUFFIXES)}")


def choose_format(path: Path) -> PictureFormat:
    """Return the format of a file's suffix.

    :raises PlaygroundError: the suffix is unknown.
    """
    suffix = path.suffix.lower()
    if suffix not in PICTURE_FORMATS:
        raise PlaygroundError(f"{path}: unknown suffix{suggest_names('', PICTURE_FORMATS)}")
    return PICTURE_FORMATS[suffix]


def write(drawing: Drawing, kind: PictureFormat, command: str, path: Path) -> None:
    """Write a figure.

    :param command: the command that creates the figure; stored in the file's metadata.
    """
    from playground.report.plotting.figure import use_style

    with use_style():
        kind.write(drawing, command, path)


def _write_still(
    name: str, metadata: Callable[[str], Mapping[str, Any]], drawing: Drawing, command: str, path: Path
) -> None:
    drawing.figure.savefig(path, format=name, dpi=STILL_DPI, metadata=metadata(command))


def _write_animation(
    name: str, more: Callable[[str], Mapping[str, Any]], drawing: Drawing, command: str, path: Path
) -> None:
    from PIL import Image

    frames = []
    for frame in range(drawing.frames):
        drawing.show(frame)
        stream = io.BytesIO()
        drawing.figure.savefig(stream, format="png", dpi=FRAME_DPI)
        if frame == 0:
            drawing.figure.set_layout_engine("none")  # keep the axes in place in all frames
        frames.append(Image.open(stream).convert("RGB"))
    durations = [FRAME_MILLISECONDS] * (len(frames) - 1) + [LAST_FRAME_MILLISECONDS]
    first, *rest = _share_palette(frames) if name == "GIF" else frames
    with path.open("wb") as file:
        first.save(file, format=name, save_all=True, append_images=rest, duration=durations, loop=0, **more(command))


def _share_palette(frames: list[Any]) -> list[Any]:
    """Return frames with one common palette, so that colours do not flicker: that of the first, middle and last one."""
    from PIL import Image

    chosen = [frames[0], frames[len(frames) // 2], frames[-1]]
    width, height = frames[0].size
    strip = Image.new("RGB", (width, height * len(chosen)))
    for place, frame in enumerate(chosen):
        strip.paste(frame, (0, height * place))
    palette = strip.quantize(255, dither=Image.Dither.NONE)
    colours = palette.getpalette() or []
    for place in range(0, len(colours), 3):
        # Pillow matches colours in steps of 4; keep white exactly white
        if min(colours[place : place + 3]) >= MIN_WHITE_LEVEL:
            colours[place : place + 3] = [255, 255, 255]
    palette.putpalette(colours)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]


def _png_text(command: str) -> dict[str, Any]:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("Description", command)
    return {"pnginfo": info}


PICTURE_FORMATS: Mapping[str, PictureFormat] = {
    ".png": PictureFormat(partial(_write_still, "png", lambda command: {"Description": command})),
    ".svg": PictureFormat(partial(_write_still, "svg", lambda command: {"Description": command, "Date": None})),
    ".pdf": PictureFormat(partial(_write_still, "pdf", lambda command: {"Subject": command, "CreationDate": None})),
    ".gif": PictureFormat(partial(_write_animation, "GIF", lambda command: {"comment": command.encode()}), moves=True),
    ".apng": PictureFormat(partial(_write_animation, "PNG", _png_text), moves=True),
}

STILL_SUFFIXES = [suffix for suffix, kind in PICTURE_FORMATS.items() if not kind.moves]
