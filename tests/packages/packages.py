#!/usr/bin/python3
"""packages.py [--suite NAME]... [STEP]... - builds the packages and tries them as a user would.

Steps: deb (build, lintian, install, run under the unit, upgrade, purge, piuparts), systemd (the unit under
systemd itself), rpm (build, rpmlint, install, upgrade, erase), image (built by buildah, run by podman, played
from, stopped), again (a second build has the same bytes).  Needs root, and the network for registries of
packages only.  Chroots are made once, in $AMPS_CHROOTS or build/packages/; what is built lands in
build/packages/ too."""
import argparse
import contextlib
import functools
import glob
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time

import booted
import image
from command import run, say
from engine import engine

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
OUT = os.path.join(ROOT, "build", "packages")
CHROOTS = os.environ.get("AMPS_CHROOTS", OUT)
HERE = os.path.dirname(os.path.realpath(__file__))
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# systemd, which comes with the package into a bare system to make the user, and debconf leave these
LEFT_BY_OTHERS = (r"/root/\.ssh|/var/(cache|lib|log)/private|/var/lib/systemd|/etc/default/locale|/etc/vconsole\.conf"
                  r"|/var/cache/debconf/tmp\.ci/?")
NOISE = {"DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8", "PATH": PATH, "HOME": "/root"}


def in_chroot(root, *words, env=None):
    """With /proc and /dev, which end with the command."""
    script = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'
    return run("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", script, root, *words,
               env={**NOISE, **(env or {})})


def os_release(key):
    for line in open("/etc/os-release"):
        name, _, value = line.strip().partition("=")
        if name == key:
            return value.strip('"')
    return ""


def mirror():
    return run("sh", "-c", "apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' "
                           "'Component: main' | head -n 1").strip()


def base(suite):
    """A bare system of this release."""
    root = os.path.join(CHROOTS, suite)
    if not os.path.exists(f"{root}/ready"):
        say(f"making a chroot of {suite}")
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        run("debootstrap", "--variant=minbase", suite, root, os.environ.get("AMPS_MIRROR") or mirror())
        with open(f"{root}/etc/apt/apt.conf.d/90amps", "w") as f:
            f.write('Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\n')
        with open(f"{root}/etc/dpkg/dpkg.cfg.d/unsafe-io", "w") as f:
            f.write("force-unsafe-io\n")
        in_chroot(root, "apt-get", "-qq", "update")
        open(f"{root}/ready", "w").close()
    shutil.copy("/etc/resolv.conf", f"{root}/etc/resolv.conf")
    return root


@contextlib.contextmanager
def copy_of(suite, name):
    """A copy of a bare system that is removed again."""
    root = os.path.join(CHROOTS, f"{suite}-{name}")
    shutil.rmtree(root, ignore_errors=True)
    run("cp", "-a", base(suite), root)
    try:
        yield root
    finally:
        run("rm", "-rf", "--one-file-system", root)


def archive_into(folder):
    """The files of the work tree that git knows or does not ignore."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    run("bash", "-c", "git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do "
                      "[ -e \"$f\" ] && printf '%s\\0' \"$f\"; done | tar -c --null -T - | tar -x -C \"$0\"",
        folder, cwd=ROOT)


def build_env():
    """No compiler's cache: it would hide that two builds differ."""
    date = run(os.path.join(ROOT, "tools/version.sh"), "date").strip()
    return {**NOISE, "SOURCE_DATE_EPOCH": date, "DEB_BUILD_OPTIONS": f"parallel={os.cpu_count()}"}


def builder(suite):
    """A chroot that can build; the host, if it is this release."""
    if suite == os_release("VERSION_CODENAME"):
        return "/"
    root = os.path.join(CHROOTS, f"{suite}-builder")
    if not os.path.exists(f"{root}/ready-to-build"):
        shutil.rmtree(root, ignore_errors=True)
        run("cp", "-a", base(suite), root)
        open(f"{root}/ready-to-build", "w").close()
    os.makedirs(f"{root}/amps/tools", exist_ok=True)
    shutil.copy(os.path.join(ROOT, "tools/deps.sh"), f"{root}/amps/tools")
    # a build may need more than the last one
    in_chroot(root, "/amps/tools/deps.sh", "package")
    return root


@functools.cache
def build_debs(suite, again=False):
    """{package: path}; `again`: from another folder, and in another one."""
    root, name = builder(suite), f"{suite}-again" if again else suite
    place = "/tmp/amps-build/another/folder" if again else "/tmp/amps-build/one"
    to = os.path.join(OUT, name)
    inside = to if root == "/" else f"/tmp/{name}"
    tree = os.path.join(root, place.lstrip("/"))
    archive_into(tree)
    run("rm", "-rf", to, os.path.join(root, inside.lstrip("/")))
    if root == "/":
        run(f"{place}/packaging/deb.sh", inside, env=build_env())
    else:
        in_chroot(root, f"{place}/packaging/deb.sh", inside, env=build_env())
        shutil.copytree(os.path.join(root, inside.lstrip("/")), to)
    shutil.rmtree(tree)
    return {name.split("_")[0]: os.path.join(to, name) for name in os.listdir(to) if name.endswith(".deb")}


def lower_version(deb, folder):
    """The same package with version 0.0.1, for an upgrade."""
    tree = os.path.join(folder, "lower")
    shutil.rmtree(tree, ignore_errors=True)
    run("dpkg-deb", "-R", deb, tree)
    run("sed", "-i", "s/^Version: .*/Version: 0.0.1/", f"{tree}/DEBIAN/control")
    path = os.path.join(folder, "amps_0.0.1_amd64.deb")
    run("dpkg-deb", "--root-owner-group", "-b", tree, path)
    shutil.rmtree(tree)
    return path


class Service:
    """The installed unit's own command line, under its restrictions."""

    def __init__(self, root):
        self.root = root
        unit = next(p for p in (f"{root}/usr/lib/systemd/system/amps.service",
                                f"{root}/lib/systemd/system/amps.service") if os.path.exists(p))
        os.makedirs(f"{root}/run/amps", exist_ok=True)
        os.makedirs(f"{root}/var/lib/amps", exist_ok=True)
        notify = f"{root}/var/lib/amps/notify"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(notify)
        os.chmod(notify, 0o666)
        self.manager.settimeout(60)
        self.log = open(os.path.join(OUT, "serve.log"), "w+")
        self.process = subprocess.Popen([sys.executable, f"{HERE}/under_unit.py", root, unit,
                                         "NOTIFY_SOCKET=/var/lib/amps/notify", "WATCHDOG_USEC=1000000"],
                                        stdout=self.log, stderr=self.log)
        self.wait_line("READY=1")
        self.token = open(f"{root}/var/lib/amps/token").read().strip()

    def wait_line(self, wanted):
        try:
            while wanted not in self.manager.recv(4096).decode().splitlines():
                pass
        except TimeoutError:
            sys.exit(f"{open(self.log.name).read()[-4000:]}\n== packages: no {wanted}")

    def inside(self, *words, check=True):
        """In the server's network."""
        return run("nsenter", "-t", str(self.process.pid), "-n", *words)

    def command(self, *words, user="amps"):
        """`amps` as a user of the chroot, in the server's namespaces."""
        return run("nsenter", "-t", str(self.process.pid), "-n", "-m", "chroot", self.root, "setpriv",
                   f"--reuid={user}", f"--regid={user}", "--init-groups", "amps", *words, env=NOISE)

    def plays(self, path):
        url = f"http://127.0.0.1:5000{path}{'&' if '?' in path else '?'}token={self.token}"
        text = self.inside("ffprobe", "-v", "error", "-read_intervals", "%+2", "-count_packets",
                           "-show_entries", "stream=codec_name,nb_read_packets", "-of", "json", url)
        streams = json.loads(text)["streams"]
        assert len(streams) == 2 and all(int(s["nb_read_packets"]) > 20 for s in streams), text
        return ", ".join(f"{s['codec_name']} {s['nb_read_packets']}" for s in streams)

    def api(self, method, path, body=None):
        words = ["curl", "-sf", "-X", method, "-H", f"X-Amps-Token: {self.token}"]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return self.inside(*words, f"http://127.0.0.1:5000{path}")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0, open(self.log.name).read()
        self.manager.close()
        os.unlink(f"{self.root}/var/lib/amps/notify")


def install(root, deb):
    shutil.copy(deb, f"{root}/tmp/amps.deb")
    return in_chroot(root, "apt-get", "-qq", "-y", "--no-install-recommends", "install", "/tmp/amps.deb")


def database(root, *words):
    """What the last of these statements says of the database, which no server uses now."""
    with contextlib.closing(sqlite3.connect(f"{root}/var/lib/amps/amps.db", isolation_level=None)) as db:
        return [db.execute(text).fetchall() for text in words][-1]


def try_deb(suite, debs):
    with copy_of(suite, "fresh") as root:
        began = time.monotonic()
        said = install(root, lower_version(debs["amps"], os.path.dirname(debs["amps"])))
        assert "/var/lib/amps/token" in said, said
        say(f"{suite}: installed in {time.monotonic() - began:.0f} s")
        in_chroot(root, "sh", "-c", "dpkg -V amps && useradd -G amps member")
        st = os.stat(f"{root}/etc/amps/amps.yaml")
        assert st.st_mode & 0o777 == 0o640 and st.st_gid != 0, oct(st.st_mode)
        service = Service(root)
        for path in ("/stream/1.ts", "/stream/2.ts?variant=mobile"):
            say(f"{suite}: {path} under the unit's restrictions: {service.plays(path)}, "
                f"{time.monotonic() - began:.0f} s after apt began")
        assert "running" in service.command("tuners", user="member")
        assert "no channel changed" in service.command("reload")
        service.wait_line("WATCHDOG=1")
        service.api("POST", "/api/streams", {"id": 77, "name": "Kept", "source": "/srv/a.ts",
                                             "ffmpeg_profile": "copy"})
        service.api("POST", "/api/streams", {"id": 78, "name": "Card", "source": "/dev/dvb/adapter0/dvr0",
                                             "ffmpeg_profile": "copy"})
        service.inside("curl", "-s", f"http://127.0.0.1:5000/stream/78.ts?token={service.token}")
        assert "drop-in dvb.conf" in service.command("tuners", "--json", user="member")
        service.stop()
        with open(f"{root}/etc/amps/amps.yaml", "a") as f:
            f.write("# changed here\n")
        token = service.token
        # as the layout before this one was
        database(root, "DROP TABLE token", "PRAGMA user_version = 1")
        install(root, debs["amps"])
        assert "# changed here" in open(f"{root}/etc/amps/amps.yaml").read()
        service = Service(root)
        assert service.token == token and '"Kept"' in service.api("GET", "/api/streams/77").replace(" ", "")
        say(f"{suite}: after the upgrade {service.plays('/stream/1.ts')}")
        service.stop()
        assert database(root, "SELECT count(*) FROM token", "PRAGMA user_version") > [(1,)]
        in_chroot(root, "apt-get", "-qq", "-y", "purge", "amps")
        left = [p for p in ("etc/amps", "var/lib/amps", "run/amps", "usr/share/amps", "usr/libexec/amps")
                if os.path.exists(f"{root}/{p}")]
        assert not left, left


def step_deb(suites):
    for suite in suites:
        began = time.monotonic()
        debs = build_debs(suite)
        say(f"{suite}: built in {time.monotonic() - began:.0f} s: {sorted(debs.values())}")
        assert set(debs) == {"amps", "amps-dbgsym"}, debs
        run("lintian", "--allow-root", "--fail-on", "error,warning", *debs.values())
        try_deb(suite, debs)
        run("piuparts", "--no-upgrade-test", "-d", suite, f"--existing-chroot={base(suite)}",
            f"--ignore-regex={LEFT_BY_OTHERS}", debs["amps"])
        say(f"{suite}: lintian, piuparts and the installation passed")


def step_systemd(suites):
    """Of the oldest release: newer ones refuse a machine whose control groups are those of version 1."""
    with copy_of(suites[0], "booted") as root, engine(os.path.join(OUT, "podman")) as podman:
        install(root, build_debs(suites[0])["amps"])
        booted.try_unit(podman, root)


@functools.cache
def build_rpms(again=False):
    """{file name: path}, built by the rpm of this system, always in the same folder: without Fedora's
    macros what the debugger reads names it."""
    place, to = "/tmp/amps-build/one", os.path.join(OUT, "rpm-again" if again else "rpm")
    archive_into(place)
    run("rm", "-rf", to)
    run(f"{place}/packaging/rpm.sh", "/tmp/amps-build/rpm", env=build_env())
    shutil.move("/tmp/amps-build/rpm", to)
    shutil.rmtree(place)
    return {name: os.path.join(to, name) for name in os.listdir(to)}


def step_rpm(suites):
    """By Debian's rpm, which knows no installed packages: the programs are not run."""
    rpms = build_rpms()
    run("rpmlint", "-c", f"{HERE}/rpmlint.toml", *rpms.values())
    package = next(path for name, path in rpms.items() if ".x86_64." in name and "debug" not in name)
    with copy_of(suites[0], "rpm") as root:
        rpm = ["rpm", f"--root={root}", "--nodeps"]
        said = run(*rpm, "-i", package)
        assert "systemctl enable --now amps" in said, said
        st = os.stat(f"{root}/etc/amps/amps.yaml")
        assert st.st_mode & 0o777 == 0o640 and st.st_gid != 0, oct(st.st_mode)
        st = os.stat(f"{root}/var/lib/amps")
        assert st.st_mode & 0o777 == 0o700 and st.st_uid != 0, oct(st.st_mode)
        run(*rpm, "-V", "amps")
        for path in ("usr/bin/amps", "usr/libexec/amps/amps-worker", "usr/lib/systemd/system/amps.service",
                     "usr/share/man/man5/amps.yaml.5"):
            assert glob.glob(f"{root}/{path}*"), path
        with open(f"{root}/etc/amps/amps.yaml", "a") as f:
            f.write("# changed here\n")
        run(*rpm, "-U", "--force", package)
        assert "# changed here" in open(f"{root}/etc/amps/amps.yaml").read()
        run(*rpm, "-e", "amps")
        left = [p for p in ("usr/bin/amps", "usr/share/amps", "usr/libexec/amps", "usr/share/doc/amps")
                if os.path.exists(f"{root}/{p}")]
        assert not left, left
    say("rpm: rpmlint, installation, upgrade and removal passed")


def step_image(_suites):
    """The image by buildah, whose base is the bare system of Debian 13."""
    tree = "/tmp/amps-build/image"
    archive_into(tree)
    run("docker-compose", "-f", f"{tree}/compose.yaml", "config", "--quiet")
    with engine(os.path.join(OUT, "image")) as podman:
        image.build(podman, tree, base("trixie"))
        image.try_image(podman, OUT, os.path.join(ROOT, "tests/system/older.yaml"))
    shutil.rmtree(tree)


def contents(paths):
    return {name: open(path, "rb").read() for name, path in paths.items()}


def step_again(suites):
    """The same bytes a second time."""
    for suite in suites:
        assert contents(build_debs(suite)) == contents(build_debs(suite, again=True))
        say(f"{suite}: two builds are byte-identical")
    assert contents(build_rpms()) == contents(build_rpms(again=True))
    say("rpm: two builds are byte-identical")


STEPS = {"deb": step_deb, "systemd": step_systemd, "rpm": step_rpm, "image": step_image, "again": step_again}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--suite", action="append")
    parser.add_argument("steps", nargs="*", default=[])
    options = parser.parse_args()
    if os.getuid() != 0:
        sys.exit("== packages: chroots need root")
    os.makedirs(OUT, exist_ok=True)
    for name in options.steps or STEPS:
        STEPS[name](options.suite or ["bookworm", "trixie"])


if __name__ == "__main__":
    main()
