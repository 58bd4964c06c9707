"""Child processes that are timed, limited and logged, and the GPU's memory while they run."""

import dataclasses
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time

POLL_S = 0.01
SMI_INTERVAL_MS = 250


class StepError(Exception):
    """Why a step could not be run, in one line."""


@dataclasses.dataclass
class Done:
    """A child that has ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    host_mib: float
    stopped: bool

    @property
    def complaint(self):
        """Its last line that names an error, or else its last line."""
        lines = [line.strip() for line in (self.stderr + "\n" + self.stdout).splitlines() if line.strip()]
        named = [line for line in lines if "error" in line.lower()]
        return (named or lines or ["it printed nothing"])[-1][:240]


def kill(process):
    """Ends a child and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(command, seconds, log, environment, until=None):
    """Runs a command for `seconds` at most, and kills it (-9) as soon as `until()` is true. Its output goes to the log.

    Raises `StepError` where it does not start or takes too long.
    """
    command = [str(part) for part in command]
    log.write(f"\n$ {shlex.join(command)}\n")
    with tempfile.TemporaryFile("w+", errors="replace") as stdout, tempfile.TemporaryFile("w+", errors="replace") as stderr:
        streams = {"stdout": stdout, "stderr": stderr, "stdin": subprocess.DEVNULL}
        began = time.perf_counter()
        try:
            process = subprocess.Popen(command, **streams, env=environment, start_new_session=True)
        except OSError as error:
            raise StepError(f"{command[0]} does not start: {error}") from error
        stopped = late = False
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    process.returncode = os.waitstatus_to_exitcode(status)
                    break
                if not (stopped or late):
                    stopped, late = bool(until and until()), time.perf_counter() - began > seconds
                    if stopped or late:
                        kill(process)
                time.sleep(POLL_S)
        finally:
            if process.returncode is None:
                kill(process)
        spent = time.perf_counter() - began
        output = []
        for stream in (stdout, stderr):
            stream.seek(0)
            output.append(stream.read())
    log.write("".join(output))
    log.write(f"[{'stopped' if stopped else process.returncode}, {spent:.1f} s]\n")
    log.flush()
    if late:
        raise StepError(f"{shlex.join(command[:4])} … took more than the {seconds:.0f} s that were left for it")
    return Done(process.returncode, *output, spent, usage.ru_maxrss / 1024, stopped)


def query_gpu(fields):
    """Returns `nvidia-smi`'s values for each GPU; an empty list where there is none."""
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [[value.strip() for value in line.split(",")] for line in found.stdout.splitlines() if line.strip()]


class GpuMemory:
    """The most memory that a GPU holds inside the `with`, less what it held before; `nvidia-smi` is read four times a second."""

    def __init__(self, index):
        self.index, self.peak_mib, self.process = index, None, None

    def __enter__(self):
        before = query_gpu("memory.used")
        if self.index is not None and self.index < len(before):
            self.before = float(before[self.index][0])
            ask = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", f"-lms={SMI_INTERVAL_MS}"]
            streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self.process = subprocess.Popen(["nvidia-smi", f"--id={self.index}", *ask], **streams, text=True)
            self.peak_mib = 0.0
            self.reader = threading.Thread(target=self._read, daemon=True)
            self.reader.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.peak_mib = max(self.peak_mib, float(line) - self.before)

    def __exit__(self, *_):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.reader.join(timeout=2)
