"""Take a picture of the newest report below a folder: `make picture` does, for docs/images.

Usage: python docs/images/picture.py FOLDER PICTURE.png; needs the program chromium.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

WIDTH, HEIGHT = 1160, 1630
"""Pixels of the window: the page's width, down to the end of the path."""
SHARPNESS = 1.5
"""Pixels of the picture for one of the window."""
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
            f"--window-size={WIDTH},{HEIGHT}",
            f"--force-device-scale-factor={SHARPNESS}",
            f"--screenshot={shot}",
        ]
        subprocess.run([program, *flags, report.as_uri()], check=True, capture_output=True)
        Image.open(shot).convert("RGB").quantize(COLOURS).save(picture, optimize=True)
    print(f"{report} -> {picture} ({picture.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
