"""Pictures of the main pages, light, dark and at 360 pixels: `make screenshots` has them made in SCREENSHOTS.

Those that the README shows are written to docs/images as well.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ROOT

FOLDER = os.environ.get("SCREENSHOTS", "")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not FOLDER, reason="SCREENSHOTS does not name a folder for pictures"),
]

LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "phone": ("light", 360)}
PAGES: dict[str, str] = {
    "front": "/admin/",
    "rules": "/admin/rules/rule/?product=Firefox",
    "rule": "/admin/rules/rule/1/change/",
    "rule-deletion": "/admin/rules/rule/1/delete/",
    "releases": "/admin/releases/release/",
    "release": "/admin/releases/release/1/change/",
    "release-editor": "/admin/releases/release/1/edit/",
    "scheduled": "/admin/changes/scheduledchange/",
    "scheduled-change": "/admin/changes/scheduledchange/8/change/",
    "suspended-change": "/admin/changes/scheduledchange/12/change/",
    "calendar": "/admin/changes/calendar/",
    "rollout": "/admin/rollouts/?product=Firefox&channel=release",
    "rollout-plan": "/admin/rollouts/plan/",
    "asking": "/admin/ask/?rule=1",
    "emergency": "/admin/emergency/",
    "people": "/admin/people/",
    "history": "/admin/history/rules.rule/1/",
}
IN_README = {"rules-light", "rollout-dark", "asking-light"}


@pytest.mark.parametrize("look", LOOKS)
def test_main_pages__are_pictured(open_page: Any, look: str) -> None:
    scheme, width = LOOKS[look]
    page = open_page(scheme=scheme, width=width)
    for name, address in PAGES.items():
        assert page.goto(address).status == 200, address
        picture = Path(FOLDER) / f"{name}-{look}.png"
        in_readme = picture.stem in IN_README
        if in_readme:  # that no agent runs beside the tests is nothing to tell there
            page.evaluate("document.querySelectorAll('.errornote').forEach(said => said.remove())")
        page.screenshot(path=picture, full_page=not in_readme)
        assert picture.stat().st_size
        if in_readme:
            shown = ROOT / "docs" / "images" / f"{name}.png"
            shown.parent.mkdir(exist_ok=True)
            shutil.copy(picture, shown)
