"""A browser without a window and without a network."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Seconds that no page needs.
GUARD = 120
_REPORT = """
<script>
addEventListener("load", () => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const behind = node => {
    for (; node.nodeType === Node.ELEMENT_NODE; node = node.parentNode) {
      const colour = getComputedStyle(node).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    const scheme = matchMedia("(prefers-color-scheme: dark)").matches;
    return scheme ? "rgb(18, 18, 18)" : "rgb(255, 255, 255)";
  };
  const light = colour => {
    const [r, g, b] = parts(colour).map(part => {
      part /= 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = node => {
    const both = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => a - b);
    return (both[1] + 0.05) / (both[0] + 0.05);
  };
  const left = (node, index) => {
    const range = document.createRange();
    range.setStart(node, index);
    range.setEnd(node, index + 1);
    return range.getBoundingClientRect().left;
  };
  const isTurned = node => {
    const first = node.data.search(/\\w/);
    const last = node.data.search(/\\w\\W*$/);
    return left(node, first) > left(node, last);
  };
  const cells = [...document.querySelectorAll("td, th")];
  const own = cells.filter(cell => cell.dir === "auto");
  const names = [...document.querySelectorAll("td, td bdi")];
  const report = {
    title: document.title,
    rows: [...document.querySelectorAll("tr")].map(
      row => [...row.querySelectorAll("td, th")].map(cell => cell.innerText)),
    elements: [...new Set([...document.querySelectorAll("table *")].map(
      node => node.tagName.toLowerCase()))].sort(),
    attributes: [...new Set([...document.querySelectorAll("table, table *")].flatMap(
      node => node.getAttributeNames()))].sort(),
    contrast: Math.min(...own.map(contrast)),
    isDark: own.every(cell => light(getComputedStyle(cell).color) > light(behind(cell))),
    turned: names.map(node => node.firstChild).filter(
      node => node instanceof Text && /\\w.*\\w/.test(node.data) && isTurned(node)).map(
        node => node.data),
    widest: Math.max(...own.map(cell => cell.getBoundingClientRect().width)),
  };
  const shown = document.createElement("pre");
  shown.id = "report";
  shown.textContent = JSON.stringify(report);
  document.documentElement.append(shown);
});
</script>
"""
_MEASURE = """<!doctype html><body><script>
addEventListener("load", async () => {
  const report = {};
  for (const page of %(pages)s) {
    const frame = document.createElement("iframe");
    frame.width = %(width)d;
    frame.height = 900;
    frame.src = page;
    const loaded = new Promise(done => frame.addEventListener("load", done));
    document.body.append(frame);
    await loaded;
    const shown = frame.contentDocument;
    const isCut = node => node.scrollWidth > node.clientWidth;
    report[page] = {
      blocks: shown.querySelectorAll("pre").length,
      cut: [...shown.querySelectorAll("pre, .table-wrapper")].filter(isCut).map(
        node => node.textContent.trim().slice(0, 80)),
      isCut: isCut(shown.documentElement),
      titleLines: Math.round(shown.querySelector("h1").clientHeight /
        parseFloat(frame.contentWindow.getComputedStyle(shown.querySelector("h1")).lineHeight)),
    };
    frame.remove();
  }
  const shown = document.createElement("pre");
  shown.id = "report";
  shown.textContent = JSON.stringify(report);
  document.documentElement.append(shown);
});
</script>
"""


class Browser:
    """Chromium.

    Args:
        program: Its path.
        folder: Where its profile and the pages go.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def look_at(self, page: str, *, is_dark: bool = False) -> dict[str, Any]:
        """What is on a page: title, tables, colours; see the script."""
        path = self._folder / "page.html"
        path.write_text(page + _REPORT, "utf-8")
        return self._report_of(path, *(["--force-dark-mode"] if is_dark else []))

    def measure(self, site: Path, pages: Sequence[str], width: int) -> dict[str, Any]:
        """How the pages of a site fit into a window of *width* pixels; see the script."""
        path = site / "measure.html"
        path.write_text(_MEASURE % {"pages": json.dumps(pages), "width": width}, "utf-8")
        try:
            return self._report_of(path, "--allow-file-access-from-files")
        finally:
            path.unlink()

    def _report_of(self, path: Path, *options: str) -> dict[str, Any]:
        done = subprocess.run(
            [
                self._program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--host-resolver-rules=MAP * ~NOTFOUND",
                f"--user-data-dir={self._folder / 'profile'}",
                "--window-size=1200,900",
                "--virtual-time-budget=10000",
                "--dump-dom",
                *options,
                path.as_uri(),
            ],
            env={**os.environ, "HOME": str(self._folder)},
            capture_output=True,
            check=True,
            timeout=GUARD,
        )
        dom = done.stdout.decode("utf-8", "replace")
        found = re.search(r'<pre id="report">(.*?)</pre>', dom, re.DOTALL)
        assert found is not None, dom[-2000:]
        report: dict[str, Any] = json.loads(html.unescape(found[1]))
        return report
