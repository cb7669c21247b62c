"""docs/porting.md: its three changes port the programs that the vendor documents."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

import teamwire_sync
from teamwire_sync import AlertType
from tests.support.pages import DOCS, blocks
from tests.vendor.test_seed_programs import PROGRAMS, output_of, ported, statements, without_async

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

# The names that the vendor documents and we have, by module. docs/porting.md lists what is missing.
DOCUMENTED = {
    "attachments": "Attachment AttachmentType Attachments CalendarAttachment LocationAttachment",
    "chats": "AlertType Chat ChatType",
    "connection": "Connection ConnectionConfig",
    "events": (
        "ChatAdminsChangeInfo ChatChangeInfo ChatMemberChangeInfo Events MessageDeletedInfo "
        "MessageReadInfo"
    ),
    "exceptions": (
        "TWAuthError TWConnectionError TWImageLoadError TWInvalidMembersError TWNotFoundError "
        "TWServerError"
    ),
    "groups": "Group",
    "message": "LinkPreview Message",
    "users": "Bot LoggedInUser User",
}


@pytest.fixture(autouse=True)
def _environment(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in box.env.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("module", DOCUMENTED)
def test_an_import_of_a_documented_name_is_ported_by_its_package(module: str) -> None:
    names = DOCUMENTED[module].split()
    program = f"from teamwire_api.{module} import {', '.join(names)}\nprint({', '.join(names)})"

    expected = " ".join(str(getattr(teamwire_sync, name)) for name in names)
    assert output_of(ported(program)) == [expected]


@pytest.mark.parametrize("name", [*PROGRAMS, "alert"])
def test_a_ported_program_runs(box: Sandbox, name: str) -> None:
    assert output_of(without_async(name))


def test_the_ported_alert_is_an_alert(box: Sandbox) -> None:
    (line,) = output_of(without_async("alert"))
    message = box.connect().chats.at(line.rpartition(" ")[2]).get_messages()[0]

    assert (message.alert_type, message.is_alert) == (AlertType.NOTE, True)


def test_what_the_page_shows_after_porting_is_what_it_shows_before_with_the_three_changes() -> None:
    text = (DOCS / "porting.md").read_text("utf-8").partition("\n## Event handlers\n")[0]
    before, after = (blocks("porting.md", kind)[:4] for kind in ("py", "python"))

    assert [text.count(f"```{kind}\n") for kind in ("py", "python")] == [4, 4]
    for old, new in zip(before, after):
        assert set(statements(ported(old))) <= set(statements(new))


def test_the_functions_of_handlers_differ_by_async_and_await_only() -> None:
    old = next(block for block in blocks("porting.md", "py") if "on_message" in block)
    new = next(block for block in blocks("porting.md", "python") if "on_message" in block)
    functions = [each for each in ast.parse(new).body if isinstance(each, ast.FunctionDef)]

    assert statements(ported(old)) == [ast.dump(each) for each in functions]


def test_every_name_of_ours_in_the_tables_is_there() -> None:
    text = (DOCS / "porting.md").read_text("utf-8")
    tables = text.partition("\n## From slack_sdk\n")[2].partition("\n## What differs\n")[0]
    ours = " ".join(row.split("|")[2] for row in tables.splitlines() if row.startswith("|"))
    kinds = {
        "chat": teamwire_sync.Chat,
        "connection": teamwire_sync.Connection,
        "connection.chats": teamwire_sync.Chats,
        "connection.groups": teamwire_sync.Groups,
        "connection.users": teamwire_sync.Users,
    }
    named = re.findall(r"\b(chat|connection(?:\.(?:chats|groups|users))?)\.(\w+)\(", ours)

    assert len(named) > 20
    assert [name for kind, name in named if not hasattr(kinds[kind], name)] == []
