"""Stand-ins for adb, ssh and benchmark_model that speak their command lines, for tests without a device.

A "device" is a folder. What it does is in state.json beside the programs, so that a test can change it; what
was asked of it is in `log`.
"""

import json
import os
import sys
from pathlib import Path

import pytest

ADB = r"""
words = sys.argv[1:]
if words == ["devices"]:
    print("List of devices attached")
    print(*(f"{serial}\t{mode}" for serial, mode in state["devices"].items()), "", sep="\n")
    sys.exit(0)
if words[:1] != ["-s"] or len(words) < 4:
    sys.exit("adb: usage: adb -s SERIAL ...")
serial, verb, rest = words[1], words[2], words[3:]
if state["devices"].get(serial) != "device":
    sys.exit(f"adb: device '{serial}' not found")
if verb == "push":
    local, place = rest
    there = place.replace("/data/local/tmp", str(here / "device"))
    print(f"{local}: 1 file pushed")
    if state.get("full"):
        pathlib.Path(there).write_bytes(pathlib.Path(local).read_bytes()[:100])
        sys.exit(f"adb: error: failed to copy '{local}' to '{place}': write failed: No space left on device")
    shutil.copyfile(local, there)
elif verb == "shell":
    remote(rest[0].replace("/data/local/tmp", str(here / "device")), "error: device offline")
else:
    sys.exit(f"adb: unknown command {verb}")
"""

SSH = r"""
words, options = sys.argv[1:], []
while words and words[0] != "--":
    word = words.pop(0)
    if word == "-o":
        options.append(words.pop(0))
    elif word != "-T":
        sys.exit(f"ssh: unknown option {word}")
host, command = words[1:]
assert "BatchMode=yes" in options
if problem := state.get("ssh", {}).get(host):
    print(problem, file=sys.stderr)
    sys.exit(255)
if host not in state["hosts"]:
    print(f"ssh: Could not resolve hostname {host}: Name or service not known", file=sys.stderr)
    sys.exit(255)
if state.get("full"):
    full = r"head -c 100 > \1; echo write error: No space left on device; false"
    command = re.sub(r"cat > (\S+)", full, command)
remote(command, "client_loop: send disconnect: Broken pipe", 255)
"""

COMMON = r"""#!{python} -ISB
import json, os, pathlib, re, shutil, subprocess, sys

here = pathlib.Path(__file__).parent
state = json.loads((here / "state.json").read_text())
with (here / "log").open("a") as log:
    log.write(json.dumps([pathlib.Path(__file__).name, *sys.argv[1:]]) + "\n")


def remote(command, lost, code=1):
    '''Run a command in the device's shell; after so many laps, lose the connection in the middle of one.'''
    timing = "--graph=" in command
    laps = here / "laps"
    done = len(laps.read_text()) if laps.exists() else 0
    if timing:
        laps.write_text("x" * (done + 1))
    if "lost_after" in state and done >= state["lost_after"]:
        if timing:
            print("INFO: Running benchmark for at least 3 iterations", flush=True)
        print(lost, file=sys.stderr)
        sys.exit(code)
    if timing and state.get("hang"):
        (here / "hanging").write_text(str(os.getpid()))
        subprocess.run(["sleep", "600"])
    (here / "device").mkdir(exist_ok=True)
    path = f"{here / 'device-bin'}:/usr/bin:/bin"
    environment = {"PATH": path, "STATE": str(here / "state.json"), "LOG": str(here / "log")}
    sys.exit(subprocess.run(["sh", "-c", command], env=environment, cwd=here / "device").returncode)

"""

# the properties of an Android device
GETPROP = r"""#!/bin/sh
case "$1" in
ro.product.manufacturer) echo Acme ;;
ro.product.model) echo Phone 5 ;;
ro.build.version.release) echo 15 ;;
ro.soc.model) echo SoC1 ;;
ro.product.cpu.abi) echo arm64-v8a ;;
esac
"""

# prints what the state says, by default the statistics of a file as many microseconds long as it has bytes
CANNED = r"""#!{python} -ISB
import json, os, pathlib, sys
state = json.loads(pathlib.Path(os.environ["STATE"]).read_text())
with open(os.environ["LOG"], "a") as log:
    log.write(json.dumps(["benchmark_model", *sys.argv[1:]]) + "\n")
flags = dict(word[2:].split("=", 1) for word in sys.argv[1:])
middle = os.path.getsize(flags["graph"])
runs = max(int(flags["num_runs"]), 4)
statistics = (f"count={runs} first={middle + 9} curr={middle} min={middle - 1} max={middle + 9} "
              f"avg={middle + 2}.5 std=3 p5={middle - 1} median={middle} p95={middle + 8}")
if state.get("no_median"):
    statistics = statistics.partition(" p5=")[0]
print("INFO: STARTING!")
print(state.get("prints", f"INFO: count=7 first=99 curr=9 min=9 max=99 avg=50 std=3\n\nINFO: {statistics}\n\n"
      "INFO: Inference timings in us: Init: 10, First inference: 99, Warmup (avg): 50, Inference (avg): 51"))
sys.stdout.flush()
code = state.get("code", 0)
os.kill(os.getpid(), -code) if code < 0 else sys.exit(code)
"""

# really runs the file in LiteRT, on random inputs, as the vendor's program does
REAL = r"""#!{python}
import sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter

flags = dict(word[2:].split("=", 1) for word in sys.argv[1:])
interpreter = Interpreter(flags["graph"], num_threads=int(flags["num_threads"]))
interpreter.allocate_tensors()
for each in interpreter.get_input_details():
    interpreter.set_tensor(each["index"], np.random.rand(*each["shape"]).astype(each["dtype"]))


def told(least, seconds):
    taken, start = [], time.perf_counter()
    while len(taken) < least or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        interpreter.invoke()
        taken.append(round((time.perf_counter() - before) * 1e6))
    if not taken:
        print("INFO: count=0 p5=0 median=0 p95=0\n")
        return np.zeros(1)
    taken = np.array(taken)
    print(f"INFO: count={len(taken)} first={taken[0]} curr={taken[-1]} min={taken.min()} max={taken.max()} "
          f"avg={taken.mean():.6g} std={taken.std():.0f} p5={np.percentile(taken, 5):.0f} "
          f"median={np.median(taken):.0f} p95={np.percentile(taken, 95):.0f}\n")
    return taken


warm = told(int(flags["warmup_runs"]), float(flags["warmup_min_secs"]))
taken = told(int(flags["num_runs"]), float(flags["min_secs"]))
print(f"INFO: Inference timings in us: Init: 1, First inference: {warm[0]}, Warmup (avg): {warm.mean():.6g}, "
      f"Inference (avg): {taken.mean():.6g}")
"""


class Devices:
    """Programs on PATH and the devices behind them: serial ABC attached to adb, user@board by ssh."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.device = folder / "device"
        for name, text in (("adb", COMMON + ADB), ("ssh", COMMON + SSH), ("device-bin/getprop", GETPROP)):
            self._program(name, text)
        self.model("canned", CANNED)
        self.state: dict[str, object] = {}
        self.become(devices={"ABC": "device"}, hosts=["user@board"])
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def become(self, **state: object) -> None:
        """Change what the devices do."""
        self.state |= state
        (self.folder / "state.json").write_text(json.dumps(self.state))

    def model(self, name: str, text: str) -> Path:
        """Give the program that measures."""
        path = self._program(f"{name}_benchmark_model", text)
        self.monkeypatch.setenv("MOBILENETS_BENCHMARK_MODEL", str(path))
        return path

    def calls(self, program: str) -> list[list[str]]:
        """The arguments of every start of a program."""
        lines = (self.folder / "log").read_text().splitlines() if (self.folder / "log").exists() else []
        return [words[1:] for words in map(json.loads, lines) if words[0] == program]

    def files(self) -> set[str]:
        """Names of the files in the package's folders on the devices, past the digest."""
        return {path.name.partition("-")[2] for path in self.device.rglob("*") if path.is_file()}

    def _program(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("{python}", sys.executable, 1))
        path.chmod(0o755)
        return path
