"""A public link to a running page, through Gradio's tunnel, without its ways of failing badly.

Left alone, Gradio downloads its tunnel program at the first use and runs whatever lies in that place at the
second, waits for ever on a tunnel that stays silent, and reports failure by printing. Here the program is
checked each time, everything happens within a time limit, and failure is an exception with a cause.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import threading
from pathlib import Path

from qa.errors import TanyaError

TIME_LIMIT_SECONDS = 60.0


class ShareError(TanyaError):
    """No public link could be made; the message is the cause in one line."""


def open_share_link(port: int, token: str, *, seconds: float = TIME_LIMIT_SECONDS) -> str:
    """Open a tunnel to ``127.0.0.1:port`` and return its public https address.

    Args:
        port: where the page listens.
        token: Gradio's secret for this page, which tells the tunnel apart from others.
        seconds: how long the download and the tunnel together may take.

    Raises:
        ShareError: no link within the time, for the reason given.
    """
    outcome: list[str | Exception] = []

    def attempt() -> None:
        try:
            outcome.append(_open_tunnel(port, token))
        except Exception as error:  # Whatever the tunnel raises is the cause to report.
            outcome.append(error)

    # Gradio prints the tunnel's log; the cause is reported in one line instead.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        worker = threading.Thread(target=attempt, name="share-link", daemon=True)
        worker.start()
        worker.join(seconds)
        if not outcome or isinstance(outcome[0], Exception):
            _end_tunnels()
    if not outcome:
        raise ShareError(f"the tunnel did not answer within {seconds:.0f} seconds")
    if isinstance(outcome[0], Exception):
        raise ShareError(_cause(outcome[0])) from outcome[0]
    return outcome[0]


def _open_tunnel(port: int, token: str) -> str:
    from gradio import networking

    _check_program()
    address = networking.setup_tunnel("127.0.0.1", port, token, None, None)
    return "https://" + address.split("://", 1)[-1]


def _check_program() -> None:
    """Delete a tunnel program whose checksum is not the published one, so that it is fetched again."""
    from gradio import tunneling

    program = Path(tunneling.BINARY_PATH)
    expected = tunneling.CHECKSUMS.get(tunneling.BINARY_URL)
    if not program.exists():
        tunneling.Tunnel.download_binary()  # type: ignore[no-untyped-call]
    if expected is not None and hashlib.sha256(program.read_bytes()).hexdigest() != expected:
        program.unlink()
        raise ShareError(
            f"the tunnel program had a wrong checksum and was deleted ({program}); try once more"
        )


def _end_tunnels() -> None:
    from gradio import tunneling

    for tunnel in tunneling.CURRENT_TUNNELS:
        tunnel.kill()  # type: ignore[no-untyped-call]


def _cause(error: Exception) -> str:
    """The first line of what went wrong, with the root cause when the outer message hides it."""
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    if isinstance(root, (socket.gaierror, ConnectionError, TimeoutError)):
        return f"the link service cannot be reached ({root.strerror or root})"
    lines = [str(one).strip().splitlines()[0] for one in (error, root) if str(one).strip()]
    return " ".join(dict.fromkeys(lines)) or type(root).__name__


def local_network_address() -> str | None:
    """Return this machine's address on its network, or ``None``; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket only chooses the outgoing interface.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return None
