"""One run: its services, the directory a user sees, and a promise that nothing of it stays.

Layout of the directory: `env` (shell lines, there once all is ready), `log/NAME.log`, `NAME.pid`, `supervisor.pid`.
The services' data is elsewhere, in a temporary directory. Ends in three ways, all of them clean:
- `finish()`, the ordinary way;
- the supervisor is killed: the kernel kills the services (see `process.spawn`), and the janitor, a shell that waits
  for the end of a pipe, removes the data;
- a service dies by itself: it stays dead, and the log says so.
"""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import cache
import process

# A JVM on a machine that is busy compiling has been seen to need 20 s.
READY_SECONDS = 90
START_ATTEMPTS = 4

# Removing can race with a service that is just being killed, so it is tried until nothing is left.
JANITOR = 'read -r _; for i in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$@" 2>/dev/null && exit 0; sleep 0.3; done'


class Supervisor:
    def __init__(self, directory, services, keep_logs=True):
        self.directory = Path(directory)
        self.keep_logs = keep_logs
        self.services = {service.name: service for service in services}
        self.children = {}
        self.janitor = None

    def start(self):
        """Brings all services up at the same time, or raises `process.StartError` with the log's end in its text."""
        (self.directory / "log").mkdir(parents=True, exist_ok=True)
        (self.directory / "supervisor.pid").write_text(f"{os.getpid()}\n")
        self.data = Path(tempfile.mkdtemp(prefix="tidegate-services-"))
        self.data.chmod(0o711)  # a database's own user must get through
        self.janitor = subprocess.Popen(["/bin/sh", "-c", JANITOR, "janitor", self.data, *self.state_files()],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        for service in self.services.values():
            service.prepare(self.data / service.name)
            self.launch(service)
        for service in self.services.values():
            self.await_ready(service)
        env = "".join(f"export {key}={value}\n" for key, value in self.env().items())
        partial = self.directory / ".env"
        partial.write_text(env)
        partial.rename(self.directory / "env")

    def state_files(self):
        """What goes with the run."""
        if not self.keep_logs:
            return [self.directory]
        names = ["env", ".env", "restart", "supervisor.pid", *(f"{name}.pid" for name in self.services)]
        return [self.directory / name for name in names]

    def launch(self, service):
        with open(self.log(service), "ab") as log:
            self.children[service.name] = service.launch(log)
        (self.directory / f"{service.name}.pid").write_text(f"{self.children[service.name].pid}\n")

    def await_ready(self, service, attempts=START_ATTEMPTS):
        """Waits for a service; one that lost its port to somebody else gets another."""
        for attempt in range(1, attempts + 1):
            try:
                return process.wait_until(service.ready, self.children[service.name], READY_SECONDS, service.name)
            except process.StartError as error:
                end = process.tail(self.log(service))
                clash = "address already in use" in end.lower()
                if not clash or attempt == attempts:
                    raise process.StartError(f"{error}; the end of {self.log(service)}:\n{end}") from error
                process.stop(self.children[service.name], signal.SIGKILL)
                self.log(service).unlink()
                service.forget_port()
                self.launch(service)

    def env(self):
        return {key: value for service in self.services.values() for key, value in service.env().items()}

    def log(self, service):
        return self.directory / "log" / f"{service.name}.log"

    def wait(self, command=None):
        """Watches until a signal ends the run or `command` is over; returns its exit code, 128 + n for signal n."""
        while True:
            if command is not None and command.poll() is not None:
                code = command.returncode
                return code if code >= 0 else 128 - code
            self.report_deaths()
            number = signal.sigwait(SIGNALS)
            if number == signal.SIGUSR1:
                self.restart_requested()
            elif number != signal.SIGCHLD:
                return 128 + number

    def report_deaths(self):
        for name, child in list(self.children.items()):
            if child.poll() is not None:
                del self.children[name]
                cache.say(f"{name} ended by itself with status {child.returncode}; the end of its log:\n"
                          + process.tail(self.log(self.services[name])))

    def restart_requested(self):
        """Restarts the service that the file `restart` names, on the same port and data; `restart` goes when done."""
        request = self.directory / "restart"
        name, _, how = request.read_text().strip().partition(" ")
        service = self.services[name]
        if child := self.children.pop(name, None):
            process.stop(child, signal.SIGKILL if how == "hard" else service.stop_signal, seconds=60)
        try:
            self.launch(service)
            self.await_ready(service, attempts=1)
        except process.StartError as error:
            cache.say(f"restart: {error}")
        request.unlink()

    def finish(self):
        """Ends the services and removes everything but the logs. Their data goes, so none needs time to save it."""
        ends = [(child, getattr(self.services[name], "discard_signal", signal.SIGKILL))
                for name, child in self.children.items()]
        for child, end in ends:
            child.send_signal(end)
        for child, end in ends:
            process.stop(child, end)
        self.children.clear()
        if self.janitor:
            self.janitor.stdin.close()
            self.janitor.wait()


SIGNALS = process.ENDING | {signal.SIGCHLD, signal.SIGUSR1}


def block_signals():
    """They are taken where we look for them, so that none comes in the middle of a clean-up."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
