"""Small breakages of the cache, and for each the test that notices it.

The texts are exact pieces of the sources: whoever changes those mends the mutant, too.
"""

from __future__ import annotations

from attrs import field, frozen

_UNIT = "tests/cache"
_CHANGES = f"{_UNIT}/test_own_changes.py"
_FLIGHTS = f"{_UNIT}/test_flights.py"
_LOOK_UPS = f"{_UNIT}/test_look_ups.py"
_PUSHED = f"{_UNIT}/test_events.py"
_STALE = f"{_UNIT}/test_stale.py"
_WROTE = "            self.state.wrote(write, unknown=False)\n"
_WRITES = f"{_UNIT}/test_writes.py"
_MUST_SHOW = "tests/vendor/test_must_show.py"
_PROFILES = "tests/connection/test_profiles.py"
_PROMISES = "tests/promises/test_promises.py::TestPromises"
_VENDOR = "_vendor"
_REVISIONS = "tests/sandbox/test_revisions.py"
_SERVED = "tests/sandbox/test_changes.py"
_SHARED = "tests/stores/test_shared_listing.py"
_SHARING = "tests/stores/test_sharing.py"
_EXTEND = "tests/stores/test_extend.py"
_SHARED_CHANGES = "tests/stores/test_shared_changes.py"
_HANDLERS = "tests/signals/test_handlers.py"
_NUMBERS = "tests/services/test_revisions.py"
_MARKS = "tests/stores/test_marks.py"
_OUTCOMES = "tests/gateway/test_outcomes.py"
_CLIENTS = "tests/gateway/test_clients.py"
_APP = "tests/gateway/test_app.py"
_LOG = "tests/gateway/test_chat_log.py"
_LIBRARIES = "tests/http/test_mock_libraries.py"
_REASONS = "tests/http/test_reasons.py"
_PROXIES = "tests/http/test_proxies.py"
_STATUSES = "tests/http/test_statuses.py"
_SINCE = f"{_UNIT}/test_changes.py"
_MISFIT = (
    f"{_SINCE}::TestChangesThatDoNotFit::test_end_in_a_listing_of_all_chats_in_the_same_refresh"
)
_SNAPSHOT = f"{_UNIT}/test_snapshot.py::TestChanged"


@frozen
class Mutant:
    """A breakage.

    Attributes:
        name: What is broken.
        file: Of the package.
        edits: Texts that are in the file once, and what takes their place.
        caught_by: The node id of the test that fails then.
    """

    name: str
    file: str
    edits: tuple[tuple[str, str], ...] = field(repr=False)
    caught_by: str


def _mutant(
    name: str, before: str, after: str, caught_by: str, *, file: str = "_cache/state.py"
) -> Mutant:
    return Mutant(name, file, ((before, after),), caught_by)


MUTANTS = (
    _mutant(
        "no generation check at publish",
        "                if flight.epoch != self.epoch:\n                    return view\n",
        "",
        f"{_WRITES}::TestOwnWrites::test_a_load_from_before_the_write_is_never_published[create]",
    ),
    Mutant(
        "generation bumped before the write only",
        "_cache/chat_cache.py",
        (
            (
                "            yield write\n",
                _WROTE + "            yield write\n",
            ),
            (
                "                self.state.wrote(write, unknown=unknown)\n",
                "                pass\n",
            ),
        ),
        f"{_WRITES}::TestOwnWrites::test_a_look_up_during_the_write_does_not_hide_it",
    ),
    _mutant(
        "facts dropped at first sight of any listing",
        "                    self.facts = live\n",
        "                    self.facts = Facts()\n",
        f"{_WRITES}::TestOwnWrites::test_a_newer_list_that_still_lags_does_not_end_it",
    ),
    _mutant(
        "a fact dropped once the list shows it",
        "                    self.facts = live\n",
        "                    self.facts = live.against(listing.listed)\n",
        f"{_WRITES}::TestOwnWrites::test_a_list_that_showed_it_and_lags_again_does_not_lose_it",
    ),
    _mutant(
        "facts dropped while an older listing is read",
        "if self._flights <= {flight}:",
        "if flight:",
        f"{_WRITES}::TestOwnWrites::test_a_listing_that_was_asked_for_within_the_grace_shows_it_however_late_it_comes",
    ),
    _mutant(
        "facts dropped by the clock",
        "return self.facts.live(listing.asked_at).merge(listing.listed)",
        "return self.facts.live(now).merge(listing.listed)",
        f"{_WRITES}::TestOwnWrites::test_it_is_shown_after_its_grace_while_the_server_fails",
    ),
    _mutant(
        "a fact that the list shows shortens the view",
        "return self.revision > known",
        "return self.revision >= known",
        f"{_WRITES}::TestOwnWrites::test_the_grace_of_a_write_that_the_list_shows_ends_no_view",
        file="_cache/facts.py",
    ),
    _mutant(
        "facts merged into the confirmed listing",
        "                self.confirmed = listing\n                self._last_attempt",
        "                self.confirmed = evolve(listing, listed=view)\n"
        "                self._last_attempt",
        f"{_WRITES}::TestOwnWrites::test_not_modified_does_not_confirm_it",
    ),
    _mutant(
        "changes that lead to another number of chats",
        "return updated if len(updated.by_tid) == changes.total else None",
        "return updated",
        f"{_MISFIT}[wrong_total]",
        file="_cache/source.py",
    ),
    _mutant(
        "changes of a list that is behind",
        " or revision < known.revision:",
        ":",
        f"{_MISFIT}[behind]",
        file="_cache/source.py",
    ),
    _mutant(
        "changes asked for though a chat can't be decoded",
        "known is not None and UNREADABLE not in known.listed.by_tid",
        "known is not None",
        f"{_SINCE}::TestRequest::test_has_none_while_a_chat_can_not_be_decoded",
        file="_cache/source.py",
    ),
    _mutant(
        "changes undo a newer state",
        "if each > revisions.get(tid, revision)",
        "if False",
        f"{_SINCE}::TestChanges::test_do_not_undo_a_state_that_is_known_to_be_newer[older chat]",
        file="_cache/source.py",
    ),
    _mutant(
        "a chat that came back behind chats that are known already",
        "    if newest > known.revision and not",
        "    if newest < known.revision and not",
        f"{_SINCE}::test_a_chat_that_came_back_is_read_with_all_chats_after_pages_of_several_states",
        file="_cache/source.py",
    ),
    _mutant(
        "a second reading that nobody needs",
        "            request.check_needed()\n",
        "",
        f"{_SINCE}::TestChangesThatDoNotFit::test_are_not_followed_by_a_reading_that_nobody_needs[behind]",
        file="_cache/source.py",
    ),
    _mutant(
        "a changed chat has users of its own",
        "shared = {key: same.get(each, each) for",
        "shared = {key: each for",
        f"{_SINCE}::TestMemory::test_a_changed_chat_names_the_same_objects_if_they_are_equal",
        file="_cache/snapshot.py",
    ),
    _mutant(
        "changes after a 401 are published",
        "            if read is None:\n                self._counts",
        "            if read is not None:\n                flight.losses = self.losses\n"
        "            if read is None:\n                self._counts",
        f"{_SINCE}::TestMeanwhile::test_a_401_drops_the_changes",
    ),
    _mutant(
        "the chats of one title in the order of their changes",
        "            some = [chat for tid, chat in by_tid.items() if",
        "            some = [chat for tid, chat in sorted(by_tid.items(), reverse=True) if",
        f"{_SNAPSHOT}::test_of_one_title_the_chats_are_in_the_order_of_the_list[renamed]",
        file="_cache/snapshot.py",
    ),
    Mutant(
        "what is gone is removed after what is back was added",
        "_cache/snapshot.py",
        (
            (
                "        old = [by_tid.pop",
                "        by_tid.update(chats)\n        old = [by_tid.pop",
            ),
            ("if tid in by_tid]\n        by_tid.update(chats)\n", "if tid in by_tid]\n"),
        ),
        f"{_SNAPSHOT}::test_of_one_title_the_chats_are_in_the_order_of_the_list[gone and back]",
    ),
    _mutant(
        "a page of all chats among changes",
        "states.add((page.validator, is_whole))",
        "states.add((page.validator, True))",
        "tests/cache/test_listing.py::TestChanges"
        "::test_of_two_moments_end_in_a_reading_of_all_chats[all chats]",
        file="_services/paging.py",
    ),
    _mutant(
        "the second reading has a limit of its own",
        "request.ends_at = deadline = request.ends_at or within",
        "request.ends_at = deadline = within",
        "tests/cache/test_listing.py::TestDeadline::test_is_one_for_changes_and_for_all_chats_after_them",
        file="_services/paging.py",
    ),
    _mutant(
        "the cursors of the changes are kept",
        "since, cursor, headers, seen = None, None, always, set()",
        "since, cursor, headers = None, None, always",
        "tests/http/test_changes.py::TestUnknownRevision::test_on_a_later_page_lists_all_chats_from_the_first",
        file="_http/transport.py",
    ),
    _mutant(
        "a 304 that publishes over the merged view",
        "                listing = _listing(read, known, asked_at)\n",
        "                listing = _listing(read, known, asked_at)\n"
        "                if read is None and state.view.chats:\n"
        "                    listing = evolve(known, listed=state.view, asked_at=asked_at)\n",
        f"{_WRITES}::TestOwnWrites::test_not_modified_does_not_confirm_it",
        file="_cache/source.py",
    ),
    _mutant(
        "own writes forgotten at once",
        "until = now + self._own_write_grace",
        "until = now",
        f"{_WRITES}::TestOwnWrites::test_a_list_that_lags_shows_it_once_and_at_its_end",
    ),
    _mutant(
        "own writes never forgotten",
        "until = now + self._own_write_grace",
        "until = now + 1e9",
        f"{_WRITES}::TestOwnWrites::test_not_modified_does_not_confirm_it",
    ),
    _mutant(
        "what the server says by itself is no fact",
        "            if tid is not None:\n                self._note(tid, fact)\n",
        "",
        f"{_WRITES}::TestOwnWrites::test_a_chat_that_the_server_says_is_gone_is_forgotten",
    ),
    _mutant(
        "outdated loads given up without end",
        "led.is_kept = next(attempts) >= _GIVEN_UP",
        "led.is_kept = False",
        f"{_WRITES}::TestOwnWrites::test_writes_that_never_stop_do_not_keep_a_look_up_waiting",
        file="_cache/refresher.py",
    ),
    _mutant(
        "unknown outcome still conditional",
        "known.validator if known and asked_at >= self.doubt_until else None",
        "known.validator if known else None",
        f"{_WRITES}::TestUnknownOutcome::"
        "test_refreshes_are_unconditional_and_views_short_until_the_grace_is_over"
        "[TWDeliveryUnknownError]",
    ),
    _mutant(
        "views as long as ever after an unknown outcome",
        "ends_at = min(ends_at, asked_at + self.recheck_after)",
        "pass",
        f"{_WRITES}::TestUnknownOutcome::"
        "test_refreshes_are_unconditional_and_views_short_until_the_grace_is_over"
        "[TWDeliveryUnknownError]",
    ),
    _mutant(
        "no doubt before a write is answered",
        "            self.state.begin(write)\n",
        "            pass\n",
        f"{_WRITES}::TestInDoubt::test_a_look_up_asks_the_server_each_time",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "a refused write brings back an outdated view",
        "            if self.view is write.empty:\n",
        "            if write.empty is not None:\n",
        f"{_WRITES}::TestRefused::test_the_next_look_up_asks_the_server[event]",
    ),
    _mutant(
        "a listing from before a doubt serves after it",
        "or listing.asked_at < self.doubt_until:",
        "or now < self.doubt_until:",
        f"{_STALE}::TestStale::test_it_is_not_used_after_a_write_of_unknown_outcome[after it]",
    ),
    _mutant(
        "stale miss answered None",
        "            if found is None:\n                raise\n",
        "            if stale is None:\n                raise\n",
        f"{_STALE}::TestStale::test_it_proves_no_absence",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "stale without end",
        "now >= listing.asked_at + self.ttl + self.stale_if_error",
        "not self.stale_if_error",
        f"{_STALE}::TestStale::test_it_ends",
    ),
    _mutant(
        "floor counted from the start",
        "self._last_attempt = ended_at if is_ours else listing.asked_at",
        "self._last_attempt = listing.asked_at",
        f"{_LOOK_UPS}::TestMisses::test_the_floor_counts_from_the_end_of_the_last_attempt",
    ),
    _mutant(
        "no floor",
        "        if fresh and state.is_recheck_due(now):\n",
        "        if fresh:\n",
        f"{_LOOK_UPS}::TestMisses::test_a_miss_is_a_fact_until_the_floor",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "TTL counted from the store",
        "min(asked_at + self.ttl,",
        "min(self.clock() + self.ttl,",
        f"{_LOOK_UPS}::TestHits::test_the_time_to_live_counts_from_before_the_question",
    ),
    _mutant(
        "fresh at the deadline, too",
        "fresh = now < view.fresh_until",
        "fresh = now <= view.fresh_until",
        f"{_LOOK_UPS}::TestHits::test_a_view_expires_when_its_time_to_live_is_over",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "lock held over the load",
        "                read = self._read(request)\n                listing",
        "                with state._lock:\n"
        "                    read = self._read(request)\n                listing",
        f"{_FLIGHTS}::TestLock::test_who_looks_up_while_a_load_is_held_gives_up_in_time",
        file="_cache/source.py",
    ),
    _mutant(
        "lock held over the clock",
        "            view, cool, flight = self.view, self._cool_down, self._flight\n",
        "            now = self.clock()\n"
        "            view, cool, flight = self.view, self._cool_down, self._flight\n",
        f"{_FLIGHTS}::TestLock::test_it_is_free_while_others_have_the_word",
    ),
    _mutant(
        "single flight off",
        "            elif flight is not None:\n",
        "            elif flight is not None and led is None:\n",
        f"{_FLIGHTS}::TestSingleFlight::test_all_who_need_a_refresh_make_one",
    ),
    _mutant(
        "recheck under the lock missing",
        "            elif view is not seen and now",
        "            elif view is None and now",
        f"{_FLIGHTS}::TestSingleFlight::"
        "test_a_refresh_that_came_while_a_look_up_read_the_clock_is_not_made_again",
    ),
    _mutant(
        "one shared exception",
        "raise copy.copy(self._error)",
        "raise self._error",
        f"{_FLIGHTS}::TestSingleFlight::test_they_fail_together_each_with_an_error_of_its_own",
        file="_cache/single_flight.py",
    ),
    _mutant(
        "one exception for all of a cool-down",
        "else copy.copy(cool.error)",
        "else cool.error",
        f"{_FLIGHTS}::TestCoolDown::test_each_look_up_in_it_raises_an_error_of_its_own",
    ),
    _mutant(
        "no cool-down",
        "elif cool is None or now >= cool.until or",
        "elif cool is None or now >= -1 or",
        f"{_FLIGHTS}::TestCoolDown::test_no_request_follows_a_failure_until_it_is_over[one second]",
    ),
    _mutant(
        "cool-down that blocks hits",
        "fresh = now < view.fresh_until",
        "cool = state._cool_down\n"
        "        fresh = now < view.fresh_until and (cool is None or now >= cool.until)",
        f"{_FLIGHTS}::TestCoolDown::test_a_hit_does_not_notice_it",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "haste shared",
        "if is_own_timeout(error, request.deadline):",
        "if is_own_timeout(error, None):",
        f"{_FLIGHTS}::TestSingleFlight::test_who_leads_in_haste_fails_alone",
        file="_cache/refresher.py",
    ),
    _mutant(
        "close does not wake",
        "            flight.abandon()\n",
        "            pass\n",
        f"{_FLIGHTS}::TestClose::test_it_wakes_those_who_wait",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "own rename loses against any list",
        "return self.revision > known",
        "return False",
        f"{_CHANGES}::TestRenamed::test_the_new_title_finds_it_and_the_old_one_nothing",
        file="_cache/facts.py",
    ),
    _mutant(
        "own rename wins against any list",
        "return self.revision > known",
        "return True",
        f"{_CHANGES}::TestRenamed::test_a_later_change_by_somebody_wins",
        file="_cache/facts.py",
    ),
    _mutant(
        "the last fact counts, whatever its revision",
        "if fact.revision is not None and (known.revision or 0) > fact.revision:",
        "if False:",
        f"{_CHANGES}::TestRenamed::test_the_last_one_counts_in_whatever_order_the_answers_come[order1]",
        file="_cache/facts.py",
    ),
    _mutant(
        "own new chat lost by its own rename",
        "is_created = fact.is_created or known.is_created",
        "is_created = fact.is_created",
        f"{_CHANGES}::TestWithoutRevisions::test_a_chat_that_we_made_is_there_though_the_list_lacks_it",
        file="_cache/facts.py",
    ),
    _mutant(
        "what we left is shown while the list has it",
        "[tid for tid, fact in newer.items() if fact.chat is None],",
        "[],",
        f"{_CHANGES}::TestLeft::test_it_is_gone_until_the_grace_is_over",
        file="_cache/facts.py",
    ),
    _mutant(
        "what a 401 ends kept in memory",
        "            self._drop()\n            self._hide()\n",
        "            pass\n",
        f"{_STALE}::TestStale::test_credentials_that_are_refused_end_what_is_in_memory",
    ),
    _mutant(
        "no re-registration after a fork",
        "    os.register_at_fork(after_in_child=_renew_all)\n",
        "    pass\n",
        "tests/services/test_fork.py::test_a_fork_while_a_lock_is_held_leaves_it_open_in_the_child",
        file="_internal/fork.py",
    ),
    _mutant(
        "an event expires nothing",
        "            elif not is_shown:\n",
        "            elif False:\n",
        f"{_PUSHED}::TestOthers::test_a_change_is_seen_at_once",
    ),
    _mutant(
        "what came before an own write is news",
        "return known >= revision",
        "return known == revision",
        f"{_PUSHED}::TestOthers::test_a_state_from_before_the_view_does_not_count",
    ),
    _mutant(
        "the echo of an own write is news",
        "            elif not is_shown:\n",
        "            else:\n",
        f"{_PUSHED}::TestEcho::test_of_a_rename_is_no_news",
    ),
    _mutant(
        "an own write tells the others nothing",
        "unknown=unknown)\n                self._source.flush(None if unknown else write)\n",
        "unknown=unknown)\n                self.state.changes -= 1\n",
        f"{_MARKS}::TestMarks::test_one_call_removes_it_and_renews",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "a listing counts that a write has outdated",
        "return revision if revision and revision.generation == status.generation else None",
        "return revision",
        f"{_SHARED}::TestEachStore::test_an_own_write_has_the_others_list_anew[memory]",
        file="_stores/source.py",
    ),
    _mutant(
        "what a write outdated takes the place of what counts",
        "        if before.generation != status.generation:\n",
        "        if False:\n",
        f"{_SHARING}::TestAdoption::test_one_that_a_write_has_outdated_takes_the_place_of_none",
        file="_stores/sharing.py",
    ),
    _mutant(
        "a handler waits for a thread that waits for it",
        "            if is_inside():\n                raise",
        "            if False:\n                raise",
        f"{_HANDLERS}::test_a_look_up_does_not_wait_for_a_thread_that_may_need_the_lock[transport]",
        file="_cache/single_flight.py",
    ),
    _mutant(
        "no look after the lease",
        "                leads = True\n",
        "                return self._list(status, now, flight, request)\n",
        f"{_SHARED}::TestEachStore::test_what_comes_before_the_lease_is_had_is_taken[memory]",
        file="_stores/source.py",
    ),
    _mutant(
        "no lease",
        "        return bool(taken)\n",
        "        return True\n",
        f"{_SHARED}::TestEachStore::test_all_who_need_a_listing_make_one[memory]",
        file="_stores/lease.py",
    ),
    _mutant(
        "a view lives on whoever has written",
        "if status is not None and status.stamp != view.store_stamp:",
        "if False:",
        f"{_SHARED}::TestEachStore::test_an_own_write_has_the_others_list_anew[memory]",
        file="_stores/source.py",
    ),
    _mutant(
        "an owed renewal is forgotten",
        " + _PAUSE\n                raise\n",
        " + _PAUSE\n                self._flushed = changes\n                raise\n",
        f"{_SHARING}::TestRenewals::test_one_that_failed_is_made_before_the_next_look",
        file="_stores/sharing.py",
    ),
    _mutant(
        "a listing of the future counts",
        "0 <= now - revision.asked_at < self._store._max_age",
        "now - revision.asked_at < self._store._max_age",
        "tests/stores/test_slot.py::TestAge::test_a_listing_of_another_time_is_none[memory-future]",
        file="_stores/memory.py",
    ),
    _mutant(
        "a write is sent after its caller was told that none was",
        "            raise asyncio.CancelledError\n",
        "            pass\n",
        f"{_MUST_SHOW}::TestPosting::"
        "test_who_was_told_that_nothing_was_sent_was_told_the_truth[1.8]",
        file=f"{_VENDOR}/calls.py",
    ),
    _mutant(
        "a write that was cut off passes for one that never left",
        "    if sent and kind is TWConnectionError:\n",
        "    if sent and kind is None:\n",
        f"{_PROMISES}::test_promise_4_after_a_lost_answer_no_hit_is_older_than_recheck_after"
        "[vendor-1.8]",
        file=f"{_VENDOR}/errors.py",
    ),
    _mutant(
        "what the vendor's SDK is refused stays in memory",
        "            self.on_unauthorized()\n            raise\n        yield page\n",
        "            raise\n        yield page\n",
        f"{_PROMISES}::test_promise_7_nothing_is_served_to_a_bot_that_the_server_no_longer_knows"
        "[vendor-1.8]",
        file=f"{_VENDOR}/transport.py",
    ),
    _mutant(
        "a transport that can do less claims to do everything",
        "    abilities: frozenset[Ability] = frozenset()\n",
        "    abilities: frozenset[Ability] = frozenset(Ability)\n",
        "tests/vendor/test_abilities.py::TestVendor::"
        "test_has_no_ability_that_not_every_transport_has",
        file=f"{_VENDOR}/transport.py",
    ),
    _mutant(
        "the vendor's thread begins before the first call",
        "        on_fork(self)\n",
        "        on_fork(self)\n        VendorSession(factory).start()\n",
        f"{_MUST_SHOW}::TestListings::"
        "test_a_connection_that_was_not_asked_for_anything_asks_nothing[1.8]",
        file=f"{_VENDOR}/loop_thread.py",
    ),
    _mutant(
        "each call of the vendor's SDK has a connection of its own",
        "            self._session = session\n",
        "",
        f"{_MUST_SHOW}::TestListings::test_what_they_share_is_one_connection_of_the_vendors[1.8]",
        file=f"{_VENDOR}/loop_thread.py",
    ),
    _mutant(
        "leaving has no revision",
        "        return ChatState(tid, None, response.revision())\n",
        "        return ChatState(tid, None)\n",
        "tests/http/test_revisions.py::TestWriting::test_leaving_has_the_revision_of_the_header",
        file="_http/transport.py",
    ),
    _mutant(
        "a removed chat's events have the revision of its end",
        'event.setdefault("revision", revisions[event["tid"]])',
        'event["revision"] = queries.revision(db)',
        f"{_REVISIONS}::test_a_change_before_the_end_of_a_chat_is_older_than_the_end",
        file="_sandbox/world/events.py",
    ),
    _mutant(
        "a refusal shows the revision before the work",
        "            g.revision = answer.revision\n",
        "            pass\n",
        "tests/server/test_backend.py::TestRefusal::test_may_have_a_revision[8-8]",
        file="_server/app.py",
    ),
    _mutant(
        "a list says a revision that it does not show",
        "            g.revision = listing.revision\n",
        "            g.revision = listing.revision + 1\n",
        f"{_REVISIONS}::test_a_list_shows_all_changes_up_to_its_revision_while_others_write",
        file="_server/app.py",
    ),
    _mutant(
        "the changes of the list are looked for among all chats",
        " INDEXED BY begun_versions",
        "",
        f"{_SERVED}::test_neither_changes_nor_writes_read_the_other_chats",
        file="_sandbox/world/queries.py",
    ),
    _mutant(
        "a changed chat is gone",
        """        " WHERE to_seq > ? AND to_seq <= ? AND NOT EXISTS"
        " (SELECT 1 FROM chats WHERE ordinal = ended.ordinal AND from_seq = ended.to_seq)",
""",
        """        " WHERE to_seq > ? AND to_seq <= ?",
""",
        f"{_SERVED}::TestChanges::test_a_changed_chat_is_one",
        file="_sandbox/world/queries.py",
    ),
    _mutant(
        "a revision of another counter is known",
        "            if since not in totals or",
        "            if not 0 <= since <= queries.revision(db) or",
        f"{_SERVED}::TestRestart::test_with_a_backup_knows_no_revision_that_came_after_it",
        file="_sandbox/world/bot_chats.py",
    ),
    _mutant(
        "a 404 of a proxy is the end of a chat",
        '            is_gone = error.code == "not_found"\n',
        "            is_gone = True\n",
        "tests/services/test_posting.py::TestCache::"
        "test_a_404_that_is_not_about_the_chat_hides_no_chat[1-None]",
        file="_services/chat_actions.py",
    ),
    _mutant(
        "a repeated answer shows the present revision",
        "                known, body, status, revision = row\n",
        "                known, body, status, _ = row\n"
        "                revision = queries.revision(db)\n",
        f"{_REVISIONS}::test_a_repeated_answer_shows_the_revision_of_the_first",
        file="_sandbox/world/backend.py",
    ),
    _mutant(
        "a web page speaks as another user in a sandbox",
        "request.origin is not None or ",
        "",
        "tests/sandbox/test_door.py::test_a_web_page_says_nothing[null]",
        file="_sandbox/controls/door.py",
    ),
    _mutant(
        "another machine speaks as another user in a sandbox",
        ' or not is_loopback(request.remote_addr or "")',
        "",
        "tests/sandbox/test_door.py::test_other_machines_say_nothing",
        file="_sandbox/controls/door.py",
    ),
    _mutant(
        "the program's own alarm passes for a failure of the network",
        "    return () if traceback and traceback.tb_next and is_by_signal(error) else kinds\n",
        "    return kinds\n",
        "tests/http/test_alarms.py::TestBeforeTheServerGetsTheRequest::"
        "test_no_other_address_is_tried[TimeoutError('own')]",
        file="_internal/signals.py",
    ),
    _mutant(
        "all file objects share one lock",
        "        return _given.setdefault(id(file), _Turns())\n",
        "        return _adding\n",
        "tests/services/test_reading_files.py::TestFileObjectThatStalls::"
        "test_stops_no_other_file_object",
        file="_services/files.py",
    ),
    _mutant(
        "a call that a signal ended keeps its connection",
        "            if ticket is None:\n",
        "            if ticket == ():\n",
        "tests/signals/test_waiting.py::TestLimit::test_a_place_is_free_when_its_ticket_is_gone",
        file="_internal/waiting.py",
    ),
    _mutant(
        "a user never expires after a signal has stopped the clock of cachetools",
        "        if self._clock() >= item[1]:\n",
        "        if self._clock() is None:\n",
        "tests/cache/test_expiring_cache.py::TestSignals::"
        "test_an_entry_expires_though_an_exception_has_stopped_the_clock_of_cachetools",
        file="_cache/expiring_cache.py",
    ),
    _mutant(
        "a killed writer leaves no mark",
        "            self._source.begin(write)\n",
        "",
        f"{_MARKS}::TestKilledWriters::test_a_new_process_finds_what_the_server_did",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "a process that runs does not notice a mark",
        "        return self.generation, self.doubt_until\n",
        "        return self.generation, 0.0\n",
        f"{_MARKS}::TestKilledWriters::test_a_process_that_runs_finds_it_after_the_check_interval",
        file="_stores/base.py",
    ),
    _mutant(
        "a mark that has ended is forgotten",
        "past[:-1]",
        "past",
        "tests/stores/test_slot.py::TestMarks::test_the_latest_end_stays_after_it_has_passed[memory]",
        file="_stores/memory.py",
    ),
    _mutant(
        "a forked child removes the marks of its parent",
        'f"{mark} {os.getpid()}"',
        "mark",
        f"{_MARKS}::TestMarks::test_a_forked_child_removes_no_mark_of_its_parent",
        file="_stores/source.py",
    ),
    _mutant(
        "a mark that the store did not take is forgotten",
        "            self._missing[write] = until\n",
        "            pass\n",
        f"{_MARKS}::TestMarks::test_one_that_could_not_be_added_is_added_later",
        file="_stores/sharing.py",
    ),
    _mutant(
        "a write that a busy server refused is in doubt",
        " and not error._is_refusal\n",
        "\n",
        f"{_WRITES}::TestRefused::test_a_server_that_is_too_busy_for_it_has_refused_it",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "those who wait list one after the other",
        " and asked_at <= began and now >=",
        " and now >=",
        f"{_MARKS}::TestKilledWriters::test_who_waits_takes_a_listing_that_was_asked_for_since[5]",
        file="_stores/source.py",
    ),
    _mutant(
        "a lower write makes the highest one count longer",
        "        return known if known is not None and counts else self\n",
        "        return Written(known.revision, self.until) if known and counts else self\n",
        f"{_MARKS}::TestRevisions::"
        "test_on_a_server_with_lower_ones_listings_last_again_after_the_grace",
        file="_cache/listing.py",
    ),
    _mutant(
        "an older listing takes the place of a newer one",
        "grace if number < last.listed else -math.inf",
        "-math.inf",
        f"{_MARKS}::TestRevisions::test_a_paused_process_puts_no_older_listing_over_a_newer_one",
        file="_stores/memory.py",
    ),
    _mutant(
        "changes to one listing are added to another",
        "if not parts or parts[-1].revision.body != base.body:",
        "if not parts:",
        f"{_EXTEND}::TestExtend::test_of_two_that_extend_the_same_listing_the_second_does_not[memory]",
        file="_stores/memory.py",
    ),
    _mutant(
        "the log of changes grows without end",
        "                if part.room < 0:\n",
        "                if False:\n",
        f"{_EXTEND}::TestFolding::test_changes_fit_up_to_a_quarter_of_the_listing[memory]",
        file="_stores/memory.py",
    ),
    _mutant(
        "changes are read as those of another listing",
        "        if part.base not in bases:\n",
        "        if False:\n",
        f"{_EXTEND}::TestDamage::test_without_a_part_the_later_ones_are_not_used[1-file]",
        file="_stores/codec.py",
    ),
    _mutant(
        "a chat that went and came back keeps its place",
        "            chats.pop(tid, None)\n",
        "            pass\n",
        f"{_EXTEND}::TestExtend::test_a_chat_that_went_and_came_back_is_at_the_end[memory]",
        file="_stores/codec.py",
    ),
    _mutant(
        "the state of a newer single chat gets lost in the store",
        "            if base is not None and is_simple:\n",
        "            if base is not None:\n",
        f"{_SHARED_CHANGES}::TestMemory::"
        "test_where_single_chats_are_newer_than_the_others_the_whole_is_written",
        file="_stores/sharing.py",
    ),
    _mutant(
        "an outdated listing is served if the server fails",
        "        if is_valid:\n",
        "        if True:\n",
        f"{_SHARED_CHANGES}::TestMemory::"
        "test_a_listing_that_a_write_has_outdated_is_not_served_if_the_server_fails",
        file="_stores/source.py",
    ),
    _mutant(
        "a listing that lacks a write of another process lasts",
        " or self._lacks_write(listing)",
        "",
        f"{_MARKS}::TestRevisions::test_a_stored_listing_that_lacks_a_write_lasts_as_long_as_a_recheck",
    ),
    _mutant(
        "new look-ups keep a waiter waiting",
        "                flight.is_kept |= led.is_kept\n",
        "",
        f"{_FLIGHTS}::TestSingleFlight::test_writes_and_new_look_ups_keep_no_waiter_waiting",
    ),
    _mutant(
        "in doubt a look-up joins a flight from before the look-up",
        "        need = state.required(need)\n",
        "",
        f"{_WRITES}::TestUnknownOutcome::test_a_look_up_does_not_take_a_listing_from_before_it_began",
        file="_cache/refresher.py",
    ),
    _mutant(
        "a missing chat counts at the highest page",
        "floor = min(floor for floor",
        "floor = max(floor for floor",
        f"{_UNIT}/test_every_order.py::test_every_order_keeps_every_promise[1-1-0-1-1]",
        file="_services/paging.py",
    ),
    Mutant(
        "a chat counts at its own revision only, not at its page's",
        "_services/paging.py",
        (
            ("page.revisions if highest > floor else ()", "page.revisions"),
            ("floor if own is None or own < floor else own", "floor if own is None else own"),
        ),
        f"{_NUMBERS}::TestPage::test_counts_for_its_chats_though_another_page_is_older[3]",
    ),
    _mutant(
        "a write that the server was too busy for is in doubt",
        " and not error._is_refusal",
        "",
        "tests/services/test_writes.py::TestLaggingAndLostAnswers"
        "::test_a_write_that_the_server_is_too_busy_for_costs_nothing[1]",
        file="_cache/chat_cache.py",
    ),
    _mutant(
        "a look-up that finds nothing ignores a chat that can't be decoded",
        "if UNREADABLE in view.by_tid:",
        "if False:",
        "tests/services/test_faults_over_http.py::TestChats"
        "::test_one_without_an_id_or_a_title_blocks_only_what_is_not_found[False-raw0]",
        file="_services/chats.py",
    ),
    _mutant(
        "events that the server repeats are returned again",
        "            if event.cursor not in self._seen\n",
        "",
        "tests/services/test_listening_failures.py::TestRepeats"
        "::test_is_asked_less_and_less[shown-fresh cursors]",
        file="_services/events.py",
    ),
    _mutant(
        "stale look-ups show a fact that a later listing has ended",
        "return self.facts.live(listing.asked_at).merge(listing.listed)",
        "return self.facts.merge(listing.listed)",
        f"{_STALE}::TestStale::test_it_does_not_bring_back_what_a_later_listing_had_no_more",
    ),
    _mutant(
        "a list that is not found is a missing chat",
        "self._read = _read_of_list(read)",
        "self._read = read",
        "tests/services/test_foreign_answers.py::TestListing"
        "::test_that_the_server_does_not_find_is_no_missing_chat",
        file="_cache/source.py",
    ),
    _mutant(
        "any 404 is about an object",
        "status == 404 and code not in {NOT_FOUND, NO_AVATAR}",
        "False",
        f"{_STATUSES}::TestRefusals::test_404_with_another_code_is_about_no_object[gone]",
        file="_http/responses.py",
    ),
    _mutant(
        "an answer of anything shows that a chat was left",
        "            if self._is_foreign:\n",
        "            if False:\n",
        f"{_STATUSES}::TestRefusals::test_a_page_in_place_of_an_answer_is_not_the_servers",
        file="_http/responses.py",
    ),
    _mutant(
        "a server that can't tell the changes is never listed again",
        "if request.since is None or not _only_for_changes(error):",
        "if True:",
        "tests/services/test_faults_over_http.py::TestChanges"
        "::test_if_the_server_itself_fails_all_the_chats_are_listed[{'status': 500}]",
        file="_cache/source.py",
    ),
    _mutant(
        "an answer of a Teamwire server leads nowhere",
        'return "" if self._is_own else f"; {self._origin()}"',
        'return ""',
        f"{_REASONS}::TestTeamwire"
        "::test_leads_to_the_vendors_sdk_unless_the_server_is_known[HAProxy 503-unheard]",
        file="_http/responses.py",
    ),
    _mutant(
        "the Secret is removed from a page only after its tags",
        "text = redact(_beginning(raw))",
        "text = _beginning(raw)",
        f"{_REASONS}::TestReason::test_does_not_show_the_secret_without_its_tag_or_spaces[tag]",
        file="_http/reasons.py",
    ),
    _mutant(
        "the Secret is removed from a text only before its line breaks",
        "redact(one_line(text, _MOST_CHARACTERS))",
        "redact(text)",
        f"{_REASONS}::TestReason::test_does_not_show_the_secret_without_its_tag_or_spaces[spaces]",
        file="_http/reasons.py",
    ),
    _mutant(
        "an error quotes the message in an answer",
        "if name in _NESTED or not isinstance(fields.get(name, {}), dict)",
        "if True",
        f"{_REASONS}::TestReason::test_is_not_the_message_that_an_answer_contains[400]",
        file="_http/contract/operations.py",
    ),
    _mutant(
        "a status of anything is the server's",
        "        return keeps_contract(self.raw.headers)\n",
        "        return True\n",
        f"{_STATUSES}::TestRefusals::test_a_write_that_gets_the_503_of_a_proxy_is_in_doubt[Envoy]",
        file="_http/responses.py",
    ),
    _mutant(
        "a write that was refused on the way is in doubt",
        "        error._is_refusal = True\n",
        "",
        "tests/services/test_foreign_answers.py::TestWrite"
        "::test_that_was_refused_on_the_way_has_no_effect_on_the_cache[404]",
        file="_http/responses.py",
    ),
    _mutant(
        "half an emoji of the server stays as it is",
        'printable(str(body.removeprefix(BOM_UTF8), "utf-8"))',
        'str(body.removeprefix(BOM_UTF8), "utf-8")',
        "tests/services/test_half_emoji.py::test_chats_can_be_printed_shown_and_found",
        file="_internal/strict_json.py",
    ),
    _mutant(
        "a calendar entry's dates are compared by their local times",
        "instant_of(endDate) < instant_of(startDate)",
        "endDate < startDate",
        "tests/services/test_attachments.py::TestCalendar"
        "::test_an_entry_may_cover_the_end_of_summer_time",
        file="_services/attachments.py",
    ),
    _mutant(
        "a Retry-After date is compared with our own clock",
        "until - (sent_at or time.time())",
        "until - time.time()",
        "tests/http/test_waits_and_redirects.py::TestRetryAfter"
        "::test_a_date_is_compared_with_the_clock_of_the_server[600]",
        file="_http/responses.py",
    ),
    _mutant(
        "a cool-down without an end",
        " or 0.0), _LONGEST)",
        " or 0.0), 1e12)",
        f"{_FLIGHTS}::TestCoolDown::test_no_request_follows_a_failure_until_it_is_over"
        "[an hour at most]",
        file="_cache/cool_down.py",
    ),
    _mutant(
        "a body that an adapter has read is read again",
        "    if content is not False:\n",
        "    if content is None:\n",
        "tests/http/test_sessions_that_read.py::TestAnswer"
        "::test_has_its_value[an adapter that reads]",
        file="_http/sessions.py",
    ),
    _mutant(
        "requests may be stored",
        "            **NO_STORE,\n",
        "",
        "tests/http/test_requests.py::TestRequest::test_says_who_asks_and_what_is_taken",
        file="_http/client.py",
    ),
    _mutant(
        "a flight that a forced refresh joins is not forced",
        "joins it.\n            self._forced_after = self._started\n",
        "joins it.\n",
        f"{_FLIGHTS}::TestForcedRefresh"
        "::test_no_cache_in_between_may_answer_a_flight_that_it_joins",
    ),
    _mutant(
        "a miss compares titles at once",
        "        self._find = find\n        del self.close_titles\n",
        "        self._find = find\n        self._complete()\n",
        "tests/services/test_similar_titles.py::TestCost::test_a_miss_compares_no_titles",
        file="exceptions.py",
    ),
    _mutant(
        "a threshold of the collector that the program sets during a response is overwritten",
        "        if gc.get_threshold()[0] == _HIGHER:\n            gc",
        "        gc",
        "tests/http/test_collector.py::TestProgramsOwnSettings"
        "::test_a_threshold_that_is_set_meanwhile_stays_as_it_is[0]",
        file="_internal/collector.py",
    ),
    _mutant(
        "a response is decoded with the usual threshold of the collector",
        "                gc.set_threshold(_HIGHER)\n",
        "",
        "tests/http/test_collector.py::TestCollections"
        "::test_the_collector_does_not_run_while_a_page_of_containers_is_made",
        file="_internal/collector.py",
    ),
    _mutant(
        "the login at a proxy whose refusal has a broken page is tried again",
        "    if response.status_code == 407:\n",
        "    if False:\n",
        f"{_PROXIES}::TestRefusedLogin::test_with_an_unreadable_page_is_one_too[own-short]",
        file="_http/sessions.py",
    ),
    _mutant(
        "the login at a SOCKS proxy is tried again",
        "        or _NO_LOGIN.search(str(each))\n",
        "",
        f"{_PROXIES}::TestRefusedLogin::test_of_socks_ends_each_call_at_once[own-wrong password]",
        file="_http/network_errors.py",
    ),
    _mutant(
        "a proxy on another machine gets the Secret of an http:// request",
        'server.scheme == "http" and not',
        "False and not",
        f"{_PROXIES}::TestClearText::test_can_not_go_to_another_machine[own-http-localhost]",
        file="_http/network.py",
    ),
    _mutant(
        "the config file chooses the transport before the environment does",
        '        chosen = self.environment.get("transport")\n',
        '        chosen = self.file.get("transport") or self.environment.get("transport")\n',
        f"{_PROFILES}::TestPrecedence::test_each_combination",
        file="_profiles.py",
    ),
    _mutant(
        "the vendor's SDK is chosen by itself where it is installed",
        "        if chosen is None or chosen.value == HTTP:\n            return False\n",
        "        if chosen is None:\n            return is_vendor_installed()\n"
        "        if chosen.value == HTTP:\n            return False\n",
        f"{_PROFILES}::TestPrecedence::test_an_installed_sdk_is_not_chosen_by_itself",
        file="_profiles.py",
    ),
    _mutant(
        "credentials beside the vendor's SDK are ignored",
        "        if others:\n",
        "        if False:\n",
        f"{_PROFILES}::TestConflicts::test_each_variable_alone[file-url]",
        file="_profiles.py",
    ),
    _mutant(
        "a broken config file matters although the environment suffices",
        "            if not CREDENTIALS.keys() <= self.environment.keys():\n",
        "            if self.environment:\n",
        f"{_PROFILES}::TestReading::test_a_broken_file_does_not_matter_if_the_environment_suffices[twice]",
        file="_profiles.py",
    ),
    _mutant(
        "an option that names the bot lets the environment count",
        "            self.environment = {}\n",
        "",
        "tests/cli/test_usage.py::TestFirstRun::"
        "test_what_a_file_lacks_does_not_come_from_the_environment",
        file="_profiles.py",
    ),
    _mutant(
        "config init writes what is not read back",
        '            raise TWConfigError(problem or f"{name} must be printable text")\n',
        "            break\n",
        "tests/cli/test_vendor.py::TestRoundTrip::test_a_bot_is_read_as_it_was_written_or_refused",
        file="_cli/config.py",
    ),
    _mutant(
        "a request of unknown outcome is executed again",
        "            return self._execute(client, key, work, may_be_done=True)\n",
        "            return self._execute(client, key, work, may_be_done=False)\n",
        f"{_OUTCOMES}::TestStatuses::test_an_unknown_outcome_survives_a_restart",
        file="_gateway/outcomes.py",
    ),
    _mutant(
        "a power cut may lose the record of a request that was executed",
        "                force(self._log)\n",
        "                pass\n",
        f"{_OUTCOMES}::TestFile::test_a_request_is_on_disk_before_it_is_executed",
        file="_gateway/outcomes.py",
    ),
    _mutant(
        "two clients of a gateway share their keys",
        '            own = f"{client.app_id} {key}".encode()\n',
        '            own = f"{key}".encode()\n',
        "tests/gateway/test_keys.py::TestKnown::test_two_clients_with_the_same_key_are_two_clients",
        file="_gateway/backend.py",
    ),
    _mutant(
        "a write is sent again to an upstream that does not know keys",
        "        if not self.keeps_keys:\n",
        "        if self.keeps_keys is None:\n",
        "tests/gateway/test_keys.py::TestUnknown::"
        "test_a_transport_without_keys_or_promise_gets_the_write_once[Unpromising]",
        file="_gateway/gateway.py",
    ),
    _mutant(
        "an upstream that is away makes a write of unknown outcome a new one",
        "            if may_be_done and is_no_result:\n",
        "            if False:\n",
        f"{_OUTCOMES}::TestUnknown::test_a_refusal_of_the_question_is_no_outcome[rate_limited]",
        file="_gateway/outcomes.py",
    ),
    _mutant(
        "a request that was not done keeps its key",
        "                    self._database.execute(_FORGET, (client, key))\n",
        "                    pass\n",
        f"{_OUTCOMES}::TestStatuses::test_a_request_that_was_not_done_frees_its_key_for_another_one",
        file="_gateway/outcomes.py",
    ),
    _mutant(
        "failed logins block a right one from the same address",
        "        if client is None:\n",
        "        if client is None or self._failures.add(address):\n",
        f"{_CLIENTS}::TestFailures::test_a_right_login_is_never_blocked_by_failures_from_the_same_address",
        file="_gateway/clients.py",
    ),
    _mutant(
        "an unknown App ID is refused sooner than a wrong Secret",
        "        client = self._clients.get(app_id, _NOBODY)\n",
        "        if app_id not in self._clients:\n            return None\n"
        "        client = self._clients[app_id]\n",
        f"{_CLIENTS}::TestChecking::test_an_unknown_app_id_is_compared_as_a_known_one_is",
        file="_gateway/clients.py",
    ),
    _mutant(
        "a write that the server still executes is told as refused",
        "(400 <= status < 500 and not is_open)",
        "400 <= status < 500",
        "tests/http/test_repeated_writes.py::TestWrite::test_that_stays_under_way_is_in_doubt",
        file="_http/responses.py",
    ),
    _mutant(
        "the body of a stranger is read",
        "        self._backend.admit(\n",
        "        if incoming is not None:\n            incoming.receive(request.environ)\n"
        "        self._backend.admit(\n",
        f"{_APP}::TestWhoMayComeIn::test_of_a_stranger_no_body_is_read",
        file="_server/app.py",
    ),
    _mutant(
        "a client behind a proxy says from where it comes",
        '.rpartition(",")[2]',
        '.partition(",")[0]',
        f"{_APP}::TestProxies::test_failures_count_for_the_address_that_the_proxy_has_seen",
        file="_gateway/app.py",
    ),
    _mutant(
        "a request with two hosts is served",
        "                if name in _SINGLE:\n",
        "                if not name:\n",
        "tests/server/test_web_server.py"
        "::test_a_hostile_request_is_refused_and_ends_the_connection[two hosts]",
        file="_server/strict_http.py",
    ),
    _mutant(
        "a request may be hidden behind chunks",
        "            self.rfile = ChunkedBody(self.conn.rfile)\n"
        "            self.close_connection = True\n",
        "            self.rfile = ChunkedBody(self.conn.rfile)\n",
        "tests/server/test_web_server.py::test_chunks_are_one_body_and_end_the_connection",
        file="_server/http_connection.py",
    ),
    _mutant(
        "a client that sends a byte from time to time keeps a thread for ever",
        "            self._left = left - (",
        "            self._left = self._limits.timeout - 0 * (",
        "tests/server/test_limits.py::test_single_bytes_do_not_keep_the_server_busy[59]",
        file="_server/limits.py",
    ),
    _mutant(
        "at the end of the server, the rest of a response is sent without TLS",
        "            socket.socket.shutdown(self.socket, how)\n",
        "            self.socket.shutdown(how)\n",
        "tests/server/test_web_server.py"
        "::TestTls::test_the_end_of_the_server_sends_nothing_without_tls",
        file="_server/http_connection.py",
    ),
    _mutant(
        "each page of the chats needs a listing while a listing is slower than the TTL",
        "        if is_continued and self.log.state.is_whole:\n",
        "        if False:\n",
        "tests/gateway/test_chats.py::TestLookUps"
        "::test_its_pages_cost_one_listing_even_if_that_is_slower_than_the_ttl[http]",
        file="_gateway/gateway.py",
    ),
    _mutant(
        "each stranger who asks whether a gateway is ready costs a request to the upstream",
        "            if self._clock() >= self._check_at:\n",
        "            if True:\n",
        f"{_APP}::TestReady::test_it_is_not_ready_while_the_upstream_fails[500]",
        file="_gateway/gateway.py",
    ),
    _mutant(
        "a gateway uses itself",
        "        refuse_itself(gateway.transport, clients)\n",
        "",
        f"{_APP}::TestState::test_an_upstream_that_is_the_gateway_itself_is_refused",
        file="_gateway/app.py",
    ),
    _mutant(
        "a listing from before a write hides the write from clients of a gateway",
        "                if number > writes:\n",
        "                if number < writes:\n",
        f"{_LOG}::TestWrites::test_a_listing_from_before_a_write_does_not_count_for_the_chat",
        file="_gateway/chat_log.py",
    ),
    _mutant(
        "a listing that arrives late takes a gateway's list back",
        "            if taken <= self._taken:\n",
        "            if taken == self._taken:\n",
        f"{_LOG}::TestStates::test_a_listing_that_arrives_behind_a_later_one_changes_nothing",
        file="_gateway/chat_log.py",
    ),
    _mutant(
        "a new name of a user never reaches who reads a gateway's changes",
        "        first = revision if is_renamed and",
        "        first = revision if not is_renamed and",
        f"{_LOG}::TestStates::test_a_new_name_of_a_user_is_a_state_whose_changes_are_not_known",
        file="_gateway/chat_log.py",
    ),
    _mutant(
        "a gateway sends changes though it has forgotten some",
        "            first = max(first, forgotten[-1][0])\n",
        "            first = max(first, forgotten[0][0] - 1)\n",
        f"{_LOG}::TestSince::test_forgotten_chats_end_what_is_known",
        file="_gateway/chat_log.py",
    ),
    _mutant(
        "the numbers of a gateway begin again when its clock was set back",
        "max(stored + 1, int(now * 1000))",
        "int(now * 1000)",
        "tests/gateway/test_revisions.py::test_after_a_restart_they_are_higher_than_all_before[0]",
        file="_gateway/revisions.py",
    ),
    _mutant(
        "a gateway tells its clients that its own credentials are theirs",
        '        return error.status != 401 and error.code != "unauthorized"\n',
        "        return True\n",
        "tests/gateway/test_operations.py::TestFailures::"
        "test_credentials_that_the_upstream_refuses_are_not_the_clients",
        file="_gateway/errors.py",
    ),
    _mutant(
        "invalidate() is answered from the list of a gateway",
        "            self._cool_down = None\n            self._forced_after = self._started\n",
        "            self._cool_down = None\n",
        "tests/gateway/test_chats.py::TestLookUps::"
        "test_invalidated_chats_are_listed_by_the_upstream[http]",
        file="_cache/state.py",
    ),
    _mutant(
        "after a lost create, the list of a gateway says that the chat does not exist",
        " or now < self.doubt_until\n                led.losses",
        "\n                led.losses",
        "tests/gateway/test_limits.py::TestOddUpstreams::"
        "test_a_chat_whose_creation_was_lost_is_found_as_soon_as_it_is_there",
        file="_cache/state.py",
    ),
    _mutant(
        "find compares the code points of a letter",
        'unicodedata.normalize("NFC", text)',
        "text",
        "tests/services/test_finding.py::test_the_server_gets_one_form_of_the_text_of_a_user",
        file="_internal/folding.py",
    ),
    _mutant(
        "a library that replaces the connections of urllib3 does not see our requests",
        '    return not pool.ConnectionCls.__module__.startswith("urllib3")\n',
        "    return False\n",
        f"{_LIBRARIES}::TestReplacedConnections::test_are_used",
        file="_http/idle_connections.py",
    ),
    _mutant(
        "a connection that is first made in a cassette replays for the rest of the process",
        ' if base.__module__ == "urllib3.connection"), kind)\n',
        "), kind)\n",
        f"{_LIBRARIES}::TestReplacedConnections"
        "::test_that_are_there_at_the_import_of_ours_are_not_derived_from",
        file="_http/sockets.py",
    ),
    _mutant(
        "the groups of a chat from a response are a plain tuple",
        "make(GroupTuple, map(group, group_ids))",
        "(*map(group, group_ids),)",
        "tests/models/test_lists.py::test_the_members_of_a_chat_are_tables[from a response]",
        file="_http/contract/decoder.py",
    ),
)
