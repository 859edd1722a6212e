"""Identifiers of C-FIND, C-MOVE and C-GET between bytes and questions (PS3.4 C.4.1.1.3)."""

from filmroom.dicom.asking import question_from_dataset
from filmroom.dicom.headertap import HeaderTap
from filmroom.dicom.indextags import CHARACTER_SET
from filmroom.dicom.json import dataset_to_json, json_to_dataset
from filmroom.dicom.question import JsonDataset, Level, Question

_ONLY_CHARACTER_SET = frozenset({CHARACTER_SET})


class Identifiers:
    """Reads and writes identifiers. Raises RemoteFault for what is no data set or no question."""

    def decode(self, data: bytes, transfer_syntax: str) -> JsonDataset:
        """All of an identifier, long UID lists included; its text is Unicode now."""
        return dataset_to_json(data, transfer_syntax, bulk_bytes=max(len(data), 4096))

    def charset(self, data: bytes, transfer_syntax: str) -> str:
        """The value of (0008,0005) as the asker wrote it, '' when absent: what the asker can read."""
        tap = HeaderTap(transfer_syntax, _ONLY_CHARACTER_SET)
        tap.feed(data)
        value = tap.finish().value(CHARACTER_SET) if data else b""
        return value.decode("ascii", "replace").strip(" \0")

    def encode(self, dataset: JsonDataset, transfer_syntax: str, charset: str) -> bytes:
        """An answer in the asker's character set if that can hold it, else in UTF-8 (PS3.4 C.4.1.1.3.2)."""
        return json_to_dataset(dataset, transfer_syntax, charset)

    def question(
        self,
        dataset: JsonDataset,
        level: Level,
        *,
        relational: bool = False,
        fuzzy: bool = False,
        combined_datetime: bool = False,
        multiple_values: bool = False,
        character_set: str = "",
    ) -> Question:
        """What is asked. The flags are what extended negotiation agreed on."""
        return question_from_dataset(
            dataset,
            level,
            relational=relational,
            fuzzy=fuzzy,
            combined_datetime=combined_datetime,
            multiple_values=multiple_values,
            character_set=character_set,
        )
