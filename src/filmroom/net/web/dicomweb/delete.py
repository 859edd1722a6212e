"""DELETE of studies, series and instances: not of the standard, but of every DICOMweb server."""

from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.delete import Deleting
from filmroom.net.web.dicomweb.addresses import uids
from filmroom.net.web.door import who


class Delete:
    """The transaction."""

    def __init__(self, deleting: Deleting) -> None:
        self._deleting = deleting

    async def delete(self, request: Request) -> Response:
        """204, and nobody finds it any more. The reason stands in ``?reason=`` or the header ``X-Reason``; the header
        ``Deletion`` is the number by which it can be undone until ``Final-At``; ``?undo=no`` gives the bytes back at
        once."""
        study, series, instance = uids(request)
        reason = request.query_params.get("reason") or request.headers.get("x-reason", "")
        done = await self._deleting.delete(
            who(request),
            study,
            series or None,
            instance or None,
            reason=reason,
            for_good=request.query_params.get("undo") == "no",
        )
        headers = {
            "cache-control": "no-store",
            "deletion": str(done.entry),
            "deleted-instances": str(done.instances),
            "final-at": done.final_at.isoformat(),
        }
        return Response(status_code=204, headers=headers)
