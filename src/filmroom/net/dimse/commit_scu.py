"""Associations that we open for storage commitment (PS3.4 annex J): to ask, and to report."""

import asyncio
from contextlib import suppress

from filmroom.archive.commitment_model import Result, Transaction
from filmroom.archive.devices import Device
from filmroom.base.errors import Unsupported
from filmroom.net.dimse.commit_data import write_request
from filmroom.net.dimse.errors import BadAnswer, ContextMissing
from filmroom.net.dimse.limits import ChannelLimits
from filmroom.net.dimse.line import Exchange, Intake, Provider
from filmroom.net.dimse.models import COMMITMENT, COMMITMENT_INSTANCE
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recorder
from filmroom.net.dimse.scp.commit import REQUEST_COMMITMENT, AskedCommitments, CommitReports, send_report
from filmroom.net.dimse.scu import Association, Peer, Proposal
from filmroom.net.dimse.tls import Certificates
from filmroom.wire.dimse.messages import NActionRq, NActionRsp, Request
from filmroom.wire.ul.negotiation import Context


class CommitmentCaller:
    """Speaks to devices about commitment, as archive.ports.CommitmentPeer asks.

    ``wait_s``: how long an association on which we asked is kept for the report.
    """

    def __init__(
        self,
        asked: AskedCommitments,
        *,
        calling_ae: str,
        limits: ChannelLimits,
        reactor: Reactor,
        wait_s: float,
        certificates: Certificates | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._certificates = certificates
        self._recorder = recorder
        self._asked = asked
        self._calling_ae = calling_ae
        self._limits = limits
        self._reactor = reactor
        self._wait_s = wait_s

    async def report(self, to: Device, our_ae: str, result: Result) -> int:
        """N-EVENT-REPORT on a new association, which we open as SCP; the status.

        It comes from the AE title that was asked (J.3.3.1.2 note 2). A peer that accepts the context and leaves the
        role unanswered gets its report all the same.
        """
        proposals = [Proposal(COMMITMENT, scp=True)]
        async with await self._open(Peer.of(to, self._certificates), proposals, our_ae) as association:
            context = next((each for each in association.contexts if each.abstract_syntax == COMMITMENT), None)
            if context is None:
                raise Unsupported("the device does not take storage commitment reports")
            return await send_report(association.line, context, result)

    async def ask(self, to: Device, our_ae: str, transaction: Transaction) -> int:
        """N-ACTION; the status. The report may come on this association, even before the answer, or on another."""
        reports = _Reports(CommitReports(self._asked, to.ae_title))
        peer = Peer.of(to, self._certificates, "commit")
        async with await self._open(peer, [Proposal(COMMITMENT)], our_ae, reports) as association:
            try:
                context = association.line.context_for(COMMITMENT)
            except ContextMissing as error:
                raise Unsupported("the device does not offer storage commitment") from error
            request = NActionRq(
                message_id=association.line.new_id(),
                sop_class=COMMITMENT,
                sop_uid=COMMITMENT_INSTANCE,
                action_type=REQUEST_COMMITMENT,
                has_data=True,
            )
            call = association.line.call(context, request, write_request(transaction, context.transfer_syntax))
            response = (await call.only_answer()).response
            if not isinstance(response, NActionRsp):
                raise BadAnswer("an N-ACTION was answered by another message")
            if not response.status:
                await reports.wait(association, self._wait_s)
            return response.status

    async def _open(
        self, to: Peer, proposals: list[Proposal], our_ae: str, reports: "_Reports | None" = None
    ) -> Association:
        return await Association.open(
            to,
            proposals,
            calling_ae=our_ae or self._calling_ae,
            limits=self._limits,
            reactor=self._reactor,
            recorder=self._recorder,
            providers=None if reports is None else reports.provider,
        )


class _Reports:
    """Notices that a report came."""

    def __init__(self, reports: CommitReports) -> None:
        self._reports = reports
        self._come = asyncio.Event()

    def provider(self, request: Request, context: Context) -> Provider | None:
        return self if self._reports.provider(request, context) is not None else None

    def begin(self, exchange: Exchange) -> Intake:
        self._come.set()
        return self._reports.begin(exchange)

    async def wait(self, association: Association, within_s: float) -> None:
        """Until a report has come and was answered, or the time is over, or the peer has gone."""
        gone = asyncio.ensure_future(association.gone())
        come = asyncio.ensure_future(self._come.wait())
        with suppress(TimeoutError):
            await asyncio.wait({gone, come}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        come.cancel()
        if self._come.is_set():
            await association.line.finished()
