"""Take a picture of the newest report below a folder: `make picture` does, for docs/images.

Usage: python docs/images/picture.py FOLDER PICTURE.png; needs the program chromium.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

WIDTH, HEIGHT = 1160, 1700
"""Pixels of one half of the picture; the second half goes on where the first one ends."""
COLOURS = 96
"""Enough for a page of few colours, and a third of the bytes."""


def main(folder: Path, picture: Path) -> None:
    """Find the report, and let a browser draw it."""
    report = max(folder.rglob("report.html"), key=lambda it: it.stat().st_mtime)
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("a browser is needed: install the package chromium")
    with TemporaryDirectory() as profile:
        shot = Path(profile) / "shot.png"
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            f"--window-size={WIDTH},{2 * HEIGHT}",
            f"--screenshot={shot}",
        ]
        subprocess.run([program, *flags, report.as_uri()], check=True, capture_output=True)
        spread(Image.open(shot)).quantize(COLOURS).save(picture, optimize=True)
    print(f"{report} -> {picture} ({picture.stat().st_size / 1000:.0f} kB)")


def spread(page: Image.Image) -> Image.Image:
    """Two halves of a page side by side, as in a book."""
    both = Image.new("RGB", (2 * WIDTH, HEIGHT))
    for half in range(2):
        top = half * HEIGHT
        both.paste(page.crop((0, top, WIDTH, top + HEIGHT)), (half * WIDTH, 0))
    return both


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
