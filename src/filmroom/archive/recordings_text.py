"""A recording as text that a vendor's engineer reads, with the same in JSON below it. English."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from filmroom import __version__
from filmroom.archive.recordings import Recorded

JSON_MARK = "----- JSON -----"


def as_file(recorded: Recorded, body: Mapping[str, Any]) -> str:
    """One file: the text, a line, and everything as JSON."""
    whole = {"filmroom": __version__, "head": head(recorded), **body}
    text = "\n".join(lines(recorded, body))
    return f"{text}\n\n{JSON_MARK}\n{orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode()}\n"


def head(recorded: Recorded) -> dict[str, Any]:
    """The head as JSON values."""
    return {
        "id": recorded.pk,
        "opened_at": recorded.opened_at.isoformat(),
        "direction": "outgoing" if recorded.outgoing else "incoming",
        "standing": recorded.standing,
        "peer": recorded.peer,
        "calling_ae": recorded.calling_ae,
        "called_ae": recorded.called_ae,
        "tls": recorded.tls,
        "outcome": recorded.outcome,
        "reason": recorded.reason,
        "messages": recorded.messages,
        "failures": recorded.failures,
        "bytes_in": recorded.bytes_in,
        "bytes_out": recorded.bytes_out,
        "seconds": recorded.seconds,
    }


def lines(recorded: Recorded, body: Mapping[str, Any]) -> Iterator[str]:
    """The text."""
    way = "to" if recorded.outgoing else "from"
    yield f"Filmroom {__version__}: association {recorded.pk} {way} {recorded.peer}"
    yield f"{recorded.calling_ae} called {recorded.called_ae} at {recorded.opened_at:%Y-%m-%d %H:%M:%S %Z}"
    yield f"Ended after {recorded.seconds:.3f} s: {recorded.outcome}{': ' if recorded.reason else ''}{recorded.reason}"
    tls = body.get("tls")
    yield f"TLS: {tls['version']} {tls['cipher']} {', '.join(tls['names'])}".rstrip() if tls else "TLS: no"
    traffic = body.get("traffic", {})
    yield f"Bytes in {recorded.bytes_in}, out {recorded.bytes_out}; PDUs in {traffic.get('pdus_in')}"
    yield from _negotiation(body.get("negotiation"))
    yield from _messages(body)


def _negotiation(negotiation: Mapping[str, Any] | None) -> Iterator[str]:
    if negotiation is None:
        return
    for side in ("requestor", "acceptor"):
        user = negotiation.get(side)
        if user is None:
            continue
        name = user["implementation_version"] or "unnamed"
        size = user["max_pdu_bytes"] or "any"
        yield f"{side.capitalize()}: {name} ({user['implementation_class_uid']}), PDUs up to {size} bytes"
        for role in user["roles"]:
            taken = "+".join(which.upper() for which in ("scu", "scp") if role[which]) or "none"
            yield f"  role {taken} of {role['sop_class']}"
    yield "Presentation contexts:"
    for context in negotiation["contexts"]:
        said = context["result"] or "not answered"
        chosen = f" as {context['accepted']}" if context["accepted"] else f", proposed {', '.join(context['proposed'])}"
        yield f"  {context['id']:3} {context['abstract_syntax']}: {said}{chosen}"


def _messages(body: Mapping[str, Any]) -> Iterator[str]:
    yield "Messages (ms since the connection; > to the peer of the recorder, < from it):"
    for message in body.get("messages", ()):
        yield from _message(message)
    if left := body.get("left_out"):
        yield f"  ... {left} messages are counted only"
    for message in body.get("last_messages", ()):
        yield from _message(message)
    yield "Counts:"
    for count in body.get("counts", ()):
        arrow = ">" if count["direction"] == "out" else "<"
        yield f"  {arrow} {count['command']} {count['status'] or ''}: {count['count']}"


def _message(message: Mapping[str, Any]) -> Iterator[str]:
    arrow = ">" if message["direction"] == "out" else "<"
    parts = [f"  {message['at_ms']:>10} {arrow} {message['command']} #{message['id']} context {message['context']}"]
    if "status" in message:
        parts.append(f"{message['status']}H {message['meaning']}")
    parts += [f"{name} {message[name]}" for name in ("sop_class", "sop_uid", "destination") if name in message]
    parts += [f"{message['bytes']} bytes"] if "bytes" in message else []
    parts += [f"after {message['ms']} ms"] if "ms" in message else []
    parts += [f"comment: {message['comment']}"] if "comment" in message else []
    yield ", ".join(parts)
    keys = message.get("keys", ())
    yield from _keys(keys, 15) if isinstance(keys, list) else [f"{'':15}{keys}"] if keys else []


def _keys(keys: list[Any], indent: int) -> Iterator[str]:
    for key in keys:
        shown = key.get("values") or key.get("secret_values")
        name = f"({key['tag'][:4]},{key['tag'][4:]}) {key['keyword']}"
        yield f"{'':{indent}}{name}: {key['matching']} {shown or ''}".rstrip()
        for item in key.get("items", ()):
            yield from _keys(item, indent + 2)
