"""The viewer's configuration, written for this server: our DICOMweb, our login, our language; nothing public."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from filmroom.net.web.login_pages import LANGUAGE_COOKIE
from filmroom.net.web.proxies import prefix_of
from filmroom.net.web.relocation import moved
from filmroom.net.web.words import choose

_WORDS = {
    "en": {"home": "Filmroom", "signOut": "Sign out"},
    "zh": {"home": "Filmroom", "signOut": "退出登录"},
}
_OHIF_LANGUAGE = {"en": "en-US", "zh": "zh"}

CONFIGURATION: dict[str, object] = {
    "name": "filmroom",
    "routerBasename": "/viewer",
    "extensions": [],
    "modes": [],
    # No guided tour over the images of somebody who reads for a living.
    "customizationService": [{"ohif.tours": {"$set": []}}],
    "showStudyList": True,
    "maxNumberOfWebWorkers": 3,
    "showWarningMessageForCrossOrigin": False,
    "showCPUFallbackMessage": True,
    "showLoadingIndicator": True,
    "strictZSpacingForVolumeViewport": True,
    "groupEnabledModesFirst": True,
    "useSharedArrayBuffer": "AUTO",
    "showErrorDetails": "production",
    # What is asked for at once: HTTP/1.1 browsers open six connections, HTTP/2 carries them all.
    "maxNumRequests": {"interaction": 100, "thumbnail": 10, "prefetch": 25},
    # The maker's notice ("for investigational use only") once a year.
    "investigationalUseDialog": {"option": "configure", "days": 365},
    "defaultDataSourceName": "filmroom",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "filmroom",
            "configuration": {
                "friendlyName": "Filmroom",
                "name": "filmroom",
                "qidoRoot": "/dicom-web",
                "wadoRoot": "/dicom-web",
                "wadoUriRoot": "/dicom-web",
                "qidoSupportsIncludeField": True,
                "imageRendering": "wadors",
                "thumbnailRendering": "thumbnail",
                "thumbnailRequestStrategy": "fetch",
                "enableStudyLazyLoad": True,
                "supportsFuzzyMatching": True,
                "supportsWildcard": True,
                "dicomUploadEnabled": True,
                "singlepart": "bulkdata,video,pdf",
                "bulkDataURI": {"enabled": True, "relativeResolution": "series"},
                "omitQuotationForMultipartRequest": True,
            },
        }
    ],
}

_SCRIPT = """\
(function () {
  var words = %(words)s, language = %(language)s, at = %(at)s;
  // A language chosen in Filmroom goes before the one the viewer remembers; one chosen in the viewer stays.
  try {
    if (localStorage.getItem('filmroom.language') !== language) {
      localStorage.setItem('filmroom.language', language);
      localStorage.setItem('i18nextLng', language);
      document.cookie = 'i18next=' + language + ';path=/;samesite=lax';
    }
  } catch (error) { /* storage is closed: the browser's own language holds */ }
  function toLogin() {
    location.assign(at + '/login?next=' + encodeURIComponent(location.pathname + location.search));
  }
  function signOut(event) {
    event.preventDefault();
    fetch(at + '/logout', { method: 'POST', credentials: 'same-origin' })
      .finally(function () { location.assign(at + '/login'); });
  }
  window.config = Object.assign(%(configuration)s, {
    httpErrorHandler: function (error) { if (error && error.status === 401) toLogin(); },
    whiteLabeling: {
      createLogoComponentFn: function (React) {
        var link = { color: '#d8dfe6', textDecoration: 'none', fontWeight: 600, fontSize: '16px' };
        var quiet = { color: '#93a0ad', textDecoration: 'none', fontSize: '13px', marginLeft: '16px' };
        return React.createElement('span', { style: { whiteSpace: 'nowrap' } },
          React.createElement('a', { href: at + '/', style: link }, words.home),
          React.createElement('a', { href: '/login', onClick: signOut, style: quiet }, words.signOut));
      }
    }
  });
})();
"""


class ViewerConfig:
    """``/viewer/app-config.js``."""

    def __init__(self, *, language: str) -> None:
        self._language = language

    async def script(self, request: Request) -> Response:
        language = choose(
            request.query_params.get("lng", "")[:2],
            request.cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("accept-language", ""),
            self._language,
        )
        at = prefix_of(request.scope)
        body = _SCRIPT % {
            "words": _literal(_WORDS[language]),
            "language": _literal(_OHIF_LANGUAGE[language]),
            "configuration": moved(orjson.dumps(CONFIGURATION), at).decode(),
            "at": _literal(at),
        }
        headers = {"cache-control": "no-cache", "vary": "accept-language, cookie"}
        return Response(body, media_type="text/javascript", headers=headers)


def _literal(value: object) -> str:
    return orjson.dumps(value).decode()
