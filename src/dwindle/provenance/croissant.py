"""A dataset's Croissant file: JSON-LD that tools for data sets read, with what it says of synthetic rows.

Source: MLCommons, Croissant 1.1 and Croissant RAI 1.0; `rai:hasSyntheticData` and the terms of PROV as conferences ask
for them. Who publishes a dataset and where (`creator`, `url`) is not dwindle's to say; whoever does adds them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dwindle.data.manifest import MANIFEST
from dwindle.plan import Plan
from dwindle.provenance.answer import Answer, Part
from dwindle.provenance.datasets import Dataset
from dwindle.provenance.statements import Statements

__all__ = ["croissant_text"]

_CONFORMS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]

_TERMS = (
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
)

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}
"""The terms of Croissant 1.1, as every file of that version spells them, and those of PROV."""

_NUMPY = "https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html"
_FORMATS = {".parquet": "application/x-parquet", ".npy": _NUMPY}

_COLUMNS = {
    "chain": ("sc:Integer", "Independent replicate that the row is of, from 0."),
    "origin": ("sc:Integer", "Who made it: 0 the anchor's real rows, -1 fresh real rows, t the model before t."),
    "row": ("sc:Integer", "Its number among the rows of its origin and chain."),
    "source": ("sc:Integer", "Row of the source's own data, or place of the prompt that it answers; -1 for none."),
    "weight": ("sc:Float", "Its weight in training."),
    "label": ("sc:Integer", "Its class, -1 for none."),
}


def croissant_text(root: Path, plan: Plan, dataset: Dataset, told: Statements, answer: Answer, *, depth: int) -> str:
    """Return the Croissant file of a dataset.

    `datePublished` is the day on which the folder came to stand here, by its manifest's file: manifests hold no clock.

    Args:
        root: the workspace.
        plan: its plan.
        dataset: the dataset.
        told: what there is to say of it.
        answer: its files.
        depth: how many folders below the workspace the file will stand.
    """
    folder = root / dataset.folder
    day = datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC).date().isoformat()
    title = f"{told.name}: training set of a generation"
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": told.name,
        "description": told.what,
        "conformsTo": _CONFORMS,
        "license": told.licence,
        "version": f"1.0.0+{answer.digest[:12]}",
        "datePublished": day,
        "citeAs": f"@misc{{{told.name}, title = {{{title}}}, note = {{dwindle, SHA-256 {answer.digest}}}}}",
        "keywords": _keywords(plan, dataset),
        **_responsible(dataset, told),
        **_provenance(dataset, answer),
        "distribution": [_file(part, answer.folder, depth) for part in answer.parts],
        "recordSet": [_record_set(dataset, folder, shard) for shard in dataset.facts["shards"]],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _keywords(plan: Plan, dataset: Dataset) -> list[str]:
    settings = plan.recipes[dataset.lineage]
    named = [str(settings[part]["name"]) for part in ("source", "family", "regime")]
    return ["model collapse", *(["synthetic data"] if dataset.synthetic else []), *named]


def _responsible(dataset: Dataset, told: Statements) -> dict[str, Any]:
    """Return the terms of the vocabulary on responsible use that there is something to say to."""
    collected = "Secondary Data analysis" if told.card else "Software Collection"
    said: dict[str, Any] = {
        "rai:hasSyntheticData": bool(dataset.synthetic),
        "rai:dataCollection": told.collection,
        "rai:dataCollectionType": [collected, *(["Others: rows sampled from models"] if dataset.synthetic else [])],
        "rai:dataCollectionRawData": f"source {told.source}; openness: {told.openness}; access: {told.access}",
        "rai:dataPreprocessingProtocol": list(told.curation),
        "rai:dataManipulationProtocol": told.synthesis,
        "rai:dataBiases": list(told.biases),
        "rai:dataLimitations": list(told.limitations),
        "rai:dataUseCases": list(told.uses),
        "rai:dataReleaseMaintenancePlan": "The files never change: another version has another digest.",
    }
    return {term: value for term, value in said.items() if value not in ("", [])}


def _provenance(dataset: Dataset, answer: Answer) -> dict[str, Any]:
    """Return what the dataset was made of, by digest, and the software that made it."""
    entities = [
        {"@type": "prov:Entity", "@id": f"urn:sha256:{digest}", "prov:label": slot}
        for slot, digest in answer.parents.items()
    ]
    agents = [{"@type": "prov:SoftwareAgent", "@id": "urn:dwindle", "prov:label": "dwindle"}]
    if dataset.producer is not None and dataset.producer.digest:
        made = dataset.producer
        label = f"{made.family} model of generation {made.generation}"
        agents.append({"@type": "prov:SoftwareAgent", "@id": f"urn:sha256:{made.digest}", "prov:label": label})
    activity = {
        "@type": "prov:Activity",
        "@id": f"urn:sha256:{dataset.manifest.key}",
        "prov:label": "curate",
        "prov:wasAssociatedWith": agents,
    }
    return {"prov:wasDerivedFrom": entities, "prov:wasGeneratedBy": activity}


def _file(part: Part, folder: str, depth: int) -> dict[str, Any]:
    kind = Path(part.file).suffix
    about = {".parquet": "Provenance, a line a row", ".npy": "Values, a row in each line of the table of this name"}
    return {
        "@type": "cr:FileObject",
        "@id": part.file,
        "name": part.file,
        "description": f"{about.get(kind, 'Beside the rows')}; {part.use}",
        "contentUrl": f"{'../' * depth}{folder}/{part.file}",
        "contentSize": f"{part.size} B",
        "encodingFormat": _FORMATS.get(kind, "application/octet-stream"),
        "sha256": part.sha256,
    }


def _record_set(dataset: Dataset, folder: Path, shard: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    file = f"{shard}.parquet"
    words = {column: about for column, (_, about) in _COLUMNS.items()}
    if dataset.published:
        words["origin"] = words["origin"].replace("real rows", "published rows")
    return {
        "@type": "cr:RecordSet",
        "@id": shard,
        "name": shard,
        "description": f"Where each row of shard {shard} comes from.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{shard}/{column}",
                "name": column,
                "description": words[column],
                "dataType": _COLUMNS[column][0],
                "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
            }
            for column in pq.read_schema(folder / file).names
            if column in _COLUMNS
        ],
    }
