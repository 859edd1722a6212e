"""Facts: what happened, in the past tense, carrying ids and no objects. ``db.feed`` writes and reads them."""

from dataclasses import dataclass

from filmroom.base.ids import SeriesUid, SopUid, StudyUid


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened. Its class name is its kind in the feed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesStored(Fact):
    """New objects of one series were filed in one transaction."""

    study_uid: StudyUid
    series_uid: SeriesUid
    sop_uids: tuple[SopUid, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesCompressed(Fact):
    """Objects of one series are kept in another transfer syntax now, without loss: the pixels are the same."""

    study_uid: StudyUid
    series_uid: SeriesUid
    sop_uids: tuple[SopUid, ...]
    rule: str
    transfer_syntax: str
    saved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectQuarantined(Fact):
    """An object could not be filed; its bytes wait in quarantine."""

    quarantine_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyQuiet(Fact):
    """No object of the study has arrived for the configured time: it is taken as complete."""

    study_uid: StudyUid
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesDeleted(Fact):
    """Objects of one study were marked deleted; their bytes go later."""

    study_uid: StudyUid
    sop_uids: tuple[SopUid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesRestored(Fact):
    """Objects that were deleted are back."""

    study_uid: StudyUid
    sop_uids: tuple[SopUid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributesCorrected(Fact):
    """Attributes were corrected, patients merged, or that was undone (``action``); these studies look otherwise now."""

    journal_id: int
    action: str
    study_uids: tuple[StudyUid, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEnded(Fact):
    """Everything of a delivery to another node was sent, failed for good, or was called off (``state``)."""

    delivery_id: int
    destination: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentReported(Fact):
    """A device was told what became of its storage commitment request."""

    commitment_id: int
    peer: str
    committed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentAnswered(Fact):
    """A peer said which of the objects that we asked about it keeps."""

    commitment_id: int
    peer: str
    committed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderScheduled(Fact):
    """An order was placed, with all its procedures and steps."""

    order_id: int
    accession: str
    study_uids: tuple[StudyUid, ...]
    step_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(Fact):
    """An order was called off."""

    order_id: int
    accession: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChanged(Fact):
    """A scheduled procedure step has another status, or another time or place (then ``before`` is ``after``)."""

    step_pk: int
    step_id: str
    study_uid: StudyUid
    before: str
    after: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPerformed(Fact):
    """A modality told of a performed procedure step: that it began, went on, or ended (``status``)."""

    sop_uid: SopUid
    status: str
    study_uids: tuple[StudyUid, ...]
    step_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyComplete(Fact):
    """All of a study is here: it is quiet, or its performed steps or an expected count say so (``reason``)."""

    study_uid: StudyUid
    version: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkitemChanged(Fact):
    """A unified procedure step was created, changed or ended; ``events`` number the reports about it."""

    sop_uid: SopUid
    state: str
    events: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailabilityNotified(Fact):
    """Another node said that objects of a study can be had from it."""

    notice_id: int
    study_uid: StudyUid
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditAlert(Fact):
    """Somebody should look: ``alert`` is mass-access, protected-access or glass-broken; ``count`` is of studies."""

    alert: str
    who: str
    count: int
    audit_id: str
