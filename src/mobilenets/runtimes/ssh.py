"""Machines that one can log in to without a password, through the system's program ssh."""

import shlex
from pathlib import Path

from mobilenets.runtimes.device import PATIENCE, SLOWEST, Answer, Device, told

FACTS = """
echo "device=$(tr -d '\\0' < /proc/device-tree/model)"
echo "system=$(uname -sr)"
echo "cpu=$(sed -n 's/^model name[^:]*: *//p; s/^Hardware[^:]*: *//p' /proc/cpuinfo | head -n 1) $(uname -m)"
echo "cores=$(nproc)"
echo "governor=$(cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | sort -u | tr '\\n' ' ')"
"""
# no questions, and a connection that has died is noticed within half a minute
OPTIONS = (
    "BatchMode=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
    "LogLevel=ERROR",
)
REASONS = {
    "permission denied": "let this user's key in, e.g. with ssh-copy-id",
    "host key verification failed": "connect once by hand to see and accept its key",
    "could not resolve": "see whether its name is right",
    "connection refused": "see whether it runs an ssh server",
}


class Ssh(Device):
    """A host, as the program ssh knows it: its own settings say port, key and way there.

    Files go through the shell, for scp quotes paths in one way before OpenSSH 9 and in another since, and
    small systems have no server for the latter.
    """

    folder = ".cache/mobilenets"  # where a shell begins, the user's own: nobody else can write there
    needs = "install an ssh client and put ssh on PATH"

    def __init__(self, host: str) -> None:
        """A host. Nothing is sent yet."""
        self.host, self.name = host, f"host {host}"

    def words(self, script: str) -> list[str]:
        """ssh, which hands the script to sh, whatever the user's own shell is."""
        options = [word for option in OPTIONS for word in ("-o", option)]
        return ["ssh", "-T", *options, "--", self.host, f"exec sh -c {shlex.quote(script)}"]

    def copy(self, path: Path, place: str) -> Answer:
        """Through the shell's input."""
        return self.run(f"cat > {place}", PATIENCE + path.stat().st_size / SLOWEST, feed=path)

    def advice(self, reason: str) -> str:
        """By what ssh said."""
        known = (todo for said, todo in REASONS.items() if said in reason.lower())
        return f"{next(known, f'see whether this works: ssh {self.host} true')}, then run the command again"

    def facts(self) -> dict[str, str]:
        """As Linux tells them."""
        return told(self.run(FACTS).text)
