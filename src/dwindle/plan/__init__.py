"""The plan: params.yaml unrolled, generation by generation, into what DVC and every worker read.

DVC has neither a loop nor a previous item, so the chain is written out. Each entry carries, per stage, a digest of the
parameters, seeds and code that the stage reads; together with the digests of its inputs that is the stage key.
"""

from __future__ import annotations

from dwindle.plan.entries import STAGES, Plan, chain_key, generation_folder
from dwindle.plan.file import PLAN, plan_text, read_plan, write_plan
from dwindle.plan.unrolling import sampled_rows, stage_digest, stage_seed, unroll

__all__ = [
    "PLAN",
    "STAGES",
    "Plan",
    "chain_key",
    "generation_folder",
    "plan_text",
    "read_plan",
    "sampled_rows",
    "stage_digest",
    "stage_seed",
    "unroll",
    "write_plan",
]
