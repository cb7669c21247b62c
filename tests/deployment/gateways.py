"""Web servers and proxies in front of a sandbox, each with a small configuration of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

from attrs import frozen

from tests.support.needed import missing
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path

# Nobody connects from here, so that no connection takes the port of a gateway.
_HOST = "127.0.0.3"


@frozen
class Gateway:
    """A program that can stand in front of a server.

    Attributes:
        program: Its name, which is that of its Debian package, too.
        config: Its configuration. Each refuses all paths but those of the contract with a 404.
        arguments: Those of the command line.
        executable: The name of the file, if it is another one.
    """

    program: str
    config: str
    arguments: tuple[str, ...]
    executable: str | None = None

    def find(self) -> str:
        """The path of the executable."""
        # Debian has it where only root looks.
        places = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
        path = shutil.which(self.executable or self.program, path=places)
        if path is None:
            missing(self.program)
        return path


HAPROXY = Gateway(
    "haproxy",
    """
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind {host}:{port}
    http-request return status 404 if !{{ path_beg /v1/ }}
    default_backend servers
backend servers
    server one {server}
""",
    ("-db", "-f", "{config}"),
)
NGINX = Gateway(
    "nginx",
    """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    scgi_temp_path {folder};
    uwsgi_temp_path {folder};
    upstream servers {{ server {server}; keepalive 8; }}
    server {{
        listen {host}:{port};
        root {folder};
        location /v1/ {{
            proxy_pass http://servers;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
""",
    ("-e", "{folder}/error.log", "-c", "{config}"),
)
VARNISH = Gateway(
    "varnish",
    """
vcl 4.1;
backend servers {{ .host = "{server_host}"; .port = "{server_port}"; }}
sub vcl_recv {{
    if (req.url !~ "^/v1/") {{ return (synth(404)); }}
}}
""",
    ("-F", "-j", "none", "-a", "{host}:{port}", "-f", "{config}", "-n", "{folder}/varnish"),
    executable="varnishd",
)
LIGHTTPD = Gateway(
    "lighttpd",
    """
server.modules = ("mod_proxy")
server.bind = "{host}"
server.port = {port}
server.document-root = "{folder}"
server.errorlog = "{folder}/error.log"
$HTTP["url"] =~ "^/v1/" {{
    proxy.server = ("" => (("host" => "{server_host}", "port" => {server_port})))
}}
""",
    ("-D", "-f", "{config}"),
)
APACHE = Gateway(
    "apache2",
    """
ServerRoot {folder}
ServerName {host}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
User nobody
Group nogroup
StartServers 1
Listen {host}:{port}
RedirectMatch 404 ^/(?!v1/)
ProxyPass /v1/ http://{server}/v1/
""",
    ("-D", "FOREGROUND", "-f", "{config}"),
)
GATEWAYS = {each.program: each for each in (HAPROXY, NGINX, VARNISH, LIGHTTPD, APACHE)}

# It asks for a client certificate, and has its own certificate in the folder.
NGINX_WITH_CERTIFICATES = Gateway(
    "nginx",
    NGINX.config.replace(
        "listen {host}:{port};",
        "listen {host}:{port} ssl; ssl_certificate {folder}/server.pem; "
        "ssl_certificate_key {folder}/server.pem; "
        "ssl_client_certificate {folder}/server.pem; ssl_verify_client on;",
    ),
    NGINX.arguments,
)


class GatewayProcess:
    """A gateway that runs.

    Args:
        kind: The kind.
        folder: Where its files go.
        server: Host and port of the server behind it.
    """

    def __init__(self, kind: Gateway, folder: Path, server: tuple[str, int]) -> None:
        with socket.create_server((_HOST, 0)) as unused:
            address: tuple[str, int] = unused.getsockname()
        values = {
            "host": address[0],
            "port": address[1],
            "server": f"{server[0]}:{server[1]}",
            "server_host": server[0],
            "server_port": server[1],
            "folder": folder,
            "config": folder / "gateway.conf",
        }
        values["config"].write_text(kind.config.format(**values))
        command = [kind.find(), *(each.format(**values) for each in kind.arguments)]
        self.url = f"http://{address[0]}:{address[1]}"
        with (folder / "output.log").open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: self._process.poll() is not None or _listens(address))
            assert self._process.poll() is None, (folder / "output.log").read_text()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it, and what it has started."""
        with self._process as process:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
