"""Processes of this machine that evaluate networks. One that dies costs the trial it ran a new beginning."""

import atexit
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from mobilenets.base.console import NO_BARS
from mobilenets.base.errors import Interrupted, UsageError
from mobilenets.nas.trial import Done, Evaluator, Job, evaluated

TRIES = 3  # beginnings of a trial whose workers die
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Worker:
    """A process, the way to it, and what it runs."""

    process: Any
    pipe: Connection
    job: Job | None = None
    tries: int = 0


class Pool:
    """Up to `size` processes, each with `threads`, by default its share of the cores, as `nas.trial.Workers`.

    They are started when there is work, and end with this process, however that ends; within `with`, at the
    end of the block, whatever they do. `on_death` hears of jobs that begin again. Raises UsageError for an
    evaluator that cannot be sent to another process.
    """

    def __init__(
        self,
        evaluate: Evaluator,
        size: int,
        *,
        threads: int | None = None,
        tries: int = TRIES,
        on_death: Callable[[Job], None] = lambda _: None,
    ) -> None:
        if size < 1 or tries < 1 or (threads is not None and threads < 1):
            raise UsageError(f"workers, tries and threads must be at least 1, got {size}, {tries}, {threads}")
        self.evaluate = packed(evaluate)
        self.threads = threads or max(1, (os.cpu_count() or 1) // size)
        self._size, self.tries, self.on_death = size, tries, on_death
        self.workers: list[Worker] = []
        self.queue: deque[tuple[Job, int]] = deque()  # with how often it began
        self._context = multiprocessing.get_context("spawn")
        atexit.register(self.close)  # else the interpreter waits for workers that wait for it

    @property
    def size(self) -> int:
        """As `Workers.size`."""
        return self._size

    def submit(self, job: Job) -> None:
        """As `Workers.submit`."""
        self.queue.append((job, 0))
        self._deal()

    def wait(self, seconds: float) -> Sequence[Done]:
        """As `Workers.wait`."""
        until = time.monotonic() + seconds
        while True:
            self._deal()
            busy = [worker for worker in self.workers if worker.job]
            if not busy:
                return []
            left = max(0.0, until - time.monotonic())
            ready = wait([one for worker in busy for one in (worker.pipe, worker.process.sentinel)], left)
            touched = [one for one in busy if one.pipe in ready or one.process.sentinel in ready]
            done = [one for one in map(self._heard, touched) if one]
            if done or not left:
                return done

    def close(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()
        self.workers.clear()
        self.queue.clear()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _deal(self) -> None:
        """Give waiting jobs to idle workers, and to new ones."""
        while self.queue:
            self.workers = [one for one in self.workers if one.job or one.process.is_alive()]
            worker = next((one for one in self.workers if one.job is None), None)
            if worker is None:
                if len(self.workers) == self._size:
                    return
                worker = self._started()
            job, tries = self.queue.popleft()
            worker.job, worker.tries = job, tries + 1
            with suppress(OSError):  # it died idle: `wait` finds out
                worker.pipe.send(job)

    def _heard(self, worker: Worker) -> Done | None:
        """What a worker has to say, or how its death ends its job; None where the job begins again."""
        job = worker.job
        assert job is not None
        try:
            if worker.pipe.poll():  # what it said before it died counts
                done: Done = worker.pipe.recv()
                worker.job = None
                return done
        except (EOFError, OSError):
            pass  # it died, perhaps in the middle of a sentence
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self.workers.remove(worker)
        if worker.tries < self.tries:
            self.queue.appendleft((job, worker.tries))
            self.on_death(job)
            return None
        return Done(job.number, 0.0, reason=f"{self.tries} workers died of it, {_death(worker.process)}")

    def _started(self) -> Worker:
        """A new worker."""
        pipe, its = self._context.Pipe()
        process = self._context.Process(target=_work, args=(its, self.evaluate, self.threads), daemon=False)
        with _environment({name: str(self.threads) for name in THREADS}):
            process.start()
        its.close()
        self.workers.append(Worker(process, pipe))
        return self.workers[-1]


def packed(evaluate: Evaluator) -> bytes:
    """An evaluator as it is sent to another process. Raises UsageError for one that cannot be."""
    try:
        return pickle.dumps(evaluate)
    except Exception as error:
        raise UsageError(
            f"the evaluator cannot be sent to workers ({' '.join(str(error).split())}); "
            "make it a function of a module, or an object with __call__, or use one worker"
        ) from error


def evaluated_here(evaluate: bytes, job: Job) -> Done:
    """The end of a job by a packed evaluator; one that cannot be unpacked is a failure of the trial."""
    return evaluated(partial(_called, evaluate), job)


def _called(evaluate: bytes, *given: Any) -> Any:
    """What the packed evaluator says."""
    return _unpacked(evaluate)(*given)


@lru_cache(maxsize=1)
def _unpacked(evaluate: bytes) -> Evaluator:
    """The evaluator, once for each process, so that it may remember what it read."""
    found: Evaluator = pickle.loads(evaluate)  # noqa: S301 - packed by our own driver
    return found


def _work(pipe: Connection, evaluate: bytes, threads: int) -> None:
    """What a worker does as long as its driver lives."""
    obey(signal.SIGINT, signal.SIGTERM)  # when to end, the driver decides
    _limit_torch(threads)
    with suppress(EOFError, OSError, Interrupted):  # an interrupted trial has no result
        while True:
            pipe.send(evaluated_here(evaluate, pipe.recv()))


def obey(*ignored: signal.Signals) -> None:
    """Have this process end when its driver is gone, ignore some signals, and leave the terminal alone."""
    for one in ignored:
        signal.signal(one, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):  # Ctrl-C reaches a whole group, and trainings have handlers of their own
        os.setpgrp()
    os.environ[NO_BARS] = "1"
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End this process when its driver does, in whatever it is."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _limit_torch(threads: int) -> None:
    """Torch reads the environment when it is loaded, which the driver's main module may have done."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _death(process: Any) -> str:
    """How a process ended."""
    code = process.exitcode
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"the last by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"the last with exit code {code}"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Within the block processes start with these variables."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
