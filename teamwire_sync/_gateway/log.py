"""A log that does not stop the gateway when nobody reads the log."""

from __future__ import annotations

from logging.handlers import QueueHandler, QueueListener
from queue import Queue
from typing import TYPE_CHECKING

from teamwire_sync._internal.log import logger

if TYPE_CHECKING:
    import logging

_MOST_LINES = 10_000


class QueuedLog(QueueHandler):
    """A handler that passes records to the present handlers in a thread of its own.

    While they do not return, for example because a pipe is full, it drops records.
    """

    def __init__(self) -> None:
        self._records: Queue[logging.LogRecord] = Queue(_MOST_LINES)
        super().__init__(self._records)
        self._lost = 0
        self._handlers = logger.handlers.copy()
        self._listener = QueueListener(self._records, *self._handlers)
        self._listener.start()
        logger.handlers[:] = [self]

    def enqueue(self, record: logging.LogRecord) -> None:
        """Pass on a record, and the number of records that are lost."""
        super().enqueue(record)
        if self._lost:
            lost, self._lost = self._lost, 0
            logger.warning("the log has lost lines, because nobody has read it: %d", lost)

    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802  the name is that of logging
        """Count a record that has no place. By default, the reason would be printed on stderr."""
        self._lost += 1

    # Not `close`: logging calls that again at the end of the process.
    def end(self) -> None:
        """Restore the handlers when they have the records. That may take for ever."""
        logger.handlers[:] = self._handlers
        self._records.join()
        self._listener.stop()
