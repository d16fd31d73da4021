"""Locks the calling process down for good: rlimits, capabilities, Landlock, seccomp.

Uses only the standard library and raw system calls, because it runs in a fresh child of the zygote.
Each function raises OSError if the kernel refuses. Numbers are those of Linux on x86-64 (syscall(2),
landlock(7), seccomp(2) and the kernel's uapi headers).
"""

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable, Sequence

_libc = ctypes.CDLL(None, use_errno=True)

SUPPORTED = platform.system() == "Linux" and platform.machine() == "x86_64"

# ----------------------------------------------------------------------------------- system calls


def _syscall(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _prctl(option: int, value: int, *more: object) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), *(more or (0, 0, 0))) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def mount_tmpfs(folder: str, *, size: int, inodes: int, exec_allowed: bool) -> None:
    """Mounts a new, empty file system of limited size at the folder."""
    nosuid, nodev, noexec = 2, 4, 8
    flags = nosuid | nodev | (0 if exec_allowed else noexec)
    options = f"size={size},nr_inodes={inodes},mode=0777".encode()
    if _libc.mount(b"scratch", folder.encode(), b"tmpfs", ctypes.c_ulong(flags), options) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def unmount(folder: str) -> None:
    """Unmounts the file system at the folder, with all its contents, however deeply nested."""
    detach = 2
    if _libc.umount2(folder.encode(), detach) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


# ------------------------------------------------------------------------ identity and capabilities


def drop_privileges(user_id: int | None, *, reads_all: bool = False) -> None:
    """Becomes `user_id` if given, and gives up every capability and the way to regain one.

    With `reads_all` it keeps the right to read whatever Landlock allows (CAP_DAC_READ_SEARCH).
    """
    keep_capabilities, dumpable, parent_death_signal = 8, 4, 1
    if user_id is not None:
        _prctl(keep_capabilities, int(reads_all))
        os.setgroups([])
        os.setresgid(user_id, user_id, user_id)
        os.setresuid(user_id, user_id, user_id)
    no_new_privileges, ambient, ambient_clear_all = 38, 47, 4
    _prctl(no_new_privileges, 1)
    _prctl(ambient, ambient_clear_all)
    version_3, capset, read_search = 0x20080522, 126, 1 << 2
    kept = read_search if reads_all else 0
    header = ctypes.create_string_buffer(struct.pack("Ii", version_3, 0))
    _syscall(capset, header, ctypes.create_string_buffer(struct.pack("6I", kept, kept, 0, 0, 0, 0)))
    # Other processes of this user cannot look into this process; it ends with its parent.
    _prctl(dumpable, 0)
    _prctl(parent_death_signal, 9)


# ------------------------------------------------------------------------------------------ rlimits


def limit_resources(*, memory_bytes: int, cpu_seconds: int, file_bytes: int, processes: int) -> None:
    """Sets rlimits; `cpu_seconds` is the soft limit, SIGKILL follows one second later."""
    limits = {
        resource.RLIMIT_AS: (memory_bytes, memory_bytes),
        resource.RLIMIT_CPU: (cpu_seconds, cpu_seconds + 1),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_NPROC: (processes, processes),
        resource.RLIMIT_NOFILE: (64, 64),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_MEMLOCK: (0, 0),
        resource.RLIMIT_MSGQUEUE: (0, 0),
        resource.RLIMIT_SIGPENDING: (64, 64),
    }
    for name, pair in limits.items():
        resource.setrlimit(name, pair)


# ----------------------------------------------------------------------------------------- Landlock

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_NEW_RIGHTS = {1: 0x1FFF, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
"""Version of the interface -> file access rights that it added."""
_MAKE_SPECIAL = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)
"""Character and block devices, sockets, fifos."""


def landlock_version() -> int:
    """Version of the kernel's Landlock; 0 without it."""
    try:
        return _syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    except OSError:
        return 0


def landlock_rules(*, readable: Iterable[str], writable: Iterable[str], exec_allowed: bool) -> int:
    """A descriptor of rules for `landlock`: only these paths can be opened.

    Ignores paths that do not exist.
    """
    version = landlock_version()
    every = sum(right for since, right in _NEW_RIGHTS.items() if since <= version)
    attributes = struct.pack("QQQ", every, 3, 3)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = _syscall(
        444,
        ctypes.create_string_buffer(attributes, len(attributes)),
        ctypes.c_size_t(len(attributes)),
        ctypes.c_uint(0),
    )
    read = _READ_FILE | _READ_DIR | (_EXECUTE if exec_allowed else 0)
    for path in readable:
        _allow(ruleset, path, read & every)
    for path in writable:
        _allow(ruleset, path, every & ~_MAKE_SPECIAL & ~(0 if exec_allowed else _EXECUTE))
    return ruleset


def landlock(rules: int) -> None:
    """Enforces the rules; also blocks TCP, and signals and abstract sockets to other processes.

    Call `drop_privileges` first.
    """
    _syscall(446, ctypes.c_int(rules), ctypes.c_uint(0))


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112 - pathlib is slow to import for the zygote
        rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, folder), 12)
    try:
        _syscall(445, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
    finally:
        os.close(folder)


# ------------------------------------------------------------------------------------------ seccomp

_ALLOWED = """
0 read 1 write 2 open 3 close 4 stat 5 fstat 6 lstat 7 poll 8 lseek 9 mmap 10 mprotect 11 munmap
12 brk 13 rt_sigaction 14 rt_sigprocmask 15 rt_sigreturn 17 pread64 18 pwrite64 19 readv 20 writev
21 access 22 pipe 23 select 24 sched_yield 25 mremap 26 msync 27 mincore 28 madvise 32 dup 33 dup2
34 pause 35 nanosleep 36 getitimer 37 alarm 38 setitimer 39 getpid 40 sendfile 45 recvfrom
48 shutdown 60 exit 63 uname 74 fsync 75 fdatasync 77 ftruncate 78 getdents 79 getcwd
80 chdir 81 fchdir 89 readlink 95 umask 96 gettimeofday 97 getrlimit 98 getrusage
100 times 102 getuid 104 getgid 107 geteuid 108 getegid 110 getppid 111 getpgrp 115 getgroups
118 getresuid 120 getresgid 121 getpgid 124 getsid 127 rt_sigpending 128 rt_sigtimedwait
130 rt_sigsuspend 131 sigaltstack 137 statfs 138 fstatfs 140 getpriority 143 sched_getparam
145 sched_getscheduler 146 sched_get_priority_max 147 sched_get_priority_min 158 arch_prctl
186 gettid 201 time 202 futex 204 sched_getaffinity 217 getdents64
218 set_tid_address 221 fadvise64 228 clock_gettime 229 clock_getres 230 clock_nanosleep
231 exit_group 232 epoll_wait 233 epoll_ctl 257 openat 262 newfstatat 267 readlinkat 269 faccessat
270 pselect6 271 ppoll 273 set_robust_list 274 get_robust_list 281 epoll_pwait 285 fallocate
290 eventfd2 291 epoll_create1 292 dup3 293 pipe2 295 preadv 296 pwritev 309 getcpu 318 getrandom
324 membarrier 326 copy_file_range 332 statx 334 rseq 436 close_range 439 faccessat2
449 futex_waitv
"""
"""Any other system call is refused, including those of later kernels."""
_ALLOWED_WITH_FILES = """
76 truncate 82 rename 83 mkdir 84 rmdir 85 creat 86 link 87 unlink 88 symlink 90 chmod 91 fchmod
132 utime 235 utimes 258 mkdirat 263 unlinkat 264 renameat 265 linkat 266 symlinkat 268 fchmodat
280 utimensat 316 renameat2
"""
"""Landlock does not control a file's mode and times, so these require permission to write."""
_ALLOWED_WITH_PROCESSES = """
57 fork 58 vfork 59 execve 61 wait4 62 kill 109 setpgid 112 setsid 200 tkill 234 tgkill 247 waitid
322 execveat 16 ioctl 157 prctl 99 sysinfo
"""
_ALLOWED_WITH_EXEC = "59 execve 99 sysinfo"
"""`sysinfo` reveals the machine's load. Runtimes of other languages size their memory by it."""
_THREAD, _NAMESPACES = 0x10000, 0x7E020080
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
_PRCTLS = (15, 0x53564D41)
"""PR_SET_NAME and PR_SET_VMA: names, for debuggers."""
_FCNTLS_REFUSED = (8, 10, 15, 1024, 1026, 1031)
"""Signals to others (F_SETOWN, F_SETSIG, F_SETOWN_EX), leases and notices, larger pipes."""
_FCNTLS_OF_LOCKS = (5, 6, 7, 36, 37, 38)
"""F_GETLK, F_SETLK, F_SETLKW and those of open file descriptions do nothing and succeed, like flock(2):
a lock on a system file would reach programs in other sandboxes and the machine's own."""
_KILLING_LIMITS = (0, 15)
"""RLIMIT_CPU, RLIMIT_RTTIME: over the hard limit the kernel sends SIGKILL."""
_OF_EXTENDED_ATTRIBUTES = range(188, 200)
"""setxattr to fremovexattr."""
_EPERM, _ENOSYS, _EOPNOTSUPP = 1, 38, 95
_OWN_PID = 0xB0E22150
"""Placeholder for the process's id; no such number occurs in the rules otherwise."""

_Instruction = tuple[int, int, int, int]
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW = (_RETURN, 0, 0, 0x7FFF0000)
_REFUSE = (_RETURN, 0, 0, 0x00050000 | _EPERM)
_DO_NOTHING = (_RETURN, 0, 0, 0x00050000)
_NOT_THERE = (_RETURN, 0, 0, 0x00050000 | _ENOSYS)
_NOT_SUPPORTED = (_RETURN, 0, 0, 0x00050000 | _EOPNOTSUPP)


def seccomp_filter(*, writes: bool, processes: bool, execs: bool) -> bytes:
    """The rules for `seccomp`, with a placeholder for the process's own id.

    With `execs` a process can become a command, but cannot start any other.
    """
    return b"".join(struct.pack("HBBI", *one) for one in _filter(_OWN_PID, writes, processes, execs))


def seccomp(rules: bytes) -> None:
    """Makes all but harmless system calls fail with EPERM from now on. Call `drop_privileges` first."""
    program = rules.replace(struct.pack("I", _OWN_PID), struct.pack("I", os.getpid()))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    )
    set_mode_filter = 1
    # Also applies to threads that libraries have started (SECCOMP_FILTER_FLAG_TSYNC).
    _syscall(317, ctypes.c_uint(set_mode_filter), ctypes.c_uint(1), header)


def _filter(own_pid: int, writes: bool, processes: bool, execs: bool) -> list[_Instruction]:
    plain = _numbers(_ALLOWED)
    plain += _numbers(_ALLOWED_WITH_EXEC) if execs and not processes else []
    plain += _numbers(_ALLOWED_WITH_FILES) if writes else []
    plain += _numbers(_ALLOWED_WITH_PROCESSES) if processes else []
    x86_64, clone3, clone = 0xC000003E, 435, 56
    checks = {
        53: _if_argument(0, equals=(1,)),  # socketpair, of AF_UNIX
        44: [(_LOAD, 0, 0, 16 + 8 * 4), (_JUMP_EQUAL, 0, 3, 0),  # sendto, without an address
             (_LOAD, 0, 0, 20 + 8 * 4), (_JUMP_EQUAL, 0, 1, 0), _ALLOW, _REFUSE],
        72: [  # fcntl
            *_if_argument(1, equals=_FCNTLS_OF_LOCKS, then=_DO_NOTHING, otherwise=None),
            *_if_any(_FCNTLS_REFUSED, _REFUSE, _ALLOW),
        ],
        73: [_DO_NOTHING],  # flock
        16: _if_argument(1, equals=_IOCTLS),  # ioctl
        157: _if_argument(0, equals=_PRCTLS),  # prctl
        160: _if_argument(0, equals=_KILLING_LIMITS, then=_REFUSE, otherwise=_ALLOW),  # setrlimit
        302: _own_limits(own_pid),  # prlimit64
        62: _signal(own_pid, signal_argument=1),  # kill
        234: _signal(own_pid, signal_argument=2),  # tgkill
        clone: [
            (_LOAD, 0, 0, 16),
            (_JUMP_SET, 2, 0, _NAMESPACES),
            (_JUMP_SET, 0, 0 if processes else 1, _THREAD),
            _ALLOW,
            _REFUSE,
        ],
        clone3: [_NOT_THERE],  # its flags are in memory; the C library falls back to clone
        # As on a file system without extended attributes, so that `shutil.copy2` continues.
        **{number: [_NOT_SUPPORTED] for number in _OF_EXTENDED_ATTRIBUTES},
    }  # fmt: skip
    program = [(_LOAD, 0, 0, 4), (_JUMP_EQUAL, 1, 0, x86_64), _REFUSE, (_LOAD, 0, 0, 0)]
    for number, check in checks.items():
        if number not in plain:
            program += [(_JUMP_EQUAL, 0, len(check), number), *check]
    return program + _if_any(plain, _ALLOW, _REFUSE)


def _if_argument(
    index: int,
    *,
    equals: Sequence[int],
    then: _Instruction = _ALLOW,
    otherwise: _Instruction | None = _REFUSE,
) -> list[_Instruction]:
    """Compares the lower half of an argument that is an int for the kernel.

    With `otherwise=None` the following instructions continue with the same argument.
    """
    load = (_LOAD, 0, 0, 16 + 8 * index)
    if otherwise is None:
        # Each test jumps over its own result if it does not match.
        tests = [part for value in equals for part in ((_JUMP_EQUAL, 0, 1, value), then)]
        return [load, *tests]
    return [load, *_if_any(equals, then, otherwise)]


def _if_any(values: Sequence[int], then: _Instruction, otherwise: _Instruction) -> list[_Instruction]:
    """Instructions for any of the values; at most 255, because a jump reaches no further."""
    tests = [(_JUMP_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [*tests, otherwise, then]


def _own_limits(own_pid: int) -> list[_Instruction]:
    """Its own limits: it may read all, and set all but those that make the kernel send SIGKILL."""
    new_limit = 16 + 8 * 2
    return [
        (_LOAD, 0, 0, 16),
        (_JUMP_EQUAL, 1, 0, 0),
        (_JUMP_EQUAL, 0, 5, own_pid),
        (_LOAD, 0, 0, new_limit),
        (_JUMP_EQUAL, 0, 4, 0),
        (_LOAD, 0, 0, new_limit + 4),
        (_JUMP_EQUAL, 0, 2, 0),
        _ALLOW,
        _REFUSE,
        *_if_argument(1, equals=_KILLING_LIMITS, then=_REFUSE, otherwise=_ALLOW),
    ]


def _signal(own_pid: int, signal_argument: int) -> list[_Instruction]:
    """A signal to itself, except those that look like one from outside (SIGKILL, SIGSTOP)."""
    return [
        (_LOAD, 0, 0, 16),
        (_JUMP_EQUAL, 0, 3, own_pid),
        (_LOAD, 0, 0, 16 + 8 * signal_argument),
        (_JUMP_EQUAL, 1, 0, 9),
        (_JUMP_EQUAL, 0, 1, 19),
        _REFUSE,
        _ALLOW,
    ]


def _numbers(table: str) -> list[int]:
    return [int(word) for word in table.split()[::2]]
