"""Runs a simulated PBX until it is interrupted."""

import argparse
import asyncio
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
import shutil
import signal
import tempfile
from zoneinfo import ZoneInfo

from .certificate import Certificate
from .fill import fill
from .p_series import CLIENT_ID, CLIENT_SECRET, PSeriesSimulator
from .server import OPENVOX, PASSWORD, USERNAME, YEASTAR, Simulator
from .spool import Spool

RECORDED = Path(__file__).parents[1] / "fixtures" / "asterisk-voicemail"
EXTENSIONS = {"101": "Reception", "102": "Workshop", "103": "Gate", "104": "104"}
CALLERS = ('"Ann Müller" <6000>', "7001", '"张伟" <13800138000>', "anonymous", '"Gate" <8001>')

P_SERIES = "p_series"


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulator",
        description="A simulated PBX on 127.0.0.1, an OpenVox UC unless --api says otherwise.",
    )
    parser.add_argument("--port", type=int, default=9011)
    parser.add_argument("--token", help="a token that the PBX accepts from the start")
    parser.add_argument("--username", help="or client ID")
    parser.add_argument("--password", help="or client secret")
    parser.add_argument("--zone", type=ZoneInfo, default=UTC, help="the PBX's time zone")
    parser.add_argument("--names", action="store_true", help="send the names of callers, too")
    parser.add_argument("--api", choices=(OPENVOX, YEASTAR, P_SERIES), default=OPENVOX)
    parser.add_argument("--tls", action="store_true", help="use TLS, with a new certificate")
    parser.add_argument(
        "--spool",
        type=Path,
        help="a folder of Asterisk mailboxes to serve and change; without it, a copy of recorded ones",
    )
    parser.add_argument(
        "--fill",
        type=int,
        nargs=2,
        metavar=("EXTENSIONS", "MESSAGES"),
        help="serve made-up messages instead",
    )
    parser.add_argument("--seed", type=int, default=1, help="for --fill")
    parser.add_argument(
        "--call-every",
        type=float,
        metavar="SECONDS",
        help="leave a message for 102 at this interval",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(_run(options, Path(scratch)))


async def _run(options: argparse.Namespace, scratch: Path) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)

    spool = _spool(options, scratch)
    simulator = _simulator(options, spool)
    certificate = Certificate.make() if options.tls else None
    simulator.tls = certificate.context() if certificate else None
    await simulator.start(options.port)
    print(f"PBX at {'https' if certificate else 'http'}://{simulator.address}", flush=True)
    if certificate:
        print(f"Certificate with SHA-256 {certificate.fingerprint}", flush=True)
    calls = None
    if options.call_every:
        calls = asyncio.create_task(_call(simulator, options.call_every))
    await stopped.wait()
    if calls:
        calls.cancel()
    await simulator.stop()


def _simulator(options: argparse.Namespace, spool: Spool) -> Simulator | PSeriesSimulator:
    if options.api == P_SERIES:
        numbers = spool.mailboxes() if options.fill else ()
        return PSeriesSimulator(
            spool,
            extensions={number: number for number in numbers} or dict(EXTENSIONS),
            client_id=options.username or CLIENT_ID,
            client_secret=options.password or CLIENT_SECRET,
        )
    return Simulator(
        spool,
        extensions=None if options.fill else EXTENSIONS,
        token=options.token,
        username=options.username or USERNAME,
        password=options.password or PASSWORD,
        zone=options.zone,
        names=options.names,
        version=options.api,
    )


def _spool(options: argparse.Namespace, scratch: Path) -> Spool:
    if options.spool:
        return Spool(options.spool)
    root = scratch / "spool"
    if not options.fill:
        shutil.copytree(RECORDED, root)
        return Spool(root)
    root.mkdir()
    spool = Spool(root)
    extensions, messages = options.fill
    fill(
        spool,
        scratch,
        extensions=extensions,
        messages=messages,
        seed=options.seed,
        now=datetime.now(UTC),
    )
    return spool


async def _call(simulator: Simulator | PSeriesSimulator, interval: float) -> None:
    recordings = sorted(RECORDED.glob("*/INBOX/*.wav"))
    for number in count():
        await asyncio.sleep(interval)
        simulator.spool.leave(
            "102",
            CALLERS[number % len(CALLERS)],
            received=datetime.now(UTC),
            recording=recordings[number % len(recordings)],
        )
        if isinstance(simulator, PSeriesSimulator):
            await simulator.report_call("102")


if __name__ == "__main__":
    main()
