"""Attacks that try to reach something outside the sandbox; `attack.py` parses the text."""

ESCAPES = """
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
