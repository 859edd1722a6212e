"""``/api/v1``: its resources, gathered.

Each module has a class with its handlers and a ``routes`` method. Every handler is described by ``@operation``
(describe.py): the API's own documents and the typed client are made from that.
"""

from starlette.routing import Route

from filmroom.net.web.api.accounts import AccountsApi
from filmroom.net.web.api.associations import Associations
from filmroom.net.web.api.audit import Audit
from filmroom.net.web.api.callers import CallersApi
from filmroom.net.web.api.commitments import Commitments
from filmroom.net.web.api.compression import CompressionHandlers
from filmroom.net.web.api.corrections import Corrections
from filmroom.net.web.api.deletions import Deletions
from filmroom.net.web.api.devices import Devices
from filmroom.net.web.api.exports import ExportsApi
from filmroom.net.web.api.feed import Feed
from filmroom.net.web.api.fhir_audit import FhirAudit
from filmroom.net.web.api.forwarding import Forwarding
from filmroom.net.web.api.jobs import Jobs
from filmroom.net.web.api.local_aes import Locals
from filmroom.net.web.api.me import Me
from filmroom.net.web.api.openapi import OpenApi
from filmroom.net.web.api.orders import Orders
from filmroom.net.web.api.patients import Patients
from filmroom.net.web.api.performed import Performed
from filmroom.net.web.api.probe import Probe
from filmroom.net.web.api.quarantine import Quarantine
from filmroom.net.web.api.queues import Queues
from filmroom.net.web.api.recordings import RecordingsResource
from filmroom.net.web.api.reference import Reference
from filmroom.net.web.api.roles import Roles
from filmroom.net.web.api.rules import Rules
from filmroom.net.web.api.second_person import SecondPersonApi
from filmroom.net.web.api.sessions import SessionsApi
from filmroom.net.web.api.shares import Shares
from filmroom.net.web.api.status import Status
from filmroom.net.web.api.studies import Studies
from filmroom.net.web.api.tokens import Tokens
from filmroom.net.web.api.uploads import Uploads
from filmroom.net.web.api.webhooks import Webhooks
from filmroom.net.web.api.worklist import Worklist
from filmroom.net.web.ports import WebServices


class Api:
    """Everything below ``/api/v1``."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    def routes(self) -> list[Route]:
        services = self._services
        resources = [
            *Me(services).routes(),
            *Audit(services).routes(),
            *FhirAudit(services).routes(),
            *Roles(services).routes(),
            *Shares(services).routes(),
            *SecondPersonApi(services).routes(),
            *Status(services).routes(),
            *Tokens(services).routes(),
            *AccountsApi(services).routes(),
            *SessionsApi(services).routes(),
            *Devices(services).routes(),
            *CallersApi(services).routes(),
            *Locals(services).routes(),
            *Associations(services).routes(),
            *Probe(services).routes(),
            *RecordingsResource(services).routes(),
            *Quarantine(services).routes(),
            *Studies(services).routes(),
            *Patients(services).routes(),
            *Deletions(services).routes(),
            *Uploads(services).routes(),
            *Corrections(services).routes(),
            *Rules(services).routes(),
            *CompressionHandlers(services).routes(),
            *Forwarding(services).routes(),
            *ExportsApi(services).routes(),
            *Feed(services).routes(),
            *Jobs(services).routes(),
            *Queues(services).routes(),
            *Webhooks(services).routes(),
            *Orders(services).routes(),
            *Worklist(services).routes(),
            *Performed(services).routes(),
            *Commitments(services).routes(),
        ]
        openapi = OpenApi(resources)
        return [*resources, *openapi.routes(), *Reference(openapi).routes()]
