"""A real mosquitto on loopback for a test."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import program
from tests.loopback import free_port

PATIENCE_S = 30.0


@dataclass
class Mosquitto:
    """A broker that can be killed and started again on the same port.

    Attributes:
        program: Where mosquitto is.
        folder: For its files.
        port: Where it listens.
        lines: Of its configuration, beside the listener.
    """

    program: str
    folder: Path
    port: int
    lines: tuple[str, ...] = ("allow_anonymous true",)
    process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it listens."""
        process = self._process()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    assert process.poll() is None, (self.folder / "mosquitto.log").read_text()
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    return

    def _process(self) -> subprocess.Popen[bytes]:
        configuration = self.folder / f"mosquitto-{self.port}.conf"
        text = (f"listener {self.port} 127.0.0.1", "persistence false", "user root", *self.lines)
        configuration.write_text("\n".join(text) + "\n")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([self.program, "-c", str(configuration)], stdout=log, stderr=log)
        return self.process

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@asynccontextmanager
async def mosquitto(folder: Path, *lines: str) -> AsyncIterator[Mosquitto]:
    """Run a broker while the block runs; skips (with CI=true: fails) where there is none."""
    broker = Mosquitto(
        program("mosquitto", "apt-get install mosquitto"),
        folder,
        free_port(),
        lines or ("allow_anonymous true",),
    )
    try:
        await broker.start()
        yield broker
    finally:
        broker.kill()
