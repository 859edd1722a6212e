"""A recording as plain JSON values, with what could tell of a patient masked.

Masked: UIDs of objects become a word that is the same within one run of the server; free text loses UIDs, numbers and
person names; of a query's keys only the attribute and the kind of matching are told.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from filmroom.base.errors import FilmroomError
from filmroom.dicom.dictionary import keyword_of
from filmroom.dicom.json import dataset_to_json
from filmroom.net.dimse.recorder import LAST_MESSAGES, Note, Recording, Written
from filmroom.wire.dimse.messages import CMoveRq, Message, Request, Response
from filmroom.wire.dimse.status import C_FIND, C_MOVE, C_STORE, status_name
from filmroom.wire.ul.items import ContextResult, UserInformation
from filmroom.wire.ul.pdu import AssociateAc, AssociateRj, AssociateRq

OUTCOMES: Final[Mapping[str, str]] = {
    "standing": "The association still stands.",
    "released": "Released in good order.",
    "rejected": "The association was rejected.",
    "aborted by peer": "The peer aborted.",
    "aborted by us": "We aborted.",
    "timeout": "A time limit of ours was reached.",
    "lost": "The connection went away.",
    "unreachable": "No connection could be made.",
    "not secured": "The TLS handshake failed.",
}

# Comments of channel._deadline, and ARTIM.
_TIMEOUTS = ("the peer does not", "a PDU takes", "a message takes", "a message stopped", "the association stood idle")

_SALT = secrets.token_bytes(16)
_STANDARD_UID = "1.2.840.10008."
_UID = re.compile(r"\b[0-9]+(?:\.[0-9]+){4,}\b")
_NAME = re.compile(r"\S*\^\S*")
_NUMBER = re.compile(r"\w*\d{4,}\w*")
_SERVICES = {"CStoreRsp": C_STORE, "CFindRsp": C_FIND, "CMoveRsp": C_MOVE, "CGetRsp": C_MOVE}


def masked_uid(uid: str) -> str:
    """A word for the UID of an object; those of the standard stand."""
    if not uid or uid.startswith(_STANDARD_UID):
        return uid
    return "uid-" + hashlib.blake2b(uid.encode(), key=_SALT, digest_size=5).hexdigest()


def masked_text(text: str) -> str:
    """Free text of a peer without UIDs, names with carets and longer numbers."""
    text = _UID.sub(lambda found: masked_uid(found[0]), text)
    text = _NAME.sub("***", text)
    return " ".join(word if word.startswith("uid-") else _NUMBER.sub("***", word) for word in text.split(" "))


def written(recording: Recording, now: float, values_for: Collection[str]) -> Written:
    """The recording as it is now."""
    request, connection = recording.request, recording.connection
    calling, called = (request.calling_ae, request.called_ae) if request is not None else ("", "")
    peer_ae = called if recording.outgoing else calling
    outcome, reason = _outcome(recording)
    seconds = (recording.ended if recording.ended is not None else now) - recording.began
    values = peer_ae in values_for
    secured = recording.secured
    body: dict[str, Any] = {
        "values": values,
        "tls": None
        if secured is None
        else {"version": secured.version, "cipher": secured.cipher, "names": list(secured.names)},
        "negotiation": _negotiation(request, recording.answer),
        "answered_ms": None if recording.answered is None else round((recording.answered - recording.began) * 1000, 1),
        "end": _end(recording),
        "traffic": {
            "bytes_in": connection.bytes_in,
            "bytes_out": connection.bytes_out,
            "pdus_in": connection.pdus_in,
            "bytes_in_per_s": round(connection.bytes_in / seconds) if seconds > 0 else None,
            "bytes_out_per_s": round(connection.bytes_out / seconds) if seconds > 0 else None,
        },
        "counts": _counts(recording),
        "messages": [_message(each, recording, values) for each in recording.first],
        "left_out": max(0, recording.messages - len(recording.first) - LAST_MESSAGES),
        "last_messages": [_message(each, recording, values) for each in recording.last],
    }
    return Written(
        key=recording.key,
        opened_at=recording.opened_at,
        outgoing=recording.outgoing,
        standing=recording.ended is None,
        peer=recording.peer or connection.peer_host,
        calling_ae=calling,
        called_ae=called,
        tls=secured is not None,
        outcome=outcome,
        reason=reason,
        messages=recording.messages,
        failures=recording.failures,
        bytes_in=connection.bytes_in,
        bytes_out=connection.bytes_out,
        seconds=round(seconds, 3),
        body=body,
    )


def _outcome(recording: Recording) -> tuple[str, str]:
    """One of OUTCOMES, and in words why."""
    end = recording.connection.end
    if recording.fault:
        return "unreachable" if recording.unreachable else "not secured", recording.fault
    if isinstance(recording.answer, AssociateRj):
        answer = recording.answer
        said = answer.comment or rejection_words(answer)
        return "rejected", said
    if recording.released:
        return "released", ""
    if recording.ended is None:
        return "standing", ""
    if end is None:
        return "lost", _loss(recording.connection.lost)
    if end.by_peer:
        return "aborted by peer", f"source {end.source}, reason {end.reason}"
    if end.comment.startswith(_TIMEOUTS) or end.comment == "artim":
        return "timeout", end.comment
    if end.comment == "the connection was lost":
        return "lost", _loss(recording.connection.lost)
    return "aborted by us", masked_text(end.comment)


def rejection_words(answer: AssociateRj) -> str:
    """PS3.8 table 9-21 in short."""
    return f"result {answer.result}, source {answer.source}, reason {answer.reason}"


def _loss(error: Exception | None) -> str:
    if error is None:
        return "the peer closed the connection without a release"
    return str(getattr(error, "strerror", "") or getattr(error, "reason", "") or type(error).__name__)


def _end(recording: Recording) -> dict[str, Any]:
    end, answer = recording.connection.end, recording.answer
    found: dict[str, Any] = {}
    if isinstance(answer, AssociateRj):
        found["rejected"] = {"result": answer.result, "source": answer.source, "reason": answer.reason}
    if end is not None:
        found["abort"] = {"by_peer": end.by_peer, "source": int(end.source), "reason": int(end.reason)}
    return found


def _negotiation(request: AssociateRq | None, answer: AssociateAc | AssociateRj | None) -> dict[str, Any] | None:
    if request is None:
        return None
    accepted = answer if isinstance(answer, AssociateAc) else None
    answers = {each.id: each for each in accepted.contexts} if accepted is not None else {}
    contexts = []
    for each in request.contexts:
        given = answers.get(each.id)
        contexts.append(
            {
                "id": each.id,
                "abstract_syntax": each.abstract_syntax,
                "proposed": list(each.transfer_syntaxes),
                "result": None if given is None else _result(given.result),
                "accepted": given.transfer_syntax if given is not None and given.result == 0 else None,
            }
        )
    return {
        "application_context": request.application_context,
        "contexts": contexts,
        "requestor": _user(request.user),
        "acceptor": None if accepted is None else _user(accepted.user),
    }


def _result(code: int) -> str:
    try:
        return ContextResult(code).name.lower().replace("_", " ")
    except ValueError:
        return f"result {code}"


def _user(user: UserInformation) -> dict[str, Any]:
    window = user.async_window
    return {
        "max_pdu_bytes": user.max_length,
        "implementation_class_uid": user.implementation_class_uid,
        "implementation_version": user.implementation_version,
        "window": None if window is None else [window.invoked, window.performed],
        "roles": [{"sop_class": each.sop_class, "scu": each.scu, "scp": each.scp} for each in user.roles],
        "extended": [{"sop_class": each.sop_class, "info": each.info.hex()} for each in user.extended],
    }


def _counts(recording: Recording) -> list[dict[str, Any]]:
    return [
        {
            "direction": "out" if out else "in",
            "command": command_name(kind),
            "status": None if status is None else f"{status:04X}",
            "count": count,
        }
        for (out, kind, status), count in recording.counts.items()
    ]


def command_name(kind: type[Message]) -> str:
    """``CStoreRq`` as the standard writes it: C-STORE-RQ."""
    name = kind.__name__
    words = re.findall(r"[A-Z][a-z]*", name[1:])
    return "-".join([name[0], " ".join(words[:-1]).replace(" ", "-"), words[-1]]).upper()


def _message(note: Note, recording: Recording, values: bool) -> dict[str, Any]:
    message = note.message
    found: dict[str, Any] = {
        "at_ms": round((note.at - recording.began) * 1000, 1),
        "direction": "out" if note.out else "in",
        "command": command_name(type(message)),
        "context": note.context_id,
        "id": message.message_id if isinstance(message, Request) else getattr(message, "responding_to", None),
    }
    if sop_class := getattr(message, "sop_class", ""):
        found["sop_class"] = sop_class
    if sop_uid := getattr(message, "sop_uid", ""):
        found["sop_uid"] = masked_uid(sop_uid)
    if isinstance(message, CMoveRq):
        found["destination"] = message.destination
    if message.has_data:
        found["bytes"] = note.size
    if isinstance(message, Response):
        found["status"] = f"{message.status:04X}"
        found["meaning"] = status_name(message.status, _SERVICES.get(type(message).__name__, ()))
        if message.comment:
            found["comment"] = masked_text(message.comment)
    if note.seconds is not None:
        found["ms"] = round(note.seconds * 1000, 1)
    for name in ("remaining", "completed", "failed", "warning"):
        if (count := getattr(message, name, None)) is not None:
            found[name] = count
    if note.keys:
        found["keys"] = _keys(note, recording, values)
    return found


def _keys(note: Note, recording: Recording, values: bool) -> list[dict[str, Any]] | str:
    answer = recording.answer
    contexts = answer.contexts if isinstance(answer, AssociateAc) else ()
    syntax = next((each.transfer_syntax for each in contexts if each.id == note.context_id), "")
    try:
        dataset = dataset_to_json(note.keys or b"", syntax)
    except (FilmroomError, ValueError, KeyError):
        return "the identifier cannot be read"
    return list(_matching(dataset, values))


# Coded values that say how was asked and nothing of a patient.
_OPEN_KEYS = {"00080052", "00080005", "00080060", "00080061"}


def _matching(dataset: Mapping[str, Any], values: bool) -> Iterator[dict[str, Any]]:
    for tag, attribute in dataset.items():
        given = attribute.get("Value", [])
        key: dict[str, Any] = {
            "tag": tag,
            "keyword": keyword_of(int(tag, 16)) or "",
            "matching": _kind(attribute.get("vr", ""), given),
        }
        if attribute.get("vr") == "SQ":
            key["items"] = [list(_matching(each, values)) for each in given]
        elif given and tag in _OPEN_KEYS:
            key["values"] = given
        elif given and values:
            key["secret_values"] = given
        yield key


def _kind(vr: str, values: list[Any]) -> str:
    """The kind of matching (PS3.4 C.2.2.2)."""
    if not values:
        return "universal"
    if vr == "SQ":
        return "sequence"
    text = "".join(str(each) for each in values)
    if len(values) > 1:
        return "list"
    if vr in ("DA", "TM", "DT") and "-" in text:
        return "range"
    return "wildcard" if vr not in ("DA", "TM", "DT", "UI") and ("*" in text or "?" in text) else "single value"
