"""The file name that is made of what a sender calls a file."""

from __future__ import annotations

import ntpath
import os
from pathlib import Path, PureWindowsPath

from teamwire_sync._services.files import safe_name, target_of

NAMES = {
    "report.pdf": "report.pdf",
    "Bericht März (1).pdf": "Bericht März (1).pdf",
    "\N{GRINNING FACE}": "\N{GRINNING FACE}",
    "\N{GRINNING FACE}.png": "\N{GRINNING FACE}.png",
    "report.tar.gz": "report.tar.gz",
    # elsewhere
    "../../etc/passwd": "passwd",
    "..\\..\\x": "x",
    "/etc/passwd": "passwd",
    "C:\\Windows\\x.ini": "x.ini",
    "C:x.ini": "C_x.ini",
    "\\\\server\\share\\x": "x",
    "a/b\\c": "c",
    "x/": "attachment",
    "x/..": "attachment",
    "~/x": "x",
    # nothing
    "": "attachment",
    ".": "attachment",
    "..": "attachment",
    "...": "attachment",
    " ": "attachment",
    " . . ": "attachment",
    "/": "attachment",
    "\0": "attachment",
    "\n\r\t": "attachment",
    # hidden
    ".bashrc": "bashrc",
    "..bashrc": "bashrc",
    ". .ssh": "ssh",
    "\u200b.bashrc": "bashrc",
    # what Windows does not allow, or takes for something else
    "x.txt.": "x.txt",
    "x.txt ...": "x.txt",
    " x.txt ": "x.txt",
    "x .txt": "x.txt",
    "CON": "_CON",
    "-rf.txt": "_-rf.txt",
    "con.txt": "_con.txt",
    "CON.a.txt": "_CON.a.txt",
    "con .txt": "_con.txt",
    "con .a.txt": "_con .a.txt",
    "NUL": "_NUL",
    "COM1.log": "_COM1.log",
    "lpt9": "_lpt9",
    "COM\N{SUPERSCRIPT TWO}.log": "_COM\N{SUPERSCRIPT TWO}.log",
    "CONIN$": "_CONIN$",
    "CONSOLE.txt": "CONSOLE.txt",
    "COM10": "COM10",
    "x.txt:evil.exe": "x.txt_evil.exe",
    '<a>:"b"|?*.txt': "_a___b____.txt",
    # what can't be seen
    "x\0.txt": "x.txt",
    "x\n\r.txt": "x.txt",
    "x\x1b[31m.txt": "x[31m.txt",
    "gpj.\u202etxt.exe": "gpj.txt.exe",
    "x\ufeff\u2066.txt": "x.txt",
    "x\ud800.txt": "x.txt",
    "x\xa0.txt": "x.txt",
    # long
    "x" * 1000: "x" * 200,
    f"{'x' * 1000}.pdf": f"{'x' * 196}.pdf",
    f"x.{'y' * 1000}": f"x.{'y' * 198}",
    f"{'ä' * 1000}.pdf": f"{'ä' * 98}.pdf",
    f"{'x' * 199}. y.pdf": f"{'x' * 196}.pdf",
    f"{'x' * 194}. y.pdf": f"{'x' * 194}.pdf",
}


def is_reserved(name: str) -> bool:
    """Whether Windows has another use for *name*."""
    known = getattr(ntpath, "isreserved", None)  # since Python 3.13
    reserved: bool = known(name) if known else PureWindowsPath(name).is_reserved()
    return reserved


def test_it_is_like_what_the_sender_says() -> None:
    assert {name: safe_name(name) for name in NAMES} == NAMES


def test_it_is_one_part_of_a_path_everywhere() -> None:
    safe = [safe_name(name) for name in NAMES]

    assert [one for one in safe if Path(one).parts != (one,)] == []
    assert [one for one in safe if PureWindowsPath(one).parts != (one,)] == []
    assert [one for one in safe if is_reserved(one)] == []


def test_made_safe_again_it_stays() -> None:
    safe = [safe_name(name) for name in NAMES]

    assert [safe_name(one) for one in safe] == safe


def test_the_file_is_in_the_folder_and_can_be_seen(tmp_path: Path) -> None:
    wrong = {}
    for number, name in enumerate(NAMES):
        folder = tmp_path / str(number) / "a" / "b"
        folder.mkdir(parents=True)
        for _ in range(2):
            with target_of(folder, name) as (target, paths):
                target.write(b"abc")
        found = list(folder.iterdir())
        seen = [one for one in found if one.name[0] != "." and len(os.fsencode(one.name)) <= 255]
        if len(found) != 2 or seen != found or paths[0] not in found:
            wrong[name] = found

    assert wrong == {}
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2 * len(NAMES)
