"""The resources of ``/dicom-web`` (PS3.18 tables 10.4.1-1, 10.5.1-1, 10.6.1-1). Most asked first: a router tries them
in order."""

from starlette.routing import Route

from filmroom.net.web.dicomweb.bulk import AllBulk
from filmroom.net.web.dicomweb.delete import Delete
from filmroom.net.web.dicomweb.frames import FramesAndBulk
from filmroom.net.web.dicomweb.metadata import Metadata
from filmroom.net.web.dicomweb.pictures import Pictures
from filmroom.net.web.dicomweb.qido import Qido
from filmroom.net.web.dicomweb.rendered import Rendered
from filmroom.net.web.dicomweb.renderings import Renderings
from filmroom.net.web.dicomweb.stow import Stow
from filmroom.net.web.dicomweb.uri import WadoUri
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
    stow = Stow(services.ingest, web, services.settings.data)
    wado = Wado(services.retrieve, services.documents, services.blobs, public_url=web.public_url)
    metadata = Metadata(services.documents)
    pictures = Pictures(services.retrieve, services.documents, services.pixels)
    renderings = Renderings(pictures, services.frames, services.blobs)
    parts = FramesAndBulk(services.retrieve, services.frames, services.blobs, renderings)
    bulk = AllBulk(services.retrieve, services.documents, services.frames, services.blobs, public_url=web.public_url)
    rendered = Rendered(services.retrieve, pictures, renderings, public_url=web.public_url)
    uri = WadoUri(services.retrieve, wado, pictures, renderings)
    deleting = (
        []
        if services.deleting is None
        else [Route(path, Delete(services.deleting).delete, methods=["DELETE"]) for path in (INSTANCE, SERIES, STUDY)]
    )
    return [
        Route(FRAMES, parts.frames),
        Route(STUDIES, qido.studies),
        Route(STUDIES, stow.store, methods=["POST"]),
        Route(SERIES + "/metadata", metadata.series),
        Route(FRAMES + "/rendered", rendered.rendered),
        Route(INSTANCE + "/rendered", rendered.rendered),
        *deleting,
        Route(INSTANCE, wado.objects),
        Route(STUDY, wado.objects),
        Route(STUDY, stow.store, methods=["POST", "PUT"]),
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
        Route(SERIES + "/pixeldata", bulk.pixels),
        Route(STUDY + "/pixeldata", bulk.pixels),
        Route(INSTANCE + "/bulkdata", bulk.values),
        Route(SERIES + "/bulkdata", bulk.values),
        Route(STUDY + "/bulkdata", bulk.values),
        Route(INSTANCE + "/bulkdata/{path:path}", parts.bulk),
        Route(STUDY + "/instances", qido.instances),
        Route("/dicom-web/wado", uri.get),
        Route("/wado", uri.get),
        Route("/dicom-web/series", qido.series),
        Route("/dicom-web/instances", qido.instances),
    ]
