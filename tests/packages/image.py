"""The image of the Dockerfile, built by buildah and run by podman, as the README's lines run it with docker."""
import contextlib
import json
import os
import subprocess
import time

from command import run, say
from engine import LIMITS

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
# as compose.yaml; podman adds folders in memory where docker does not
RESTRICTED = ("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp", "--shm-size", "1200m", "--cap-drop", "ALL",
              "--security-opt", "no-new-privileges")


def build(engine, tree, base):
    bare = engine.buildah("from", "scratch")
    engine.buildah("add", bare, f"{base}/", "/")
    engine.buildah("commit", bare, "localhost/base")
    began = time.monotonic()
    engine.buildah("bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "--build-arg",
                   "BASE=localhost/base", "-t", "amps-server", tree)
    say(f"image: built in {time.monotonic() - began:.0f} s")
    root = engine.buildah("mount", engine.buildah("from", "--pull-never", "localhost/amps-server"))
    packages = run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${Version}\\n")
    say(f"image: {run('du', '-sm', root).split()[0]} MB, of which the base has "
        f"{run('du', '-sm', base).split()[0]}; {packages.count(chr(10))} packages:\n{packages}")


class Container:
    """`docker run -d -p 5000:5000 --name amps --restart unless-stopped OPTIONS amps-server`"""

    def __init__(self, engine, *options):
        self.engine = engine
        engine.podman("run", "-d", "-p", "5000:5000", "--name", "amps", "--restart", "unless-stopped",
                      "--log-driver", "k8s-file", *LIMITS, *options, "amps-server")
        self.wait_for(self.healthy, "the health check")

    def said(self):
        return self.engine.podman("logs", "amps")

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, f"{what}: {self.said()[-4000:]}"
            time.sleep(0.3)

    def healthy(self):
        return subprocess.run(self.engine.podman_words("healthcheck", "run", "amps"), env=self.engine.env,
                              capture_output=True).returncode == 0

    def inside(self, *words):
        return self.engine.podman("exec", "amps", *words)

    def plays(self, path, token):
        text = run(*self.engine.nets, "ffprobe", "-v", "error", "-read_intervals", "%+2", "-show_entries",
                   "stream=codec_name", "-of", "json", f"http://127.0.0.1:5000{path}?token={token}")
        streams = [s["codec_name"] for s in json.loads(text)["streams"]]
        assert len(streams) == 2, streams
        say(f"image: {path} plays: {streams}")

    def state(self, key):
        return self.engine.podman("inspect", "--format", f"{{{{.State.{key}}}}}", "amps")

    def dead_children(self):
        """Children of process 1 that it has not reaped."""
        first, dead = self.state("Pid"), 0
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                state, parent = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[:2]
                dead += parent == first and state == "Z"
        return dead

    def stop(self):
        """As `docker stop` does: it kills what has not ended after ten seconds."""
        began = time.monotonic()
        self.engine.podman("stop", "--time", "10", "amps")
        assert self.state("ExitCode") == "0", f"{self.state('ExitCode')}: {self.said()}"
        say(f"image: stopped in {time.monotonic() - began:.1f} s")


@contextlib.contextmanager
def running(engine, *options):
    """A container that serves and ends in time."""
    try:
        container = Container(engine, *options)
        yield container
        container.stop()
    finally:
        engine.podman("rm", "--force", "--volumes", "--ignore", "amps")


def refuses(engine, config, reason):
    refused = subprocess.run(engine.podman_words("run", "--rm", *LIMITS, "-v", f"{config}:/app/config.yaml",
                                                 "amps-server"),
                             env=engine.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert refused.returncode == 1, refused
    assert "config.yaml" in refused.stdout and reason in refused.stdout, refused.stdout


def try_image(engine, folder, older):
    """`older` is the configuration of the older Amps, which is mounted as that was."""
    config = os.path.join(folder, "config.yaml")
    mounted = ("-v", f"{config}:/app/config.yaml")
    with open(config, "w") as f:
        f.write(CONFIG)
    os.chmod(config, 0o600)
    refuses(engine, config, "Permission denied")
    os.chmod(config, 0o644)
    # Docker makes a folder where there is no file
    missing = os.path.join(folder, "missing")
    os.makedirs(missing, exist_ok=True)
    refuses(engine, missing, "Is a directory")
    for options in ((), RESTRICTED):
        with running(engine, *mounted, *options) as container:
            container.plays("/stream/1.ts", "secret-token")
            container.plays("/stream/2.ts", "secret-token")
            container.wait_for(lambda: container.dead_children() == 0, "what the command left is reaped")
            if options:
                container.inside("grep", "-q", "^[^ ]* / [^ ]* ro[, ]", "/proc/mounts")
                container.inside("grep", "-q", "^CapBnd:.0*$", "/proc/1/status")
    say("image: the same under a read-only root, without capabilities")
    with running(engine, "-v", f"{older}:/app/config.yaml") as container:
        assert "Big Buck Bunny" in container.inside("amps", "list")
    say("image: the older Amps' configuration is served")
    with running(engine, "-v", "amps:/var/lib/amps") as container:
        token = container.inside("cat", "/var/lib/amps/token")
        assert f"token={token}" in container.inside("amps", "vlc", "--print")
        container.plays("/stream/1.ts", token)
    # the volume outlives the container
    with running(engine, "-v", "amps:/var/lib/amps") as container:
        assert container.inside("cat", "/var/lib/amps/token") == token
