"""What is known of the package itself."""

from __future__ import annotations

from pathlib import Path

VERSION = "0.3.0"
FOLDER = Path(__file__).parents[1]
