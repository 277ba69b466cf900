"""Whether a published result was reproduced: the checks of a preset, held to what was measured."""

from __future__ import annotations

from dwindle.reproduction.checking import Finding, Outcome, check_sweep
from dwindle.reproduction.showing import findings_table, outcomes_table

__all__ = ["Finding", "Outcome", "check_sweep", "findings_table", "outcomes_table"]
