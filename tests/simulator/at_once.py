"""How many of something go on at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class AtOnce:
    """Counts what goes on now, and keeps the most that ever did. Safe from any thread."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one more as long as this lasts."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1
