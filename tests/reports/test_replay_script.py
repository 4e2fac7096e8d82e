"""The script of the slider, in a browser where there is one: what it shows is what the data say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sostruct.reports import write_report
from sostruct.reports.canvas import settings
from sostruct.reports.replay import film
from sostruct.reports.replay_drawing import draw_film
from sostruct.reports.replay_section import part_class
from sostruct.reports.tables import read_run

from .beliefs import write_beliefs

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser at hand")
@pytest.mark.parametrize(
    ("address", "frame"), [("", 6), ("#epoch=1", 1), ("#epoch=3", 3), ("#epoch=99", 6), ("#epoch=x", 6)]
)
def test_the_page_shows_the_epoch_of_its_address(tmp_path: Path, address: str, frame: int) -> None:
    page = write_report(write_beliefs(tmp_path / "run"))
    tables = read_run(tmp_path / "run")
    with settings():
        drawn = draw_film(film(tables), tables)
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [str(BROWSER), *options, page.as_uri() + address], capture_output=True, check=True, timeout=90
    )
    content = done.stdout.decode()
    content = content[content.index('<div class="replay live">') : content.index("</script>")]
    classes = set(re.findall(r'data-part="(\d+)" class="([^"]*)" data-role', content))
    parts = range(len(drawn.states[frame]))
    assert classes == {(str(number), part_class(drawn, frame, number)) for number in parts}
    shown = re.findall(r'data-frame="(\d+)"( hidden)?', content)
    assert [number for number, hidden in shown if not hidden] == [str(frame)]
    for number, words in drawn.texts[frame].items():
        if words.strip():
            group = re.search(
                rf'<g data-part="{number}"[^>]*data-role="text".*?<text[^>]*>([^<]*)</text>', content, re.DOTALL
            )
            assert group is not None
            assert group.group(1) == words
    assert f">epoch {frame}: " in content
    rows = re.findall(r"<tr( hidden=\"\")?><td", content)
    there = [name in film(tables).frames[frame].signals for name in drawn.nodes]
    assert [not hidden for hidden in rows] == there
