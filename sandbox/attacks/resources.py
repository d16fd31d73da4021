"""Attacks on resources, most of which name the ways in which they must end; see `attack.py`."""

RESOURCES = """
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
