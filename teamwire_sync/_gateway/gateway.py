"""The parts of a gateway that all requests share."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Callable

from teamwire_sync._composition import Parts
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._http.contract import OPERATIONS, Decoder
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.log import logger
from teamwire_sync._server.errors import refuse
from teamwire_sync.exceptions import TWError, TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._gateway.chat_log import ChatLog, LogState
    from teamwire_sync._gateway.clients import Clients
    from teamwire_sync._gateway.outcomes import Outcomes
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._transport import ChatState, Transport

# Seconds. Those who supervise a server wait only a short time, too.
_READY_WITHIN = 5.0
_READY_FOR = 5.0
_NOBODY = "nobody"


class Gateway:
    """The parts of a gateway that all requests share.

    Its cache is that of a Connection: one listing of the upstream serves all clients.

    Args:
        transport: The upstream.
        log: The states of the list of chats.
        outcomes: The outcomes of the requests with an Idempotency-Key.
        clients: The clients.
        config: The settings of the upstream and of the cache; None for the default settings.
        clock: The clock of the cache, for tests.
    """

    def __init__(
        self,
        transport: Transport,
        log: ChatLog,
        outcomes: Outcomes,
        clients: Clients,
        *,
        config: ConnectionConfig | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.log = log
        self.outcomes = outcomes
        self.clients = clients
        config = config or ConnectionConfig()
        self.transport = transport
        self._parts = Parts(transport, config, clock)
        self.cache = self._parts.cache
        self._clock = clock or time.monotonic
        self._lock = threading.Lock()
        self._check_at = 0.0
        self._is_ready = False
        self._keep_visible(outcomes.recent(config.own_write_grace))

    def _keep_visible(self, recent: Iterable[tuple[str, str]]) -> None:
        """Keep the chats visible that were created before a restart: a listing may lack them.

        Args:
            recent: The result of `Outcomes.recent`.
        """
        create, leave = OPERATIONS["create_chat"], OPERATIONS["leave_chat"]
        created = {}
        for fingerprint, body in recent:
            request = fingerprint.rpartition(" ")[0]
            if request == f"{create.method} {create.path}":
                chat = chat_of(Decoder().chat(json.loads(body)))
                created[f"{leave.method} {leave.path.format(tid=chat.tid)}"] = chat
            else:
                created.pop(request, None)
        for chat in created.values():
            with self.cache.writing(in_doubt=False) as write:
                write.created(chat, None)

    def listed(self, *, is_fresh: bool = False, is_continued: bool = False) -> LogState:
        """Return a state of the list of chats that shows all that its clients have written.

        Args:
            is_fresh: Whether the upstream must be asked.
            is_continued: Whether an old state is enough. Otherwise, each page would need a listing
                if a listing takes longer than the TTL.
        """
        if is_continued and self.log.state.is_whole:
            return self.log.state
        writes = self.log.writes
        return self.log.take_in(self.cache.snapshot(None, refresh=is_fresh), writes)

    def require_upstream(self) -> None:
        """Refuse if the upstream can't be reached, or does not respond in a few seconds.

        Strangers may call this often: the result, also a bad one, counts for a few seconds.
        """
        with self._lock:
            if self._clock() >= self._check_at:
                self._is_ready = self._responds()
                self._check_at = self._clock() + _READY_FOR
            is_ready = self._is_ready
        if not is_ready:
            refuse("the upstream can't be reached now", "service_unavailable")

    @property
    def keeps_keys(self) -> bool | None:
        """Whether the upstream has promised to do a write only once per key.

        None if the transport takes no keys.
        """
        return getattr(self.transport, "keeps_keys", None)

    def require_keys(self) -> None:
        """Refuse unless the upstream does a write only once per key."""
        if self.keeps_keys is False:
            # Its first response promises it.
            self.require_upstream()
        if not self.keeps_keys:
            refuse("the request with this key may have been done or not", "delivery_unknown")

    def _responds(self) -> bool:
        """Return whether the upstream responds, and accepts the credentials.

        A listing would be the only other request that each upstream can answer, and can be large.
        """
        try:
            self.transport.get_user(_NOBODY, deadline=deadline_of(_READY_WITHIN))
        except TWError as error:
            logger.warning("the gateway's upstream is not ready: %s", type(error).__name__)
            return error.code == "forbidden"
        return True

    def close(self) -> None:
        """End all requests to the upstream. Idempotent."""
        self._parts.close()


def chat_of(state: ChatState) -> Chat:
    """Return the chat of a write's result.

    Raises:
        TWProtocolError: There is no chat.
    """
    if state.chat is None:
        message = "the upstream returned no chat"
        raise TWProtocolError(message)
    return state.chat
