"""What Prefect schedules. Importing this package makes Prefect quiet and private unless it is told otherwise."""

import os

_DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # An embedded server starts slowly on a machine whose processors are busy growing lineages.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "dwindle",
    # An embedded server that is told to end in the middle of its work reports that as an error.
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
}
for _key, _value in _DEFAULTS.items():
    os.environ.setdefault(_key, _value)
if "PREFECT__FLOW_RUN_ID" not in os.environ:  # at a terminal the progress bars speak; under a worker the log does
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
