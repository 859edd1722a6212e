"""The data sets of storage commitment (PS3.4 tables J.3-1 and J.3-2), both ways."""

from collections.abc import Sequence
from typing import Any, Final

from filmroom.archive.commitment_model import PROCESSING_FAILURE, Failure, Reference, Result, Transaction
from filmroom.base.errors import RemoteFault
from filmroom.base.ids import is_uid
from filmroom.dicom.json import dataset_to_json
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset
from filmroom.net.dimse.scp.identifiers import values

TRANSACTION_UID: Final = "00081195"
RETRIEVE_AE_TITLE: Final = "00080054"
REFERENCED_SOP_SEQUENCE: Final = "00081199"
FAILED_SOP_SEQUENCE: Final = "00081198"
REFERENCED_SOP_CLASS: Final = "00081150"
REFERENCED_SOP_INSTANCE: Final = "00081155"
FAILURE_REASON: Final = "00081197"

# Event types (PS3.4 table J.3-2).
ALL_COMMITTED: Final = 1
FAILURES_EXIST: Final = 2


class BadCommitment(RemoteFault):
    """The data set is no storage commitment request or result."""


def read_request(data: bytes, transfer_syntax: str) -> Transaction:
    """What is asked to be kept; an object named twice in the same words counts once. Raises RemoteFault."""
    dataset = dataset_to_json(data, transfer_syntax)
    references = tuple(dict.fromkeys(_reference(item) for item in _items(dataset, REFERENCED_SOP_SEQUENCE)))
    if not references:
        raise BadCommitment("no object is referenced")
    if len({each.sop_uid for each in references}) < len(references):
        raise BadCommitment("an object is referenced with two SOP classes")
    return Transaction(_uid(dataset, TRANSACTION_UID), references)


def write_request(transaction: Transaction, transfer_syntax: str) -> bytes:
    """The action information of a request."""
    dataset: JsonDataset = {
        TRANSACTION_UID: _ui(transaction.uid),
        REFERENCED_SOP_SEQUENCE: _sequence([_item(each) for each in transaction.references]),
    }
    return json_to_dataset(dataset, transfer_syntax)


def read_result(data: bytes, transfer_syntax: str) -> Result:
    """The event information of a result. Raises RemoteFault."""
    dataset = dataset_to_json(data, transfer_syntax)
    return Result(
        _uid(dataset, TRANSACTION_UID),
        tuple(_reference(item) for item in _items(dataset, REFERENCED_SOP_SEQUENCE)),
        tuple(Failure(_reference(item), _reason(item)) for item in _items(dataset, FAILED_SOP_SEQUENCE)),
    )


def write_result(result: Result, transfer_syntax: str) -> bytes:
    """The event information of a result. A list that would be empty is left out."""
    dataset: JsonDataset = {TRANSACTION_UID: _ui(result.transaction_uid)}
    if result.committed:
        dataset[REFERENCED_SOP_SEQUENCE] = _sequence([_item(each) for each in result.committed])
        if result.retrieve_ae:
            dataset[RETRIEVE_AE_TITLE] = {"vr": "AE", "Value": [result.retrieve_ae]}
    if result.failed:
        reasons = [{FAILURE_REASON: {"vr": "US", "Value": [each.reason]}} for each in result.failed]
        items = [_item(each.reference) | reason for each, reason in zip(result.failed, reasons, strict=True)]
        dataset[FAILED_SOP_SEQUENCE] = _sequence(items)
    return json_to_dataset(dataset, transfer_syntax)


def event_type(result: Result) -> int:
    """PS3.4 J.3.3.1.2."""
    return FAILURES_EXIST if result.failed else ALL_COMMITTED


def _item(reference: Reference) -> dict[str, Any]:
    return {REFERENCED_SOP_CLASS: _ui(reference.sop_class), REFERENCED_SOP_INSTANCE: _ui(reference.sop_uid)}


def _reference(item: JsonDataset) -> Reference:
    return Reference(_uid(item, REFERENCED_SOP_CLASS), _uid(item, REFERENCED_SOP_INSTANCE))


def _reason(item: JsonDataset) -> int:
    """A failure whose reason is missing is a failure all the same."""
    given = values(item, FAILURE_REASON)
    return given[0] if given and isinstance(given[0], int) and given[0] > 0 else PROCESSING_FAILURE


def _items(dataset: JsonDataset, key: str) -> Sequence[JsonDataset]:
    return [item for item in values(dataset, key) if isinstance(item, dict)]


def _uid(dataset: JsonDataset, key: str) -> str:
    given = values(dataset, key)
    if len(given) != 1 or not is_uid(str(given[0])):
        raise BadCommitment(f"({key[:4]},{key[4:]}) holds no UID")
    return str(given[0])


def _ui(uid: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [uid]}


def _sequence(items: Sequence[JsonDataset]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": list(items)}
