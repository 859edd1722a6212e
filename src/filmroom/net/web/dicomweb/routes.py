"""The resources of ``/dicom-web`` (PS3.18 tables 10.4.1-1, 10.5.1-1, 10.6.1-1). Most asked first: a router tries them
in order."""

from starlette.routing import Route

from filmroom.net.web.dicomweb.frames import FramesAndBulk
from filmroom.net.web.dicomweb.metadata import Metadata
from filmroom.net.web.dicomweb.qido import Qido
from filmroom.net.web.dicomweb.rendered import Rendered
from filmroom.net.web.dicomweb.stow import Stow
from filmroom.net.web.dicomweb.wado import Wado
from filmroom.net.web.ports import WebServices

STUDIES = "/dicom-web/studies"
STUDY = STUDIES + "/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
FRAMES = INSTANCE + "/frames/{frames}"


def routes(services: WebServices) -> list[Route]:
    """All resources."""
    web = services.settings.web
    qido = Qido(services.query, web)
    stow = Stow(services.ingest, web)
    wado = Wado(services.retrieve, services.blobs, public_url=web.public_url)
    metadata = Metadata(services.documents)
    parts = FramesAndBulk(services.retrieve, services.frames, services.blobs)
    rendered = Rendered(services.retrieve, services.pixels)
    return [
        Route(FRAMES, parts.frames),
        Route(STUDIES, qido.studies),
        Route(STUDIES, stow.store, methods=["POST"]),
        Route(SERIES + "/metadata", metadata.series),
        Route(FRAMES + "/rendered", rendered.rendered),
        Route(INSTANCE + "/rendered", rendered.rendered),
        Route(INSTANCE, wado.objects),
        Route(STUDY, wado.objects),
        Route(STUDY, stow.store, methods=["POST"]),
        Route(SERIES, wado.objects),
        Route(STUDY + "/series", qido.series),
        Route(SERIES + "/instances", qido.instances),
        Route(INSTANCE + "/metadata", metadata.instance),
        Route(STUDY + "/metadata", metadata.study),
        Route(FRAMES + "/thumbnail", rendered.thumbnail),
        Route(INSTANCE + "/thumbnail", rendered.thumbnail),
        Route(SERIES + "/thumbnail", rendered.thumbnail),
        Route(STUDY + "/thumbnail", rendered.thumbnail),
        Route(SERIES + "/rendered", rendered.rendered),
        Route(STUDY + "/rendered", rendered.rendered),
        Route(INSTANCE + "/pixeldata", parts.pixels),
        Route(INSTANCE + "/bulkdata/{path:path}", parts.bulk),
        Route(STUDY + "/instances", qido.instances),
        Route("/dicom-web/series", qido.series),
        Route("/dicom-web/instances", qido.instances),
    ]
