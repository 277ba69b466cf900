"""What a sweep will be: its rows, its disk and its time, before it is grown and while it grows.

Rows follow from the regimes' arithmetic. Disk and time are judged by what was measured: seconds and bytes of the
generations that stand in the workspace, or of a trial in a workspace of its own.
"""

from __future__ import annotations

from dwindle.estimate.table import estimate_table

__all__ = ["estimate_table"]
