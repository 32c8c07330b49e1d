"""Android devices, through the program adb of Android's platform tools."""

from pathlib import Path

from mobilenets.base.errors import DeviceError, shown
from mobilenets.runtimes.device import PATIENCE, SLOWEST, Answer, Device, told

FACTS = """
echo "device=$(getprop ro.product.manufacturer) $(getprop ro.product.model)"
echo "system=Android $(getprop ro.build.version.release)"
echo "cpu=$(getprop ro.soc.model) $(getprop ro.product.cpu.abi)"
echo "cores=$(nproc)"
echo "governor=$(cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | sort -u | tr '\\n' ' ')"
"""
# what to do about the states that `adb devices` lists besides `device`
STATES = {
    "unauthorized": "accept this computer's key on its screen",
    "authorizing": "accept this computer's key on its screen",
    "offline": "connect it anew, or run: adb reconnect offline",
    "no permissions": "this user may not use USB devices; see the udev rules of Android's documentation",
}


class Adb(Device):
    """The attached device with a serial number; without one, the only device that is attached."""

    folder = "/data/local/tmp/mobilenets"
    needs = "install Android's platform tools and put adb on PATH"

    def __init__(self, serial: str) -> None:
        """Find it. Raises DeviceError when there is none, there are several, or it does not let us in."""
        self.name = f"device {serial}" if serial else "adb"
        self.serial = _chosen(serial, self._attached())
        self.name = f"device {self.serial}"

    def words(self, script: str) -> list[str]:
        """Through its shell."""
        return ["adb", "-s", self.serial, "shell", script]

    def copy(self, path: Path, place: str) -> Answer:
        """By adb push."""
        limit = PATIENCE + path.stat().st_size / SLOWEST
        ended = self.call(["adb", "-s", self.serial, "push", str(path.resolve()), place], limit)
        return Answer(ended.code, f"{ended.out}\n{ended.err}")

    def advice(self, reason: str) -> str:
        """One for all."""
        known = (todo for state, todo in STATES.items() if state in reason)
        return f"{next(known, 'connect it anew')}, then run the command again"

    def facts(self) -> dict[str, str]:
        """As its properties say."""
        return told(self.run(FACTS).text)

    def _attached(self) -> dict[str, str]:
        """The state of every attached device by serial number."""
        ended = self.call(["adb", "devices"], PATIENCE)
        if ended.code != 0:
            raise DeviceError(f"adb does not work ({ended.reason}); try: adb kill-server")
        lines = (line.split("\t", 1) for line in ended.out.splitlines() if "\t" in line)
        return {serial.strip(): state.strip() for serial, state in lines}


def _chosen(serial: str, attached: dict[str, str]) -> str:
    """The serial number of the device to use. Raises DeviceError unless it is one and ready."""
    if not attached:
        raise DeviceError(
            "no device is attached to adb; connect one with USB debugging on, or run: adb connect HOST"
        )
    listed = ", ".join(sorted(attached))[:200]
    if serial and serial not in attached:
        raise DeviceError(f"adb has no device {shown(serial)}; attached: {listed}")
    if not serial and len(attached) > 1:
        raise DeviceError(
            f"{len(attached)} devices are attached to adb ({listed}); say which: litert:adb=SERIAL:1"
        )
    found = serial or next(iter(attached))
    state = attached[found]
    if state != "device":
        known = (todo for name, todo in STATES.items() if state.startswith(name))
        todo = next(known, "start Android on it")
        raise DeviceError(f"device {found} is {shown(state)}; {todo}, then run the command again")
    return found
