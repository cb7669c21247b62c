"""What the commands do, and print for people."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from teamwire_sync._cli import messages as messages_module
from teamwire_sync._cli import output
from teamwire_sync._cli.errors import AUTH, NOT_FOUND, USAGE
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync.testing import sandbox
from tests.support.builders import message_doc, user_doc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.cli.conftest import Cli


def newest(box: Sandbox, tid: str = KNOWN_CHAT) -> Any:
    """The last message of a chat."""
    return box.connect().chats.at(tid).get_messages(1)[0]


@pytest.fixture
def plan(box: Sandbox) -> str:
    """The thread ID of a chat with a title of its own, that the bot administers."""
    return box.add_chat("plan", users=[KNOWN_USER], bot_is_admin=True).tid


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time zone of the process."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


class TestPost:
    def test_the_words_are_one_text(self, cli: Cli, box: Sandbox) -> None:
        done = cli("post", KNOWN_CHAT, "the", "lift is", "broken")

        assert done.lines == [newest(box).mid]
        assert newest(box).msg == "the lift is broken"

    def test_by_title_too(self, cli: Cli, box: Sandbox, plan: str) -> None:
        assert cli("post", "--title", "plan", "it", "is", "out").code == 0
        assert newest(box, plan).msg == "it is out"

    def test_by_thread_id_it_is_one_request(self, cli: Cli, box: Sandbox) -> None:
        cli("post", KNOWN_CHAT, "hello")

        assert [request.method for request in box.requests] == ["POST"]

    @pytest.mark.parametrize("words", [[], ["-"]])
    def test_without_a_text_it_is_that_of_stdin(
        self, cli: Cli, box: Sandbox, words: list[str]
    ) -> None:
        cli("post", KNOWN_CHAT, *words, stdin="up 3 days\n  load: 1\n")

        assert newest(box).msg == "up 3 days\n  load: 1"

    def test_with_a_file_stdin_is_left_alone(self, cli: Cli, box: Sandbox, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("abc")
        cli("post", KNOWN_CHAT, "--file", str(tmp_path / "a.txt"), stdin="not this")
        (attachment,) = newest(box).attachments

        assert (newest(box).msg or "", attachment.name) == ("", "a.txt")

    def test_several_files_keep_their_order(self, cli: Cli, box: Sandbox, tmp_path: Path) -> None:
        options = []
        for name in ("b.txt", "a.txt"):
            (tmp_path / name).write_text(name)
            options += ["--file", str(tmp_path / name)]
        cli("post", KNOWN_CHAT, "see", *options)

        assert [each.name for each in newest(box).attachments] == ["b.txt", "a.txt"]

    def test_an_alert_a_reply_and_another_name(self, cli: Cli, box: Sandbox) -> None:
        answered = newest(box).mid
        cli("post", KNOWN_CHAT, "x", "--alert", "--reply-to", answered, "--as", "Ops")
        posted = newest(box)

        assert (posted.is_alert, posted.reply_to) == (True, answered)
        assert posted.sender_display_name == "Ops"

    def test_what_looks_like_an_option_goes_behind_two_dashes(self, cli: Cli, box: Sandbox) -> None:
        cli("post", KNOWN_CHAT, "--", "--help", "-x")

        assert newest(box).msg == "--help -x"

    @pytest.mark.parametrize("words", [[""], ["-"], []])
    def test_an_empty_text_is_refused(self, cli: Cli, box: Sandbox, words: list[str]) -> None:
        done = cli("post", KNOWN_CHAT, *words, stdin="\n")

        assert (done.code, box.requests) == (USAGE, [])

    @pytest.mark.parametrize("text", ["", "\udcff"])
    def test_a_text_that_is_refused_makes_no_direct_chat(
        self, cli: Cli, box: Sandbox, text: str
    ) -> None:
        done = cli("post", "--user", KNOWN_USER, text)

        assert (done.code, box.requests) == (USAGE, [])
        assert "Error: the text " in done.err

    @pytest.mark.parametrize("name", ["", "missing.txt"])
    def test_a_file_that_is_none_is_refused(
        self, cli: Cli, box: Sandbox, tmp_path: Path, name: str
    ) -> None:
        done = cli("post", KNOWN_CHAT, "x", "--file", str(tmp_path / name))

        assert (done.code, box.requests) == (USAGE, [])

    @pytest.mark.skipif(os.name == "nt", reason="there is no such file")
    def test_a_file_without_an_end_is_refused(self, cli: Cli, box: Sandbox) -> None:
        done = cli("post", KNOWN_CHAT, "x", "--file", os.devnull)

        assert (done.code, box.requests) == (USAGE, [])


class TestChats:
    def test_a_part_of_the_title_finds_it_in_any_case(self, cli: Cli, box: Sandbox) -> None:
        tid = box.add_chat("Straße 7", users=[KNOWN_USER]).tid

        assert [line.split("\t")[0] for line in cli("chats", "find", "STRASSE").lines] == [tid]

    def test_create_prints_the_thread_id(self, cli: Cli, box: Sandbox) -> None:
        done = cli(
            *("chats", "create", "--title", "night", "--user", KNOWN_USER),
            *(
                "--group",
                PUBLIC_CIRCLE,
                "--message",
                "hi",
                "--no-sending",
                "--no-muting",
                "--alert",
            ),
        )
        (chat,) = box.connect().chats.get_by_title("night")

        assert done.lines == [chat.tid]
        assert [user.uid for user in chat.users] == [KNOWN_USER]
        assert [group.gid for group in chat.groups] == [PUBLIC_CIRCLE]
        assert (chat.is_alert, chat.allow_sending, chat.allow_mute_notifications) == (
            True,
            False,
            False,
        )
        assert newest(box, chat.tid).msg == "hi"

    @pytest.mark.parametrize("name", [["{}"], ["--title", "plan"]])
    def test_rename_gives_another_title(
        self, cli: Cli, box: Sandbox, plan: str, name: list[str]
    ) -> None:
        done = cli("chats", "rename", *(each.format(plan) for each in name), "shift plan")

        assert (done.code, done.out, done.err) == (0, "", "")
        assert [chat.tid for chat in box.connect().chats.get_by_title("shift plan")] == [plan]

    def test_an_empty_title_takes_it_away(self, cli: Cli, box: Sandbox, plan: str) -> None:
        cli("chats", "rename", plan, "")
        chat = box.connect().chats.get_by_thread_id(plan)

        assert chat is not None
        assert not chat.title

    def test_members_are_listed_after_the_change(self, cli: Cli, plan: str, box: Sandbox) -> None:
        other = next(user.uid for user in box.connect().users.get_all() if user.uid != KNOWN_USER)
        done = cli("chats", "members", plan, "--add", other, "--remove", KNOWN_USER)

        assert [line.split("\t")[0] for line in done.lines] == [other]

    def test_show_has_a_name_before_each_value(self, cli: Cli, plan: str) -> None:
        fields = dict(line.split("\t") for line in cli("chats", "show", plan).lines)

        assert (fields["thread ID"], fields["name"], fields["closed"]) == (plan, "plan", "no")

    def test_a_one_to_one_chat_has_the_name_of_the_person(self, cli: Cli, box: Sandbox) -> None:
        connection = box.connect()
        user = connection.users.get_user(KNOWN_USER)
        tid = connection.chats.create_chat(users=[KNOWN_USER]).tid
        assert user is not None
        (row,) = (line for line in cli("chats", "list").lines if line.startswith(tid))

        assert row.split("\t")[1:3] == [user.full_name(), "one_to_one"]
        assert f"name\t{user.full_name()}" in cli("chats", "show", tid).lines

    def test_a_group_chat_without_a_title_has_none(self, cli: Cli, box: Sandbox) -> None:
        tid = box.add_chat(None, users=[KNOWN_USER], groups=[PUBLIC_CIRCLE]).tid

        assert "name\tno title" in cli("chats", "show", tid).lines

    def test_a_title_is_looked_up_in_one_listing(self, cli: Cli, box: Sandbox, plan: str) -> None:
        cli("chats", "show", "--title", "plan")

        assert box.count("GET", "/v1/bot/chats/") == 1


class TestMessages:
    def test_the_newest_is_the_last(self, cli: Cli, box: Sandbox) -> None:
        for text in ("one", "two"):
            box.post_message(KNOWN_CHAT, text)
        lines = cli("messages", KNOWN_CHAT, "--limit", "2").lines

        assert [line.rpartition(": ")[2] for line in lines] == ["one", "two"]

    def test_ids_stand_first_where_asked_for(self, cli: Cli, box: Sandbox) -> None:
        mid = box.post_message(KNOWN_CHAT, "one")
        (line,) = cli("messages", KNOWN_CHAT, "--limit", "1", "--ids").lines

        assert line.split()[0] == mid

    def test_further_lines_are_indented(self, cli: Cli, box: Sandbox) -> None:
        box.post_message(KNOWN_CHAT, "one\ntwo")
        lines = cli("messages", KNOWN_CHAT, "--limit", "1").lines

        assert lines[1] == "    two"

    def test_an_attachment_is_named(self, cli: Cli, box: Sandbox) -> None:
        box.post_message(KNOWN_CHAT, "", KNOWN_USER, files={"a.txt": b"abc"})
        (line,) = cli("messages", KNOWN_CHAT, "--limit", "1").lines

        assert line.endswith(": [file a.txt]")

    @pytest.mark.skipif(os.name == "nt", reason="there, TZ is another matter")
    @pytest.mark.usefixtures("zone")
    @pytest.mark.parametrize("timestamp", [-62135596800000, 253402300799000])
    @pytest.mark.parametrize("zone", ["UTC-14", "UTC+12"], indirect=True)
    def test_a_moment_at_the_end_of_time_is_shown(
        self, cli: Cli, box: Sandbox, timestamp: int
    ) -> None:
        message = message_doc(timestamp=timestamp)
        body = {"messages": [message], "users": [user_doc()], "groups": [], "next_before": None}
        box.fault("GET", "/v1/bot/chats/*/messages/", status=200, body=body)
        done = cli("messages", "t1")

        assert (done.code, done.err) == (0, "")
        assert done.out.endswith("Ada Lovelace: hello\n")


class TestPostToAUser:
    @pytest.mark.parametrize("named_by", ["full_name", "case", "uid"])
    def test_the_message_is_in_the_one_to_one_chat(
        self, cli: Cli, box: Sandbox, named_by: str
    ) -> None:
        user = box.connect().users.get_user(KNOWN_USER)
        assert user is not None
        name = user.full_name()
        named = {"full_name": name, "case": f" {name.swapcase()}", "uid": user.uid}[named_by]
        mids = [cli("post", "--user", named, "hello", "you").out.strip() for _ in range(2)]
        chat = box.connect().chats.create_chat(users=[KNOWN_USER])

        assert chat.type == "one_to_one"
        assert [message.mid for message in chat.get_messages(2)] == mids[::-1]
        assert chat.get_messages(1)[0].msg == "hello you"

    @pytest.mark.parametrize("command", ["post --user {} hello", "users show {}"])
    def test_users_of_one_name_are_listed(self, cli: Cli, box: Sandbox, command: str) -> None:
        twins = [user_doc(uid=uid, organisation=f"Ward {uid}") for uid in ("u1", "u2")]
        box.fault("GET", "/v1/bot/users/", status=200, body={"users": twins, "next_cursor": None})
        done = cli(*(word.format("Ada Lovelace") for word in command.split()))

        assert (done.code, done.out) == (NOT_FOUND, "")
        assert done.err.splitlines() == [
            "Error: 2 users have the name 'Ada Lovelace':",
            "  u1  Ada Lovelace, Ward u1",
            "  u2  Ada Lovelace, Ward u2",
            "Name the user by the user ID.",
        ]
        assert {request.method for request in box.requests} == {"GET"}

    def test_a_part_of_a_name_is_not_enough(self, cli: Cli, box: Sandbox) -> None:
        done = cli("post", "--user", "a", "hello")
        lines = done.err.splitlines()

        assert (done.code, done.out) == (NOT_FOUND, "")
        assert lines[0] == (
            "Error: no user has the ID or the name 'a', but these names contain it:"
        )
        assert lines[-2].endswith(" more")
        assert len(lines) == 23
        assert {request.method for request in box.requests} == {"GET"}

    def test_a_user_and_a_title_are_not_both(self, cli: Cli, box: Sandbox) -> None:
        done = cli("post", "--user", KNOWN_USER, "--title", "test", "hello")

        assert (done.code, box.requests) == (USAGE, [])
        assert "pass either --title or --user" in done.err


class TestDirectory:
    def test_one_user_is_shown(self, cli: Cli, box: Sandbox) -> None:
        user = box.connect().users.get_user(KNOWN_USER)
        assert user is not None
        done = cli("users", "show", user.full_name())

        assert done.lines == [
            f"user ID\t{user.uid}",
            f"name\t{user.full_name()}",
            f"organisation\t{user.organisation}",
            "kind\tperson",
        ]
        assert json.loads(cli("users", "show", user.uid, "--json").out) == user.to_dict()

    def test_groups_are_found_by_a_part_of_the_title(self, cli: Cli, box: Sandbox) -> None:
        group = box.connect().groups.get_group(PUBLIC_CIRCLE)
        assert group is not None
        done = cli("groups", "find", group.title[1:].upper())

        assert [line.split("\t")[:2] for line in done.lines] == [[group.gid, group.title]]


class TestList:
    def test_a_limit_shows_the_first_chats(self, cli: Cli) -> None:
        assert cli("chats", "list", "--limit", "3").lines == cli("chats", "list").lines[:3]

    def test_json_has_letters_as_they_are(self, cli: Cli, box: Sandbox) -> None:
        title = 'Übergabe 🚑 \u202e\u200b\x9b\U000e0001 "x"'
        tid = box.add_chat(title, users=[KNOWN_USER]).tid
        done = cli("chats", "show", tid, "--json")

        assert '"Übergabe 🚑 \\u202e\\u200b\\u009b\\udb40\\udc01 \\"x\\""' in done.out
        assert json.loads(done.out)["title"] == title


class TestListen:
    @pytest.mark.parametrize("option", ["--tid", "--title"])
    def test_one_chat_can_be_chosen(self, cli: Cli, box: Sandbox, plan: str, option: str) -> None:
        cursor = box.connect().events(timeout=1).cursor
        box.post_message(KNOWN_CHAT, "hidden", KNOWN_USER)
        box.post_message(plan, "shown", KNOWN_USER)
        named = plan if option == "--tid" else "plan"
        events = ("GET", "/v1/bot/events/")
        box.fault(*events, headers={"X-Nothing": "befalls it"}, times=1)
        box.fault(*events, status=401)
        done = cli("listen", option, named, "--since", cursor)

        assert (done.code, len(done.lines)) == (AUTH, 1)
        assert done.out.endswith(": shown\n")

    def test_one_chat_is_named_once(self, cli: Cli, box: Sandbox) -> None:
        done = cli("listen", "--tid", KNOWN_CHAT, "--title", "test")

        assert (done.code, box.requests) == (USAGE, [])
        assert "and not by both" in done.err

    def test_a_line_says_what_happened_where(self, cli: Cli, box: Sandbox) -> None:
        cursor = box.connect().events(timeout=1).cursor
        tid = box.add_chat("plan", users=[KNOWN_USER], bot_is_admin=True).tid
        box.post_message(tid, "hi", KNOWN_USER)
        box.add_members(tid, groups=[PUBLIC_CIRCLE])
        box.change_chat(tid, is_closed=True)
        box.set_admins(tid, [KNOWN_USER])
        done = cli("listen", "--since", cursor, "--for", "0.05")
        shown = "\n".join(done.lines)

        assert (done.code, done.err) == (0, "")
        for part in (
            "plan | ",
            ": hi\n",
            "chat joined: Alle Pflegekräfte",
            "chat is closed changed: yes",
            "chat admins changed: ",
            "-Weather Bot",
        ):
            assert part in shown

    def test_a_direct_message_names_the_person(self, cli: Cli, box: Sandbox) -> None:
        connection = box.connect()
        chat = connection.chats.create_chat(users=[KNOWN_USER])
        cursor = connection.events(timeout=1).cursor
        box.post_message(chat.tid, "hi", KNOWN_USER)
        done = cli("listen", "--since", cursor, "--for", "0.05")

        assert done.out.startswith(f"{chat.display_name} | ")

    @pytest.mark.usefixtures("no_pauses")
    @pytest.mark.parametrize("options", [[], ["-v"]])
    def test_it_says_once_that_it_is_interrupted(
        self, cli: Cli, box: Sandbox, options: list[str]
    ) -> None:
        cursor = box.connect().events(timeout=1).cursor
        box.post_message(KNOWN_CHAT, "hi", KNOWN_USER)
        events = ("GET", "/v1/bot/events/")
        box.fault(*events, status=503, retry_after=0, times=8)
        box.fault(*events, headers={"X-Nothing": "befalls it"}, times=1)
        box.fault(*events, status=401)
        done = cli(*options, "listen", "--since", cursor)

        assert (done.code, len(done.lines)) == (AUTH, 1)
        (warning,) = (line for line in done.err.splitlines() if line.startswith("WARNING"))
        assert warning.startswith("WARNING listening is interrupted")


class TestDownload:
    def test_it_writes_the_files_and_prints_their_paths(
        self, cli: Cli, box: Sandbox, tmp_path: Path
    ) -> None:
        mid = box.post_message(KNOWN_CHAT, "", files={"a.txt": b"abc", "../b.txt": b"bcd"})
        box.post_message(KNOWN_CHAT, "another")
        done = cli("download", KNOWN_CHAT, mid, str(tmp_path))

        assert done.lines == [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
        assert [(tmp_path / name).read_bytes() for name in ("a.txt", "b.txt")] == [b"abc", b"bcd"]

    def test_it_is_this_folder_where_none_is_given(
        self, cli: Cli, box: Sandbox, tmp_path: Path, plan: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        mid = box.post_message(plan, "", files={"a.txt": b"abc"})

        assert cli("download", "--title", "plan", mid).lines == ["a.txt"]
        assert (tmp_path / "a.txt").read_bytes() == b"abc"

    def test_by_title_the_folder_stands_behind_the_message(
        self, cli: Cli, box: Sandbox, tmp_path: Path, plan: str
    ) -> None:
        mid = box.post_message(plan, "", files={"a.txt": b"abc"})

        assert cli("download", "--title", "plan", mid, str(tmp_path)).code == 0
        assert (tmp_path / "a.txt").read_bytes() == b"abc"

    def test_a_message_without_files_is_said_to_be_one(self, cli: Cli, box: Sandbox) -> None:
        mid = box.post_message(KNOWN_CHAT, "x")
        done = cli("download", KNOWN_CHAT, mid)

        assert (done.code, done.err) == (NOT_FOUND, "Error: the message has no files\n")

    def test_a_folder_that_is_none_is_an_error(self, cli: Cli, box: Sandbox) -> None:
        mid = box.post_message(KNOWN_CHAT, "", files={"a.txt": b"abc"})
        done = cli("download", KNOWN_CHAT, mid, "nowhere")

        assert (done.code, done.err) == (USAGE, "Error: nowhere: there is no such folder\n")


class TestForPeople:
    """Coverage of what is drawn; test_terminals looks at it on a terminal."""

    @pytest.fixture(autouse=True)
    def _on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        for module in (output, messages_module):
            monkeypatch.setattr(module, "is_terminal", lambda stream: stream is not sys.stdin)

    @pytest.mark.parametrize(
        ("command", "text"),
        [
            ("chats list", "There are no chats.\n"),
            ("chats list --json", "There are no chats.\n"),
            ("messages {tid}", "There are no messages.\n"),
            (
                "gateway list-clients",
                "There are no programs. To add one, run: teamwire-sync gateway ",
            ),
        ],
    )
    def test_an_empty_list_is_no_silence(
        self, bare_cli: Cli, command: str, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TERM", "dumb")
        with sandbox(chats=0) as box:
            for name, value in box.env.items():
                monkeypatch.setenv(name, value)
            needed = "tid" in command
            tid = box.add_chat("new", users=[KNOWN_USER]).tid if needed else ""
            done = bare_cli(*command.format(tid=tid).split())

        assert (done.code, done.out) == (0, "")
        assert done.err.startswith(text)

    def test_rows_are_a_table(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        first, second, *_ = cli("groups", "list").lines

        assert first.split() == ["group", "ID", "title", "kind", "public"]
        assert first.index("title") == second.index("Alle Pflegekräfte")

    @pytest.mark.parametrize("columns", [60, 80, 200])
    def test_a_table_keeps_to_the_width_and_cuts_nothing(
        self, cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch, columns: int
    ) -> None:
        title = "Ward 12 to 16, and all that is to be known of the plan for the night shift"
        tid = box.add_chat(title, users=[KNOWN_USER]).tid
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")
        done = cli("chats", "list")

        assert done.lines[0].split() == ["thread", "ID", "name", "type", "users", "groups"]
        assert max(map(cell_len, done.lines)) <= columns
        assert any(line.startswith(tid) for line in done.lines)
        assert "…" not in done.out
        assert set(title.split()) <= set(done.out.split())

    def test_forty_columns_are_enough(
        self, cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        box.add_chat("x", users=[KNOWN_USER])
        monkeypatch.setenv("COLUMNS", "40")
        for command in ("chats list", "groups list", "users find a", "chats find x"):
            done = cli(*command.split())

            assert "…" not in done.out
            assert [line for line in done.lines if line[:1] != " " and " " in line] == []
        assert "--reply-to" in cli("post", "--help").out

    def test_where_it_is_narrow_each_row_is_a_block(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "40")

        assert cli("groups", "list").lines[:3] == [
            PUBLIC_CIRCLE,
            "  title: Alle Pflegekräfte",
            "  kind: circle",
        ]

    def test_fields_stand_in_columns(self, cli: Cli, plan: str) -> None:
        lines = cli("chats", "show", plan).lines

        assert [line[:21].strip() for line in lines][:2] == ["thread ID", "name"]
        assert [line[21:] for line in lines][:2] == [plan, "plan"]

    def test_files_move_under_a_bar(
        self, cli: Cli, box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")  # to rich, this is a terminal
        (tmp_path / "a.txt").write_text("abc")
        done = cli("post", KNOWN_CHAT, "--file", str(tmp_path / "a.txt"))

        assert done.lines == [newest(box).mid]
        assert "Sending the files" in done.err

    def test_a_text_alone_has_no_bar(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")

        assert cli("post", KNOWN_CHAT, "hello").err == ""

    def test_rename_says_what_it_did(self, cli: Cli, plan: str) -> None:
        done = cli("chats", "rename", plan, "new")

        assert (done.out, done.err) == ("", f"The chat {plan} now has the title 'new'.\n")
        assert cli("chats", "rename", plan, "").err == f"The chat {plan} now has no title.\n"
