"""From a file and a target to a session; each runtime is imported when it is asked for."""

from importlib import import_module
from pathlib import Path

from mobilenets.base.errors import RunError, UsageError
from mobilenets.runtimes.session import Session
from mobilenets.runtimes.target import Target, runtime_of


def open_session(path: Path, target: Target) -> Session:
    """The file, ready to run on the target.

    Raises RunError when there is no such file, UsageError when it is for another runtime, ExportError or
    WeightsError when it is broken, MissingPackage when the runtime is not installed, DeviceError when the
    target's device cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise RunError(f"{path} does not exist; give a .tflite, .onnx or .safetensors file")
    if (own := runtime_of(path)) != target.runtime:
        raise UsageError(f"{path} is a file for {own}, the target is {target}; use {own}:{target.device}:...")
    return open_as(path, target)


def open_as(path: Path, target: Target) -> Session:
    """As `open_session`, for a file of any suffix."""
    module = import_module(f"mobilenets.runtimes.{target.runtime}")
    session: Session = module.open_file(path, target.here)
    if target.remote:
        from mobilenets.runtimes.remote import RemoteSession

        return RemoteSession(path, target, session)
    return session
