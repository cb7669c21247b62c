"""What docs/vendor.md says in tables and lists is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from teamwire_sync import Attachments, Connection, TWUnsupportedError, VendorTransport, exceptions
from teamwire_sync._cli import main
from teamwire_sync._transport import Ability
from tests.support.fake_sdk import FakeSdk, vendor_error

if TYPE_CHECKING:
    from tests.vendor.conftest import Vendor

PAGE = (Path(__file__).parents[2] / "docs" / "vendor.md").read_text("utf-8")
LACKED = re.findall(
    r"^\| (.+) \| (.+) \|$",
    PAGE.partition("| you can't | calls |\n| --- | --- |\n")[2].partition("\n\n")[0],
    re.MULTILINE,
)
REFUSED = [call for _, calls in LACKED for call in re.findall("`(.+?)`", calls)]
SAME_NAME = re.findall(
    "`(TW.+?)`", PAGE.partition("| the vendor's SDK raises | you get |")[2].split("\n")[2]
)

new = pytest.mark.parametrize("vendor", ["1.8"], indirect=True)


def test_the_table_has_each_ability_that_the_transport_lacks() -> None:
    lacking = {ability.value for ability in Ability if ability not in VendorTransport.abilities}

    assert sorted(what for what, _ in LACKED) == sorted(lacking)


@pytest.mark.parametrize("call", REFUSED)
def test_a_call_of_the_table_is_refused(call: str) -> None:
    attachments = Attachments().add_location("here", lat=1, lon=2)
    with Connection.from_vendor(FakeSdk().connect) as connection:
        given = {
            "connection": connection,
            "chat": connection.chats.at("t1"),
            "uid": "u1",
            "title": "t",
            "name": "n",
            "attachments": attachments,
        }
        with pytest.raises(TWUnsupportedError):
            # What gives pages asks in the loop.
            next(iter(eval(call, given)))  # noqa: S307  the page is ours


@pytest.mark.parametrize("name", SAME_NAME)
def test_an_error_of_the_vendors_is_ours_of_the_same_name(name: str) -> None:
    sdk = FakeSdk()
    sdk.errors["load_avatar"] = vendor_error(name)
    with Connection.from_vendor(sdk.connect) as connection:
        user = connection.users.get_user("u1")
        assert user is not None
        with pytest.raises(getattr(exceptions, name)) as caught:
            user.load_avatar()

    assert type(caught.value).__name__ == name


def test_six_errors_have_the_same_name() -> None:
    assert len(set(SAME_NAME)) == 6


@new
def test_the_checklist_is_what_the_command_prints(vendor: Vendor) -> None:
    shown = re.search(r"^```text\n( 1 .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown is not None
    printed = CliRunner().invoke(main, ["vendor-check"]).output

    assert [versionless(line) for line in printed.splitlines()] == [
        versionless(line) for line in shown[1].splitlines()
    ]


def versionless(line: str) -> str:
    return re.sub(r"with teamwire_sync .*", "with ...", line)
