"""What this process writes to standard error: an object of JSON a line. Knows nothing about what is logged."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

REQUESTS = "appliance.requests"
"""The logger with a line for each request."""


class JsonLines(logging.Formatter):
    """Formats log records as JSON; what a record has in `told` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def write_logs(*, requests: bool) -> None:
    """Let this process log to standard error, with a line for each request or without."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("appliance").setLevel(logging.INFO)
    logging.getLogger(REQUESTS).setLevel(logging.INFO if requests else logging.WARNING)
