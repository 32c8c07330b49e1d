"""Tasks on a Ray cluster that evaluate networks. A lost machine costs the trials it ran a new beginning."""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from mobilenets.base.errors import DeviceError, UsageError, needs, shown
from mobilenets.jobs.workers import TRIES, evaluated_here, packed
from mobilenets.nas.trial import Done, Evaluator, Job

REACH = 10  # seconds to wait for a cluster


class RayPool:
    """As many tasks at once as the cluster has room for, or `size`, as `nas.trial.Workers`.

    `address` is HOST:PORT of a cluster, ray://HOST:PORT, "auto" for the one this machine belongs to, "local"
    for one that is started here and ends with this process. Each task takes `cpus`, which are its threads,
    `gpus` and `resources` of the cluster's own. The package must be installed on all machines. Close it, or
    use `with`.
    """

    def __init__(
        self,
        evaluate: Evaluator,
        address: str,
        size: int | None = None,
        *,
        cpus: float = 1,
        gpus: float = 0,
        resources: Mapping[str, float] | None = None,
        tries: int = TRIES,
        on_death: Callable[[Job], None] = lambda _: None,
    ) -> None:
        """Reach the cluster.

        Raises MissingPackage, UsageError for an evaluator that cannot be sent or settings without sense,
        DeviceError for a cluster that cannot be reached or has no room for a task.
        """
        if cpus <= 0 or gpus < 0 or tries < 1 or (size is not None and size < 1):
            raise UsageError(
                f"cpus, tries and size must be above 0, gpus at least 0, got {cpus}, {tries}, {size}, {gpus}"
            )
        self._given, self.tries, self.on_death = size, tries, on_death
        self.wants = {"CPU": cpus, "GPU": gpus, **(resources or {})}
        message = packed(evaluate)
        self._ray = _reached(address)
        self._evaluate = self._ray.put(message)
        self._task = self._ray.remote(
            num_cpus=cpus, num_gpus=gpus, resources=dict(resources or {}), max_retries=0
        )(evaluated_here)  # fmt: skip
        self._running: dict[Any, tuple[Job, int]] = {}  # with how often it began
        if not self._room():
            self.close()
            raise DeviceError(
                f"the Ray cluster at {address} has no machine with {_named(self.wants)} for a trial; "
                "ask for less, or add one"
            )

    @property
    def size(self) -> int:
        """As `Workers.size`; it grows and shrinks with the cluster, at least 1."""
        return self._given or max(1, self._room())

    def submit(self, job: Job) -> None:
        """As `Workers.submit`."""
        self._begin(job, 1)

    def wait(self, seconds: float) -> Sequence[Done]:
        """As `Workers.wait`."""
        until = time.monotonic() + seconds
        while self._running:
            left = max(0.0, until - time.monotonic())
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=left)
            more, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
            done = [one for one in map(self._heard, {*ready, *more}) if one]
            if done or not left:
                return done
        return []

    def close(self) -> None:
        """End all tasks at once, and leave the cluster."""
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._running.clear()
        self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, job: Job, tries: int) -> None:
        """Have a job run somewhere."""
        self._running[self._task.remote(self._evaluate, job)] = (job, tries)

    def _heard(self, task: Any) -> Done | None:
        """How a task ended its job; None where the job begins again."""
        job, tries = self._running.pop(task)
        try:
            done: Done = self._ray.get(task)
        except self._ray.exceptions.RayError as error:  # its process, its machine or the memory there is gone
            if tries < self.tries:
                self.on_death(job)
                self._begin(job, tries + 1)
                return None
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            return Done(job.number, 0.0, reason=f"{self.tries} workers died of it, the last: {first}")
        return done

    def _room(self) -> int:
        """How many tasks fit on the machines that live."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        wants = {name: count for name, count in self.wants.items() if count}
        return sum(min(int(node.get(name, 0) / count) for name, count in wants.items()) for node in nodes)


def _reached(address: str) -> Any:
    """Ray, joined to a cluster. Raises MissingPackage, UsageError, DeviceError."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with needs("ray", "ray"):
        import ray
    try:
        _knock(address)
        terms: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True, **terms)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DeviceError(f"the Ray cluster at {shown(address)} cannot be reached: {reason}") from error
    return ray


def _knock(address: str) -> None:
    """Raise OSError where nobody listens, which Ray itself finds out in minutes; UsageError."""
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(
            f"{shown(address)} is no Ray cluster; give HOST:PORT, ray://HOST:PORT, auto or local"
        )
    socket.create_connection((host.strip("[]"), int(port)), REACH).close()


def _named(wants: Mapping[str, float]) -> str:
    """Resources in words."""
    return ", ".join(f"{count:g} {name}" for name, count in wants.items() if count)
