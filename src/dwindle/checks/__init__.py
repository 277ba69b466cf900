"""The contracts as executable checks, shipped so that outside components can be judged like the ones inside.

`check_family(MyFamily.smallest())` runs every check of a kind; `family_checks()` lists them, one claim each, for
pytest to parametrise. A broken claim raises `CheckFailed`, whose message starts with the name of the check.
"""

from dwindle.checks.claims import Check, CheckFailed
from dwindle.checks.curator import check_curator, curator_checks
from dwindle.checks.family import check_family, family_checks
from dwindle.checks.metric import check_metric, metric_checks
from dwindle.checks.regime import check_regime, regime_checks
from dwindle.checks.source import check_source, source_checks

__all__ = [
    "Check",
    "CheckFailed",
    "check_curator",
    "check_family",
    "check_metric",
    "check_regime",
    "check_source",
    "curator_checks",
    "family_checks",
    "metric_checks",
    "regime_checks",
    "source_checks",
]
