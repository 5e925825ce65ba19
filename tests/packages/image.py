"""The image of the Dockerfile, built by buildah and run without an engine: its command is process 1 of
namespaces of its own, as the image's user, with a read-only root and the image's volumes."""
import contextlib
import json
import os
import signal
import subprocess
import time

from command import run, say

CONTAINER = r"""
set -e
ip link set lo up
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t tmpfs tmpfs "$0/app"
if [ -n "$1" ]; then
	if [ -d "$1" ]; then mkdir "$0/app/config.yaml"; else touch "$0/app/config.yaml"; fi
	mount --bind "$1" "$0/app/config.yaml"
fi
mount -o remount,bind,ro "$0"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount -t tmpfs -o size=64m,mode=1777 tmpfs "$0/dev/shm"
for volume in var/lib/amps run/amps; do
	mount -t tmpfs -o "$(stat -c 'uid=%u,gid=%g,mode=%a' "$0/$volume")" tmpfs "$0/$volume"
done
exec setpriv --no-new-privs chroot --userspec=amps:amps "$0" env -i XDG_STATE_HOME=/var/lib \
	XDG_RUNTIME_DIR=/run PATH=/usr/bin:/bin sh -c 'cd /app && exec amps serve'
"""
FILM = "/usr/share/amps/demo.ts"
# the second channel's command leaves a process behind
CONFIG = f"""
auth: {{token: secret-token}}
streams:
  - {{id: 1, name: Film, source: {FILM}, ffmpeg_profile: copy, input_args: ["-re", "-stream_loop", "-1"]}}
  - id: 2
    name: Command
    source: {FILM}
    custom_ffmpeg:
      shell: true
      command: "(sleep 0.2 &) ; exec ffmpeg -re -stream_loop -1 -i {{source}} -c copy -f mpegts pipe:1"
"""


@contextlib.contextmanager
def built(tree, base, store):
    """The image's root, mounted; removed at the end."""
    buildah = ["buildah", "--root", f"{store}/store", "--runroot", f"{store}/run", "--storage-driver", "vfs"]
    run("rm", "-rf", "--one-file-system", store)
    try:
        bare = run(*buildah, "from", "scratch").strip()
        run(*buildah, "add", bare, f"{base}/", "/")
        run(*buildah, "commit", bare, "localhost/base")
        began = time.monotonic()
        run(*buildah, "bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "--build-arg",
            "BASE=localhost/base", "-t", "amps-server", tree)
        say(f"image: built in {time.monotonic() - began:.0f} s")
        settings = run(*buildah, "inspect", "--type", "image", "amps-server")
        for word in ('"/usr/libexec/amps/healthcheck"', '"User": "amps"', '"WorkingDir": "/app"'):
            assert word in settings, word
        root = run(*buildah, "mount", run(*buildah, "from", "--pull-never", "localhost/amps-server").strip()).strip()
        packages = run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${Version}\\n")
        say(f"image: {run('du', '-sm', root).split()[0]} MB, of which the base has "
            f"{run('du', '-sm', base).split()[0]}; {packages.count(chr(10))} packages:\n{packages}")
        yield root
    finally:
        run(*buildah, "umount", "--all")
        run("rm", "-rf", "--one-file-system", store)


class Container:
    def __init__(self, root, config, log):
        self.root = root
        self.log = log
        with open(log, "w") as f:
            self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--net", "--fork", "bash", "-c",
                                             CONTAINER, root, config], stdout=f, stderr=f)

    def kill(self):
        """Process 1, with which all others end."""
        if self.process.poll() is None and self.first():
            os.kill(int(self.first()), signal.SIGKILL)
        self.process.wait(20)

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {open(self.log).read()[-4000:]}"
            time.sleep(0.1)

    def first(self):
        """Process 1, as seen from here, or None."""
        p = self.process.pid
        children = open(f"/proc/{p}/task/{p}/children").read().split()
        return children[0] if children else None

    def inside(self, *words):
        """A command as the image's user, as `docker exec` runs it; its output, or None if it failed."""
        if self.first() is None:
            return None
        done = subprocess.run(["nsenter", "-t", self.first(), "-n", "-m", "-p", "chroot", "--userspec=amps:amps",
                               self.root, "env", "-i", "XDG_STATE_HOME=/var/lib", "XDG_RUNTIME_DIR=/run",
                               "PATH=/usr/bin:/bin", *words], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def healthy(self):
        return self.inside("/usr/libexec/amps/healthcheck") is not None

    def plays(self, path, token):
        text = run("nsenter", "-t", self.first(), "-n", "ffprobe", "-v", "error", "-read_intervals", "%+2",
                   "-show_entries", "stream=codec_name", "-of", "json", f"http://127.0.0.1:5000{path}?token={token}")
        streams = [s["codec_name"] for s in json.loads(text)["streams"]]
        assert len(streams) == 2, streams
        say(f"image: {path} plays: {streams}")

    def dead_children(self):
        """Children of process 1 that it has not reaped."""
        dead = 0
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                state, parent = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[:2]
                dead += parent == self.first() and state == "Z"
        return dead


@contextlib.contextmanager
def running(root, config, folder):
    """A container that serves; it must end within ten seconds."""
    container = Container(root, config, os.path.join(folder, "container.log"))
    try:
        container.wait_for(container.healthy, "the health check")
        yield container
        began = time.monotonic()
        os.kill(int(container.first()), signal.SIGTERM)
        assert container.process.wait(10) == 0, open(container.log).read()
        say(f"image: stopped in {time.monotonic() - began:.1f} s")
    finally:
        container.kill()


def refuses(root, config, folder, reason):
    refused = Container(root, config, os.path.join(folder, "refused.log"))
    assert refused.process.wait(60) == 1
    said = open(refused.log).read()
    assert "config.yaml" in said and reason in said, said


def try_image(root, folder, older):
    """`older` is the configuration of the older Amps, which is mounted as that was."""
    config = os.path.join(folder, "config.yaml")
    with open(config, "w") as f:
        f.write(CONFIG)
    os.chmod(config, 0o600)
    refuses(root, config, folder, "Permission denied")
    os.chmod(config, 0o644)
    # Docker makes a folder where there is no file
    missing = os.path.join(folder, "missing")
    os.makedirs(missing, exist_ok=True)
    refuses(root, missing, folder, "Is a directory")
    with running(root, config, folder) as container:
        container.plays("/stream/1.ts", "secret-token")
        container.plays("/stream/2.ts", "secret-token")
        container.wait_for(lambda: container.dead_children() == 0, "what the command left is reaped")
    with running(root, older, folder) as container:
        assert "Big Buck Bunny" in container.inside("amps", "list")
    say("image: the older Amps' configuration is served")
    with running(root, "", folder) as container:
        token = container.inside("cat", "/var/lib/amps/token").strip()
        assert f"token={token}" in container.inside("amps", "vlc", "--print")
        container.plays("/stream/1.ts", token)
