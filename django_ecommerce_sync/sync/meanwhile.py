"""Use the time a server takes: one thread, one connection, and no waiting for an answer.

The client of MySQL can send a statement and read the answer later. What comes next is made ready
in between, as long as the answer is not there; threads would do the same, but for a lock of the
interpreter that each answer had to wait for.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

#: Milliseconds in which the answer to a small statement is there.
_MOMENT = 1


@contextmanager
def meanwhile(
    connection: BaseDatabaseWrapper,
    work: Callable[[], bool],
    is_ahead: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """While the connection waits for answers, do ``work`` bit by bit, until it returns False.

    ``work`` must not use the connection. Who ``is_ahead`` with it does not begin a bit where the
    answer is about to come, for then the server would wait. Drivers that can only wait do so.
    """
    connection.ensure_connection()
    driver: Any = connection.connection
    if not hasattr(driver, "send_query"):
        yield
        return
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)

    def query(statement: bytes) -> None:
        driver.send_query(bytes(statement))
        if statement.startswith(b"LOAD DATA"):  # to read the answer is to send the file
            with ThreadPoolExecutor(1) as thread:
                answer = thread.submit(driver.read_query_result)
                while not answer.done() and work():
                    pass
            answer.result()
            return
        try:
            if not (is_ahead() and poll.poll(_MOMENT)):
                while not poll.poll(0) and work():
                    pass
        except BaseException:
            with suppress(Exception):  # an answer nobody reads stands in the way of the next one
                driver.read_query_result()
                driver.discard_result()
            raise
        driver.read_query_result()

    def autocommit(on: bool) -> None:
        if not on:  # what BEGIN begins ends with COMMIT or ROLLBACK, and there is nothing to undo
            query(b"BEGIN")

    own = vars(driver)  # its type does not let attributes be deleted in the usual way
    sent = {"query": query, "commit": lambda: query(b"COMMIT"), "autocommit": autocommit}
    own |= sent
    try:
        yield
    finally:
        for name in sent:
            del own[name]
