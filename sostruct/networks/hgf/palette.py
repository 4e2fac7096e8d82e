"""Colors of pictures of belief networks: those of Okabe and Ito (2008) on white, as in reports.

They stay apart under the common color vision deficiencies, and no picture relies on color alone.
"""

from typing import Final

INK: Final = "#1d2026"
MUTED: Final = "#686e78"
HAIR: Final = "#c9cdd4"
PAPER: Final = "#ffffff"
BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
BAND: Final = "#cfe3f1"
GROUND: Final = "#eef1f4"
