"""Every table of a sweep has a name that Prefect takes for the key of an artifact, whatever its lineages are called."""

from __future__ import annotations

import pytest
from prefect.client.schemas.actions import ArtifactCreate

from dwindle.config.building import LINEAGE_NAME
from flows.command import page_key


@pytest.mark.parametrize("lineage", ["replace", "accumulate_subsample", "0", "a-b_c__9-", "x" * 64])
def test_a_table_named_after_a_lineage_is_taken(lineage):
    assert LINEAGE_NAME.fullmatch(lineage)
    assert ArtifactCreate(key=page_key(f"errors-{lineage}"), type="table", data="[]").key.startswith("errors-")


def test_names_that_prefect_takes_anyway_stay_as_they_are():
    assert [page_key(name) for name in ("lineages", "profile", "errors-replace")] == [
        "lineages",
        "profile",
        "errors-replace",
    ]
