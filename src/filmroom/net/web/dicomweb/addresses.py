"""Addresses of resources, as the client can reach them."""

from starlette.requests import Request

from filmroom.base.errors import NotFound
from filmroom.base.ids import is_uid
from filmroom.net.web.login_site import site_address

ROOT = "/dicom-web"


def base(request: Request, public_url: str) -> str:
    """The absolute address of the DICOMweb root: as configured, else as asked."""
    return site_address(request, public_url) + ROOT


def uids(request: Request) -> tuple[str, str, str]:
    """Study, series and instance of the path, '' where it has none. Raises NotFound for what is no UID."""
    found = [request.path_params.get(name, "") for name in ("study", "series", "instance")]
    if any(uid and not is_uid(uid) for uid in found):
        raise NotFound("there is no such resource")
    return found[0], found[1], found[2]


def resource(root: str, study: str, series: str = "", instance: str = "") -> str:
    """The address of a study, series or instance."""
    address = f"{root}/studies/{study}"
    if series:
        address += f"/series/{series}"
    return f"{address}/instances/{instance}" if instance else address
