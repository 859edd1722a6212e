"""The event channel of UPS-RS: reports to one subscriber over a WebSocket (PS3.18 8.10.4, 8.10.5, 11.13)."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import orjson
import structlog
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from filmroom.base.errors import FilmroomError
from filmroom.base.ids import ae_title
from filmroom.db.feed_tail import FeedTail, FellBehind
from filmroom.dicom.question import JsonDataset
from filmroom.net.web.door import principal_of
from filmroom.security.policy import Action, may
from filmroom.security.principals import Principal
from filmroom.workflow.ups_events import Subscriptions

log = structlog.get_logger()

EVENT_CLASS: Final = "1.2.840.10008.5.1.4.34.6.4"
FACT: Final = "WorkitemChanged"
# Open channels of one process; each holds a task and a few kilobytes.
MAX_CHANNELS: Final = 500
SEND_S: Final = 30.0
LOOK_S: Final = 30.0
# Close codes of RFC 6455 7.4.1.
POLICY, TRY_LATER, WENT_WRONG = 1008, 1013, 1011


class EventChannel:
    """Channels by AE title. What happens from the opening on is told; what came before is not."""

    def __init__(self, subscriptions: Subscriptions, tail: FeedTail) -> None:
        self._subscriptions = subscriptions
        self._tail = tail
        self._open = 0

    def routes(self, path: str) -> list[WebSocketRoute]:
        return [WebSocketRoute(path, self.serve)]

    async def serve(self, socket: WebSocket) -> None:
        """One channel, until either side ends it."""
        try:
            receiver = ae_title(socket.path_params["aetitle"])
        except ValueError:
            await socket.close(POLICY)
            return
        who = principal_of(socket.scope)
        if not may(who, Action.VIEW):
            await socket.close(POLICY)
            return
        if self._open >= MAX_CHANNELS:
            await socket.close(TRY_LATER)
            return
        self._open += 1
        try:
            place = self._tail.last
            await socket.accept()
            await self._until_gone(socket, who, receiver, place)
        finally:
            self._open -= 1

    async def _until_gone(self, socket: WebSocket, who: Principal, receiver: str, place: int) -> None:
        telling = asyncio.ensure_future(self._tell(socket, who, receiver, place))
        hearing = asyncio.ensure_future(_until_closed(socket))
        try:
            await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, hearing):
                task.cancel()
            await asyncio.gather(telling, hearing, return_exceptions=True)

    async def _tell(self, socket: WebSocket, who: Principal, receiver: str, place: int) -> None:
        number = 0
        try:
            while True:
                if not await self._tail.wait(place, LOOK_S):
                    continue
                records = self._tail.after(place)
                place = records[-1].seq if records else place
                events = [one for record in records if record.kind == FACT for one in record.body.get("events", ())]
                for uid, kind, told in await self._reports(who, events, receiver):
                    number = number % 65_535 + 1
                    async with asyncio.timeout(SEND_S):
                        await socket.send_text(message(number, uid, kind, told))
        except (FellBehind, TimeoutError):
            log.warning("an event channel could not keep up", receiver=receiver)
            with contextlib.suppress(Exception):
                await socket.close(TRY_LATER)
        except FilmroomError as fault:
            log.warning("an event channel is closed", receiver=receiver, reason=str(fault))
            with contextlib.suppress(Exception):
                await socket.close(WENT_WRONG)

    async def _reports(
        self, who: Principal, events: Sequence[int], receiver: str
    ) -> list[tuple[str, int, JsonDataset]]:
        if not events:
            return []
        found = await self._subscriptions.reports(who, events, receiver)
        return [(uid, kind, told) for _, uid, kind, told in found]


async def _until_closed(socket: WebSocket) -> None:
    """What a client says is not listened to."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass


def message(number: int, uid: str, kind: int, told: JsonDataset) -> str:
    """One report with its command elements, as the example of 11.13 has them."""
    whole: dict[str, Any] = {
        "00000002": {"vr": "UI", "Value": [EVENT_CLASS]},
        "00000110": {"vr": "US", "Value": [number]},
        "00001000": {"vr": "UI", "Value": [uid]},
        "00001002": {"vr": "US", "Value": [kind]},
        **told,
    }
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode()
