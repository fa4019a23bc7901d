"""Every shipped configuration is started as it is, and asked."""

from __future__ import annotations

import json
import os
import shutil
import string
from contextlib import ExitStack

import pytest

from releng.updates.demo import demo_data
from releng.updates.management.commands.load_demo import DEMO_URL
from tests.servers import (
    BIN,
    ROOT,
    answers,
    environment,
    fetch,
    free_port,
    manage,
    running,
    sqlite_with,
    started,
    wait_until,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deploy")
    found = environment(
        sqlite_with(demo=False, folder=folder),
        VENV=str(BIN.parent),
        STATIC_ROOT=f"{folder}/static",
        WORKERS="2",
        BEHIND_TLS_PROXY="true",
    )
    manage(found, "load_data", "-", stdin=json.dumps(demo_data()))
    manage(found, "collectstatic", "--noinput", "--verbosity", "0")
    return found


def check_update(port):
    got = fetch(port, DEMO_URL)
    assert (got.status, got.headers["rule-id"]) == (200, "1")
    assert b'displayVersion="145.0.1"' in got.body


def check_admin(port):
    got = fetch(port, "/admin/login/")
    assert got.status == 200
    assert b"csrfmiddlewaretoken" in got.body
    assert "script-src 'self'" in got.headers["content-security-policy"]


def test_granian_public__as_shipped__answers_updates_and_knows_no_admin(env, tmp_path):
    port = free_port()
    with running([str(ROOT / "deploy/granian/public")], {**env, "PORT": str(port)}, port, tmp_path / "log"):
        check_update(port)
        assert fetch(port, "/api/v1/rules/firefox-release").headers["x-data-version"] == "1"
        for target in ("/admin/", "/admin/login/", "/api/schema/", "/nope"):
            got = fetch(port, target)
            assert (got.status, got.body) == (404, b"Not Found")
            assert got.headers["strict-transport-security"] == "max-age=31536000;"


def test_granian_admin__as_shipped__answers_people_and_updates(env, tmp_path):
    port = free_port()
    with running([str(ROOT / "deploy/granian/admin")], {**env, "PORT": str(port)}, port, tmp_path / "log"):
        check_update(port)
        check_admin(port)
        assert fetch(port, "/api/schema/").status == 200


def test_uwsgi_behind_nginx__as_shipped__serves_all_on_one_host(env, tmp_path):
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    uwsgi = BIN / "uwsgi"
    if not os.path.exists(nginx) or not uwsgi.exists():
        pytest.skip("nginx or uwsgi is not installed")
    port, public, admin = free_port(), free_port(), free_port()
    values = {
        "LISTEN": f"127.0.0.1:{port}",
        "SERVER_NAME": "127.0.0.1",
        "PUBLIC_SOCKET": f"127.0.0.1:{public}",
        "ADMIN_SOCKET": f"127.0.0.1:{admin}",
        "STATIC_ROOT": env["STATIC_ROOT"],
    }
    site = (ROOT / "deploy/nginx/releng.conf.template").read_text()
    for name, value in values.items():
        site = site.replace("${" + name + "}", value)
    assert "${" not in site
    for folder in ("body", "uwsgi"):
        (tmp_path / folder).mkdir()
    main = string.Template(
        """daemon off; pid $here/pid; error_log $here/error.log; $user
        events {}
        http {
            access_log off;
            include /etc/nginx/mime.types;
            client_body_temp_path $here/body; uwsgi_temp_path $here/uwsgi; proxy_temp_path $here/proxy;
            fastcgi_temp_path $here/fastcgi; scgi_temp_path $here/scgi;
            $site
        }
        """
    ).substitute(
        here=tmp_path,
        site=site.replace("uwsgi_params", "/etc/nginx/uwsgi_params"),
        user="user root;" if os.getuid() == 0 else "",
    )
    (tmp_path / "nginx.conf").write_text(main)
    with ExitStack() as stack:
        for name, socket in (("public", public), ("admin", admin)):
            command = [str(uwsgi), "--ini", str(ROOT / f"deploy/uwsgi/{name}.ini")]
            own = {**env, "SOCKET": f"127.0.0.1:{socket}"}
            stack.enter_context(started(command, own, tmp_path / f"{name}.log"))
        stack.enter_context(
            running(
                [nginx, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)],
                env,
                port,
                tmp_path / "nginx.log",
            )
        )
        wait_until(lambda: answers(port, "/admin/login/"), "the admin answers behind nginx")
        check_update(port)
        check_admin(port)
        assert fetch(port, "/static/admin/css/base.css").status == 200
        assert fetch(port, "/api/v1/rules/firefox-release").status == 200
        encoded = fetch(port, DEMO_URL.replace("Windows_NT", "Windows%2FNT"))
        assert "rule-id" not in encoded.headers, "an encoded slash prevents matching"
