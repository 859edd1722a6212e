"""The viewer as a reader opens it: a real browser, timed from the click to the pixels of the first image."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from bench.servers import ROOT, Server, free_port
from bench.waiting import until
from filmroom.net.web.viewer import CONFIGURATION

DIST = ROOT / "viewer/dist"
FLAGS = ("--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update")
SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
PATIENCE_MS = 120_000

# Runs before the viewer's own scripts: at each picture the browser makes it looks whether the image is there.
WATCH = """
(() => {
  const bright = (canvas) => {
    const context = canvas.getContext('2d');
    const side = Math.min(canvas.width, canvas.height) / 2 | 0;
    if (!context || side < 8) return false;
    const data = context.getImageData((canvas.width - side) / 2, (canvas.height - side) / 2, side, side).data;
    let low = 255, high = 0;
    for (let at = 0; at < data.length; at += 4 * 97) {
      if (data[at] < low) low = data[at];
      if (data[at] > high) high = data[at];
    }
    return high - low > 60;
  };
  const look = () => {
    const canvas = document.querySelector('canvas.cornerstone-canvas');
    if (canvas && bright(canvas)) { window.firstImage = performance.now(); return; }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})();
"""

_NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; gzip_static on; gzip_vary on;
  types {{ text/html html; text/javascript js; text/css css; application/wasm wasm; application/json json;
           image/svg+xml svg; image/png png; font/woff2 woff2; }}
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  upstream archive {{ server 127.0.0.1:{behind}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port};
    add_header Cross-Origin-Opener-Policy same-origin;
    add_header Cross-Origin-Embedder-Policy require-corp;
    location = /viewer/app-config.js {{ alias {folder}/app-config.js; }}
    location /viewer/ {{ alias {dist}/; try_files $uri /index.html; expires 1y; }}
    location = /index.html {{ root {dist}; }}
    location /dicom-web/ {{
      proxy_pass http://archive; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_buffers 64 32k; proxy_buffer_size 32k; client_max_body_size 0;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """One opening of a study."""

    first_image_ms: float
    requests: int
    asked: tuple[str, ...]


@contextlib.contextmanager
def address(server: Server) -> Iterator[str]:
    """Where the viewer is: at the server itself, or the same files beside it behind nginx."""
    if server.name == "filmroom":
        yield f"http://127.0.0.1:{server.http_port}"
        return
    folder = server.folder / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    text = _NGINX.format(folder=folder, port=port, behind=server.http_port, dist=DIST)
    (folder / "nginx.conf").write_text(("user root;\n" if os.geteuid() == 0 else "") + text)
    (folder / "app-config.js").write_text(f"window.config = {json.dumps(_configuration())};")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        until(lambda: (folder / "nginx.pid").exists(), what="nginx listening")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _configuration() -> dict[str, object]:
    """Ours, but for thumbnails, which Debian's Orthanc has none of: they are made from frames."""
    made = json.loads(json.dumps(CONFIGURATION))
    made["dataSources"][0]["configuration"]["thumbnailRendering"] = "wadors"
    return dict(made)


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        raise AssertionError("chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *SOFTWARE])
        try:
            yield running
        finally:
            running.close()


def profile(running: Browser, server: Server) -> BrowserContext:
    """A browser that was never here, signed in as a program is."""
    context = running.new_context(
        viewport={"width": 1280, "height": 800}, extra_http_headers=dict(server.authorization)
    )
    context.add_init_script(WATCH)
    return context


def open_study(context: BrowserContext, site: str, study_uid: str) -> Opened:
    """Open a study in a new tab. Raises playwright's TimeoutError when no image comes."""
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(site)))
    try:
        page.goto(f"{site}/viewer/viewer?StudyInstanceUIDs={study_uid}", wait_until="commit")
        page.wait_for_function("window.firstImage", timeout=PATIENCE_MS, polling=50)
        return Opened(float(page.evaluate("window.firstImage")), len(asked), tuple(asked))
    finally:
        page.close()
