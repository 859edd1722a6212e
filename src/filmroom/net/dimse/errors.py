"""What goes wrong with peers, as the operator reads it."""

from filmroom.base.errors import FilmroomError, RemoteFault, Retry
from filmroom.wire.ul.pdu import AssociateRj

# PS3.8 table 9-21 in plain words, by (source, reason).
_REASONS = {
    (1, 1): "it gave no reason",
    (1, 2): "it does not know the application context",
    (1, 3): "it does not know our AE title",
    (1, 7): "it does not go by the AE title we called",
    (2, 1): "it gave no reason",
    (2, 2): "it speaks another protocol version",
    (3, 1): "it is too busy now",
    (3, 2): "its limit of associations is reached",
}


class PeerUnreachable(FilmroomError):
    """No connection could be opened to the peer."""

    retry = Retry.SAFE


class TlsFailed(PeerUnreachable):
    """No TLS connection could be made with the peer."""


class AssociationRejected(FilmroomError):
    """The peer refused the association."""

    def __init__(self, answer: AssociateRj) -> None:
        kind = "for now" if answer.result == 2 else "for good"
        why = _REASONS.get((answer.source, answer.reason), f"source {answer.source}, reason {answer.reason}")
        super().__init__(f"the peer refuses the association {kind}: {why}")
        self.answer = answer
        self.retry = Retry.SAFE if answer.result == 2 else Retry.NEVER


class AssociationLost(FilmroomError):
    """The association ended before the answer came."""

    retry = Retry.UNSURE


class PeerTimeout(AssociationLost):
    """The peer did not answer, or did not read, in time."""


class ContextMissing(FilmroomError):
    """The peer accepted no presentation context that this needs."""


class BadAnswer(RemoteFault):
    """The peer's answer breaks the standard."""
