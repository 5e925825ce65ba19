"""under_unit.py ROOT UNIT [NAME=VALUE...] - runs what a unit of systemd starts as the unit says, without
systemd: as its user, with its capabilities, system calls, address families and limits, in its folders,
with a read-only root that is the chroot ROOT, and in a network of its own.  Needs root.

What it leaves out: PrivateUsers, PrivateIPC, KeyringMode, ProtectHostname and the accounting of resources."""
import ctypes
import os
import pwd
import resource
import shlex
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWNET, CLONE_NAMESPACES = 0x20000, 0x40000000, 0x7E020080
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_SET_SECUREBITS = 38, 24, 28
ALLOW, EPERM = 0x7FFF0000, 0x00050001
NE, EQ, MASKED = 1, 4, 7
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
libc = ctypes.CDLL("libc.so.6", use_errno=True)
seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
seccomp.seccomp_init.restype = ctypes.c_void_p


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


def must(result, what):
    if result < 0:
        sys.exit(f"under_unit: {what}: {os.strerror(ctypes.get_errno() or -result)}")


def read_unit(path):
    """{key: [value, ...]} of the section [Service]"""
    keys, section = {}, None
    for line in open(path):
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and line[0] not in "#;":
            key, value = line.split("=", 1)
            keys.setdefault(key, []).append(value)
    return keys


def calls_of(word):
    """The system calls of a name or @group."""
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], check=True,
                          capture_output=True, text=True).stdout
    names = [line.strip() for line in text.splitlines()[1:]]
    return set().union(*(calls_of(n) for n in names if n and n[0] != "#"))


def allowed_calls(rules):
    allowed = set()
    for rule in rules:
        calls = set().union(*(calls_of(w) for w in rule.lstrip("~").split()))
        allowed = allowed - calls if rule.startswith("~") else allowed | calls
    return allowed | calls_of("@default") | {"execve"}


class Filter:
    """One filter of system calls."""

    def __init__(self, default):
        self.context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(default)))

    def add(self, action, call, *compares):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number == -1:    # not of this machine
            return
        array = (Compare * max(1, len(compares)))(*compares)
        must(seccomp.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number, len(compares),
                                            array), call)

    def load(self):
        must(seccomp.seccomp_load(self.context), "seccomp_load")


def filters(unit):
    calls = Filter(EPERM)
    for name in allowed_calls(unit["SystemCallFilter"]):
        calls.add(ALLOW, name)
    rules = Filter(ALLOW)
    families = {FAMILIES[name] for name in unit["RestrictAddressFamilies"][0].split()}
    for family in set(range(46)) - families:
        rules.add(EPERM, "socket", Compare(0, EQ, family, 0))
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        rules.add(EPERM, "mmap", Compare(2, MASKED, 6, 6))
        rules.add(EPERM, "mprotect", Compare(2, MASKED, 4, 4))
        rules.add(EPERM, "pkey_mprotect", Compare(2, MASKED, 4, 4))
    if unit.get("RestrictNamespaces") == ["yes"]:
        rules.add(EPERM, "unshare")
        rules.add(EPERM, "setns")
    return calls, rules


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def make_place(root, unit, user):
    """The unit's view of the file system."""
    must(libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount("--make-rprivate", "/")
    mount("--bind", root, root)
    mount("-o", "remount,bind,ro", root)
    mount("-t", "proc", "-o", "subset=pid,hidepid=invisible", "proc", f"{root}/proc")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", f"{root}/dev")
    for name in ("null", "zero", "full", "random", "urandom"):
        open(f"{root}/dev/{name}", "w").close()
        mount("--bind", f"/dev/{name}", f"{root}/dev/{name}")
    os.mkdir(f"{root}/dev/shm")
    for folder in ("dev/shm", "tmp", "var/tmp"):
        mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{root}/{folder}")
    for folder in ("home", "root"):
        mount("-t", "tmpfs", "-o", "mode=000,ro", "tmpfs", f"{root}/{folder}")
    for key, parent, mode in (("StateDirectory", "var/lib", 0o700), ("RuntimeDirectory", "run", 0o755)):
        folder = f"{root}/{parent}/{unit[key][0]}"
        mount("--bind", folder, folder)     # writable again
        mount("-o", "remount,bind,rw", folder)
        os.chown(folder, user.pw_uid, user.pw_gid)
        os.chmod(folder, mode)


def become(root, user, unit):
    if unit["CapabilityBoundingSet"] != [""]:
        sys.exit("under_unit: only an empty CapabilityBoundingSet is known")
    most = min(int(unit["LimitNOFILE"][0]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most))
    os.chroot(root)
    os.chdir("/")
    os.umask(int(unit["UMask"][0], 8))
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([user.pw_gid])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def user_in(root, name):
    for line in open(f"{root}/etc/passwd"):
        entry = line.strip().split(":")
        if entry[0] == name:
            return pwd.struct_passwd((*entry[:2], int(entry[2]), int(entry[3]), *entry[4:]))
    sys.exit(f"under_unit: no user {name} in {root}")


def main():
    root, path, *more = sys.argv[1:]
    unit = read_unit(path)
    user = user_in(root, unit["User"][0])
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": user.pw_dir,
           "LANG": "C.UTF-8", "USER": user.pw_name}
    env.update(word.split("=", 1) for rule in unit["Environment"] for word in shlex.split(rule))
    env.update(word.split("=", 1) for word in more)
    calls, rules = filters(unit)
    make_place(root, unit, user)
    words = shlex.split(unit["ExecStart"][0])
    become(root, user, unit)
    rules.load()
    calls.load()
    os.execve(words[0], words, env)


main()
