"""Attacks on the sandbox, as programs: each is Python source whose function returns true if it got
through. `python -m sandbox.selfcheck` runs them all, the canaries among them run at every start.

An attack on resources cannot tell by itself; it names the ways in which it has to end. One that gets
through does no harm: it writes what was there already, and its signals are number 0.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sandbox.records import Limits, Program, Status

ESCAPED = b"the attack got through"
HELD = b"the attack was held"
SECRET = "BERRY_SANDBOX_SECRET"
"""Name of an environment variable, and start of its value, that the caller may plant to be stolen."""
_LIMITS = Limits(cpu_seconds=2, wall_seconds=2, memory_mb=256, output_bytes=100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack."""

    name: str
    body: str
    """Body of a function that returns true if it got through."""
    canary: bool = False
    """Whether it is part of the self-test at the start of every sandbox."""
    must_end_as: tuple[Status, ...] | None = None
    """Any other end means that it got through."""
    limits: Limits = _LIMITS

    def program(self) -> Program:
        """The attack as a program."""
        code = _FRAME.format(
            body=textwrap.indent(self.body, "    "), escaped=ESCAPED.decode(), held=HELD.decode()
        )
        return Program(code=code, limits=self.limits)


_FRAME = """\
import ctypes, os, resource, signal, socket, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *arguments):
    return libc.syscall(ctypes.c_long(number), *arguments)
def attack():
{body}
try:
    if attack():
        print("{escaped}", flush=True)
    else:
        print("{held}", flush=True)
except MemoryError:
    raise
except BaseException as e:
    print("{held}:", type(e).__name__, e, flush=True)
"""


_LIMITS_BY_NAME = {
    "files": replace(_LIMITS, files=100, file_bytes=4_000_000),
    "memory": replace(_LIMITS, memory_mb=64),
    "processor": replace(_LIMITS, cpu_seconds=1, wall_seconds=10),
    "sleep": replace(_LIMITS, wall_seconds=0.5),
}


def _parse(text: str) -> Iterator[Attack]:
    """Attacks from sections `## name [canary, limits=NAME, ends=STATUS|STATUS]`, then the body."""
    for section in text.strip().split("\n## "):
        head, _, body = section.removeprefix("## ").partition("\n")
        name, _, flags = head.rstrip("]").partition(" [")
        options = dict(flag.partition("=")[::2] for flag in flags.split(", "))
        yield Attack(
            name=name,
            body=body,
            canary="canary" in options,
            must_end_as=_ends(options["ends"]) if "ends" in options else None,
            limits=_LIMITS_BY_NAME[options["limits"]] if "limits" in options else _LIMITS,
        )


def _ends(names: str) -> tuple[Status, ...]:
    if names == "not_ok":
        return tuple(status for status in Status if status is not Status.OK)
    return tuple(map(Status, names.split("|")))


_SIMPLE = """
## read a file of the machine [canary]
return bool(open("/etc/passwd").read())
## read the home folders
return bool(os.listdir("/root") or os.listdir("/home"))
## list the root of the machine's file system [canary]
return "root" in os.listdir("/")
## follow a link out of the working folder
os.symlink("/etc/passwd", "link")
return bool(open("link").read())
## open a file by its handle
return syscall(304, -100, ctypes.create_string_buffer(128), os.O_RDONLY) >= 0
## read a block device
return any(open("/dev/" + name, "rb").read(1) for name in ("vda", "sda", "nvme0n1", "mem", "kmsg"))
## secrets in the environment [canary]
return any("BERRY_SANDBOX_SECRET" in value for value in os.environ)
## secrets in the environment of others [canary]
for name in os.listdir("/proc"):
    try:
        if name.isdigit() and b"BERRY_SANDBOX_SECRET" in open(f"/proc/{name}/environ", "rb").read():
            return True
    except OSError:
        pass
## memory of the parent process through proc [canary]
parent = os.getppid()
for line in open(f"/proc/{parent}/maps"):
    start = int(line.split("-")[0], 16)
    with open(f"/proc/{parent}/mem", "rb") as memory:
        memory.seek(start)
        return bool(memory.read(1))
## memory of the parent process by a system call [canary]
target = ctypes.create_string_buffer(8)
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
local = Vector(ctypes.addressof(target), 8)
remote = Vector(id(object()), 8)
return syscall(310, os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0
## write outside the working folder [canary]
for folder in ("/", "/usr", "/var/tmp", "/dev/shm", "/etc", "/home", "/run", "/dev", "/tmp"):
    try:
        with open(folder + "/berry-attack", "w") as file:
            file.write("here")
        os.unlink(folder + "/berry-attack")
        return True
    except OSError:
        pass
## overwrite the interpreter
path = os.path.realpath(sys.executable)
return os.open(path, os.O_WRONLY) >= 0
## truncate a file
os.truncate(os.__file__, os.path.getsize(os.__file__))
return True
## change permissions of a file
path = os.path.realpath(sys.executable)
os.chmod(path, os.stat(path).st_mode & 0o7777)
return True
## change the times of a file
os.utime(os.path.realpath(sys.executable))
return True
## mount a file system
return libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 and libc.umount2(b"/tmp", 2) == 0
## remount the root writable
return libc.mount(b"none", b"/", None, 32, None) == 0
## leave by chroot
os.chroot("/tmp")
return True
## pivot the root
return syscall(155, b"/", b"/") == 0
## a TCP socket [canary]
socket.socket(socket.AF_INET, socket.SOCK_STREAM)
return True
## a UDP socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
return True
## an IPv6 socket
socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
return True
## a unix socket
socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
return True
## a raw socket
socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
return True
## a packet socket
socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
return True
## a netlink socket
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
return True
## a vsock socket
socket.socket(40, socket.SOCK_STREAM)
return True
## an abstract unix address from a socket pair
left, right = socket.socketpair()
left.connect("\\0berry")
return True
## see other processes [canary]
return any(name.isdigit() for name in os.listdir("/proc"))
## kill the parent process [canary]
os.kill(os.getppid(), 0)
return True
## kill everything
os.kill(-1, 0)
return True
## kill its process group, or another's
os.kill(0, 0)
return True
## a signal to a thread of another process
return syscall(200, os.getppid(), 0) == 0 or syscall(234, os.getppid(), os.getppid(), 0) == 0
## a signal through a process descriptor
descriptor = syscall(434, os.getppid(), 0)
return descriptor >= 0 and syscall(424, descriptor, 0, None, 0) == 0
## a signal by a descriptor's owner
import fcntl
read, write = os.pipe()
fcntl.fcntl(read, fcntl.F_SETOWN, os.getppid())
return True
## kill itself so that it looks like the machine's doing
os.kill(os.getpid(), signal.SIGKILL)
return True
## limits of the parent process
resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0))
return True
## raise its own limits
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (hard + 1, hard + 1))
return True
## fork [canary]
if os.fork() == 0:
    os._exit(0)
return True
## fork by raw system calls
child = min(result for result in (syscall(57), syscall(58), syscall(56, 17, None, None, None, None)))
if child == 0:
    os._exit(0)
return child > 0
## fork by clone3
arguments = (ctypes.c_uint64 * 8)(0, 0, 0, 0, 17, 0, 0, 0)
child = syscall(435, arguments, 64)
if child == 0:
    os._exit(0)
return child > 0
## execute a program [canary]
os.execv("/bin/true", ["true"])
## start a process
return subprocess.run(["/bin/echo"], check=False).returncode == 0
## a daemon
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
return True
## an inherited descriptor
found = []
for descriptor in range(3, 4096):
    try:
        os.fstat(descriptor)
        found.append(descriptor)
    except OSError:
        pass
return bool(found)
## trace the parent process [canary]
return syscall(101, 16, os.getppid(), None, None) == 0
## be traced
return syscall(101, 0, 0, None, None) == 0
## a user namespace [canary]
return syscall(272, 0x10000000) == 0
## a mount namespace by clone
child = syscall(56, 0x00020000 | 0x10000000 | 17, None, None, None, None)
if child == 0:
    os._exit(0)
return child > 0
## enter the namespaces of another
return syscall(308, os.open("/proc/1/ns/net", os.O_RDONLY), 0) == 0
## io_uring [canary]
return syscall(425, 8, ctypes.create_string_buffer(256)) >= 0
## a file in memory
return syscall(319, b"x", 0) >= 0
## grow its standard input
os.ftruncate(0, 1 << 30)
return True
## write to its standard input
descriptor = os.open("/proc/self/fd/0", os.O_RDWR)
return os.write(descriptor, b"x") == 1
## shared memory of System V
return syscall(29, 0, 1 << 30, 0o1600) >= 0
## POSIX shared memory
return os.open("/dev/shm/berry", os.O_CREAT | os.O_RDWR) >= 0
## a message queue
return syscall(240, b"berry", os.O_CREAT | os.O_RDWR, 0o600, None) >= 0
## the kernel's key rings
return syscall(250, 0, -3, 0) >= 0
## load a BPF program
return syscall(321, 0, ctypes.create_string_buffer(64), 64) >= 0
## performance events
return syscall(298, ctypes.create_string_buffer(128), 0, -1, -1, 0) >= 0
## page faults of its own making
return syscall(323, 0) >= 0
## lock memory
return libc.mlockall(3) == 0
## larger pipes
import fcntl
read, write = os.pipe()
return fcntl.fcntl(write, 1031, 1 << 20) >= 1 << 20
## real time priority
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
return True
## leave its cores
os.sched_setaffinity(0, range(4096))
return True
## become root
os.setuid(0)
os.setgid(0)
return os.listdir("/root") is not None
## set the clock
time.clock_settime(time.CLOCK_REALTIME, time.time())
return True
## change the host's name
socket.sethostname(socket.gethostname())
return True
## system calls of the other word size
return syscall(0x40000000 + 39) > 0
## turn the filter off
return libc.prctl(22, 0, 0, 0, 0) == 0 or libc.prctl(38, 0, 0, 0, 0) == 0
## type into the terminal
import fcntl, termios
fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), termios.TIOCSTI, b"x")
return True
"""

_RESOURCES = """
## a bomb of threads [canary]
def idle():
    time.sleep(60)
started = 0
try:
    while started < 2000:
        threading.Thread(target=idle, daemon=True).start()
        started += 1
except RuntimeError:
    pass
return started >= 1000
## memory by bytes [canary, ends=memory_limit]
keep = []
while True:
    keep.append(bytearray(1 << 24))
## memory by one large number [ends=memory_limit|timeout]
return bool(10 ** (10 ** 10))
## memory by anonymous and shared maps
import mmap
keep = []
try:
    for _ in range(64):
        keep.append(mmap.mmap(-1, 1 << 26))
        keep[-1].write(b"x" * (1 << 26))
except (OSError, MemoryError):
    return False
return True
## memory in files of the working folder [limits=files]
total = 0
try:
    for number in range(50):
        with open(f"{number}", "wb") as file:
            for _ in range(8):
                total += file.write(b"x" * (1 << 20))
                file.flush()
except OSError:
    pass
return total > 8_000_000
## inodes of the working folder [limits=files]
made = 0
try:
    while made < 100_000:
        os.mkdir(f"{made}")
        made += 1
except OSError:
    pass
return made > 200
## a very deep folder [limits=files]
made = 0
try:
    while made < 100_000:
        os.mkdir("d")
        os.chdir("d")
        made += 1
except OSError:
    pass
return made > 200
## a sparse file [limits=files]
os.ftruncate(os.open('big', os.O_CREAT | os.O_RDWR), 1 << 40)
return True
## leave a file for the next program [limits=files]
open('left', 'w').write('x')
return False
## find a file of the program before [limits=files]
return os.path.exists('left')
## endless output [canary, ends=output_limit]
while True:
    os.write(1, b'x' * 65536)
## endless output to standard error [ends=output_limit]
while True:
    os.write(2, b'x' * 65536)
## an endless loop [limits=processor, ends=timeout]
while True:
    pass
## an endless loop in C [limits=processor, ends=timeout]
import re
re.match('(a+)+$', 'a' * 60 + 'b')
## processor time of many threads [limits=processor, ends=timeout]
import hashlib
def burn():
    while True:
        hashlib.pbkdf2_hmac("sha256", b"x", b"y", 100_000)
for _ in range(8):
    threading.Thread(target=burn).start()
time.sleep(60)
## sleep for ever [limits=sleep, ends=timeout]
time.sleep(1e6)
## ignored signals [limits=processor, ends=timeout]
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
## closed streams [limits=sleep, ends=timeout]
os.close(1)
os.close(2)
os.close(0)
time.sleep(1e6)
## descriptors without end
keep = []
while len(keep) < 5000:
    keep.append(os.dup(0))
return True
## a stack that overflows [limits=memory, ends=not_ok]
sys.setrecursionlimit(1 << 30)
def f(x):
    return [f(y) for y in map(f, [x])]
try:
    f(1)
except BaseException:
    os._exit(3)
## a crash of the interpreter [ends=runtime_error]
ctypes.string_at(0)
"""

ATTACKS: tuple[Attack, ...] = (*_parse(_SIMPLE), *_parse(_RESOURCES))
