"""podman, which runs containers in a network of its own, so that ports are free and nothing is left behind."""
import contextlib
import os
import subprocess

from command import run

# the engine's own limits are higher than some machines let it set
LIMITS = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")


class Engine:
    """buildah and podman, which share what they store."""

    def __init__(self, folder):
        self.folder = folder
        run("rm", "-rf", "--one-file-system", folder)
        self.network = subprocess.Popen(["unshare", "--net", "sh", "-c", "ip link set lo up; exec sleep infinity"])
        self.nets = ["nsenter", "-t", str(self.network.pid), "-n"]
        self.place = ["--root", f"{folder}/store", "--runroot", f"{folder}/run", "--storage-driver", "vfs"]
        # no timer of systemd asks for the health
        self.env = {**os.environ, "DISABLE_HC_SYSTEMD": "true"}

    def end(self):
        try:
            self.podman("rm", "--all", "--force", "--volumes")
            self.buildah("umount", "--all")
        finally:
            self.network.kill()
            self.network.wait()
            run("rm", "-rf", "--one-file-system", self.folder)

    def buildah(self, *words):
        return run("buildah", *self.place, *words).strip()

    def podman_words(self, *words):
        return [*self.nets, "podman", *self.place, "--tmpdir", f"{self.folder}/tmp", "--runtime", "runc",
                "--cgroup-manager", "cgroupfs", "--events-backend", "file", *words]

    def podman(self, *words):
        return run(*self.podman_words(*words), env=self.env).strip()


@contextlib.contextmanager
def engine(folder):
    one = Engine(folder)
    try:
        yield one
    finally:
        one.end()
