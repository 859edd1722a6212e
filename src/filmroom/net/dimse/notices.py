"""Associations that we open to tell other nodes something: N-EVENT-REPORT as SCP, N-CREATE and N-SET as SCU."""

from filmroom.archive.devices import Device
from filmroom.base.errors import Unsupported
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset
from filmroom.net.dimse.errors import ContextMissing
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.offers import service_of
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.scu import Association, Peer, Proposal
from filmroom.net.dimse.tls import Certificates
from filmroom.wire.dimse.messages import NCreateRq, NEventReportRq, NSetRq, Request


class NoticeCaller:
    """As workflow.notices.NoticePeer asks."""

    def __init__(
        self,
        *,
        calling_ae: str,
        limits: ChannelLimits,
        reactor: Reactor,
        certificates: Certificates | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._certificates = certificates
        self._recorder = recorder
        self._calling_ae = calling_ae
        self._limits = limits
        self._reactor = reactor

    async def event(
        self, to: Device, abstract_syntax: str, sop_class: str, sop_uid: str, event_type: int, told: JsonDataset | None
    ) -> int:
        """N-EVENT-REPORT; the status. A peer that accepts the context and leaves our role unanswered gets it too."""
        async with await self._open(to, Proposal(abstract_syntax, scp=True)) as association:
            context = next((each for each in association.contexts if each.abstract_syntax == abstract_syntax), None)
            if context is None:
                raise Unsupported("the device does not take such event reports")
            request = NEventReportRq(
                message_id=association.line.new_id(),
                sop_class=sop_class,
                sop_uid=sop_uid,
                event_type=event_type,
                has_data=told is not None,
            )
            data = b"" if told is None else json_to_dataset(told, context.transfer_syntax)
            call = association.line.call(context, request, data)
            return (await call.only_answer()).response.status

    async def create(self, to: Device, sop_class: str, sop_uid: str, told: JsonDataset, charset: str = "") -> int:
        """N-CREATE; the status."""
        async with await self._open(to, Proposal(sop_class)) as association:
            number = association.line.new_id()
            request = NCreateRq(message_id=number, sop_class=sop_class, sop_uid=sop_uid, has_data=True)
            return await self._ask(association, sop_class, request, told, charset)

    async def set(self, to: Device, sop_class: str, sop_uid: str, told: JsonDataset, charset: str = "") -> int:
        """N-SET; the status."""
        async with await self._open(to, Proposal(sop_class)) as association:
            number = association.line.new_id()
            request = NSetRq(message_id=number, sop_class=sop_class, sop_uid=sop_uid, has_data=True)
            return await self._ask(association, sop_class, request, told, charset)

    async def _ask(
        self, association: Association, sop_class: str, request: Request, told: JsonDataset, charset: str
    ) -> int:
        try:
            context = association.line.context_for(sop_class)
        except ContextMissing as error:
            raise Unsupported("the device does not take this") from error
        call = association.line.call(context, request, json_to_dataset(told, context.transfer_syntax, charset))
        return (await call.only_answer()).response.status

    async def _open(self, to: Device, proposal: Proposal) -> Association:
        return await Association.open(
            Peer.of(to, self._certificates, service_of(proposal.abstract_syntax) or ""),
            [proposal],
            calling_ae=self._calling_ae,
            limits=self._limits,
            reactor=self._reactor,
            recorder=self._recorder,
        )
