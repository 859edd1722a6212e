"""Put DIMSE messages together from fragments (PS3.7 annex F, PS3.8 annex E.1): command set first, then data set.

The command set is gathered; the data set is passed on piece by piece as it comes.
"""

from collections.abc import Container
from dataclasses import dataclass

from filmroom.wire.dimse.commandset import CommandFault
from filmroom.wire.dimse.messages import Message, decode
from filmroom.wire.ul.reader import Fragment

# Real command sets stay under 1 kB; an N-GET may list thousands of attributes, four bytes each.
MAX_COMMAND_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Command:
    """A command set is complete; ``message.has_data`` tells whether ``Data`` follows."""

    context_id: int
    message: Message


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of the data set of the last command; ``last`` on its final piece, which may be empty."""

    data: memoryview
    last: bool


class Assembler:
    """Fragments in, commands and data out, for one direction of one association.

    Messages do not interleave on an association, even with an asynchronous window (PS3.7 annex F).
    Raises CommandFault; the association must then be aborted.
    """

    def __init__(self, contexts: Container[int]) -> None:
        self._contexts = contexts
        self._context_id = 0  # of the message in progress; 0: none
        self._command = bytearray()
        self._awaits_data = False

    @property
    def mid_message(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._context_id != 0

    def receive(self, fragment: Fragment) -> Command | Data | None:
        """What the fragment completes, or brings."""
        context_id, is_command, last, data = fragment
        if context_id != self._context_id:
            self._begin(context_id)
        if self._awaits_data:
            if is_command:
                raise CommandFault("a command fragment came where the data set goes on")
            if last:
                self._context_id, self._awaits_data = 0, False
            return Data(data, last)
        if not is_command:
            raise CommandFault("a data set fragment came without a command")
        return self._gather(data, last)

    def _begin(self, context_id: int) -> None:
        if self._context_id:
            raise CommandFault("fragments of two messages are mixed")
        if context_id not in self._contexts:
            raise CommandFault(f"presentation context {context_id} was not accepted")
        self._context_id = context_id

    def _gather(self, data: memoryview, last: bool) -> Command | None:
        if len(self._command) + len(data) > MAX_COMMAND_BYTES:
            raise CommandFault(f"a command set is longer than {MAX_COMMAND_BYTES} bytes")
        self._command += data
        if not last:
            return None
        message = decode(bytes(self._command))
        self._command.clear()
        context_id = self._context_id
        self._awaits_data = message.has_data
        if not message.has_data:
            self._context_id = 0
        return Command(context_id, message)
