"""The certificate for localhost: made once, kept to its owner, trusted by a client that is told to; and bad pairs."""

from __future__ import annotations

import datetime
import os
import re
import signal
import ssl
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import httpx
import pytest
from support.fakes import FakeEngine
from support.loopback import running
from typer.testing import CliRunner
from websockets.sync.client import connect

from voiceagent.cli import tls
from voiceagent.cli.commands import app
from voiceagent.errors import InputError
from voiceagent.errors.extras import install_hint
from voiceagent.settings.serve import ServeConfig


def test_it_is_made_once_and_only_its_owner_reads_the_key(tmp_path: Path) -> None:
    certificate, key = tls.self_signed(tmp_path / "new" / "folder")
    made = certificate.read_bytes()
    assert tls.self_signed(tmp_path / "new" / "folder") == (certificate, key)
    assert certificate.read_bytes() == made
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("harm", ["gone", "garbled", "other key", "old"])
def test_one_that_no_longer_works_is_made_anew(tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if harm == "old":
        monkeypatch.setattr(tls, "VALID", tls.RENEW_BEFORE - datetime.timedelta(hours=1))
    certificate, key = tls.self_signed(tmp_path)
    monkeypatch.undo()
    before = certificate.read_bytes()
    match harm:
        case "gone":
            key.unlink()
        case "garbled":
            certificate.write_text("no certificate")
        case "other key":
            key.write_bytes(tls.self_signed(tmp_path / "other")[1].read_bytes())
    tls.self_signed(tmp_path)
    tls.check(certificate, key)
    assert certificate.read_bytes() != before


def test_the_user_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert tls.user_folder() == tmp_path / "voiceagent" / "tls"


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_https_and_wss(tmp_path: Path, name: str) -> None:
    certificate, key = tls.self_signed(tmp_path)
    config = ServeConfig(tls_cert=str(certificate), tls_key=str(key))
    trusting = ssl.create_default_context(cafile=certificate)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    with running(FakeEngine(threaded=True), config) as server:
        address = server.address.replace("127.0.0.1", name)
        assert httpx.get(f"https://{address}/healthz", verify=trusting).json()["status"] == "ok"
        with connect(f"wss://{address}/v1/stream", ssl=trusting) as socket:
            assert "ready" in str(socket.recv())
        with pytest.raises(httpx.ConnectError, match="certificate"):
            httpx.get(f"https://{address}/healthz")


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(InputError, match=re.escape(install_hint("tls"))):
        tls.self_signed(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot keep a certificate"):
        tls.self_signed(tmp_path / "file")


def serve(*arguments: str) -> str:
    """What `voiceagent serve` says when it refuses."""
    done = CliRunner().invoke(app, ["serve", *arguments])
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


def test_pairs_that_cannot_work(tmp_path: Path) -> None:
    certificate, key = map(str, tls.self_signed(tmp_path / "one"))
    _, other = map(str, tls.self_signed(tmp_path / "two"))
    assert "tls_cert and tls_key go together" in serve("--tls-cert", certificate)
    assert "do not work together" in serve("--tls-cert", certificate, "--tls-key", other)
    assert "cannot read" in serve("--tls-cert", certificate, "--tls-key", str(tmp_path / "none"))
    assert "leave out --tls-cert" in serve("--tls-self-signed", "--tls-cert", certificate, "--tls-key", key)


def test_serve_says_how_clients_come_to_trust_it(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys
        sys.path.insert(0, sys.argv.pop(1))
        import voiceagent.agent
        from support.fakes import FakeEngine
        voiceagent.agent.load_engine = lambda *_: FakeEngine(threaded=True)
        from voiceagent.cli.commands import main
        main()
    """)
    command = [
        sys.executable,
        "-c",
        program,
        str(Path(__file__).parent.parent),
        "serve",
        "--port",
        "0",
        "--tls-self-signed",
    ]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while "SSL_CERT_FILE=" not in said and (line := process.stdout.readline()):
                said += line
            address = re.search(r"wss://(127\.0\.0\.1:\d+)/", said)
            certificate = said.partition("SSL_CERT_FILE=")[2].strip()
            assert address is not None
            assert certificate == str(tmp_path / "voiceagent" / "tls" / "cert.pem")
            trusting = ssl.create_default_context(cafile=certificate)
            assert httpx.get(f"https://{address[1]}/healthz", verify=trusting, timeout=10).json()["status"] == "ok"
        finally:  # leaving the block waits for its end
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
