#!/usr/bin/env python3
"""emulate - runs one Linux program on an emulated x86-64 CPU with AVX-512.

usage: emulate.py PROGRAM [ARGUMENT ...]

The CPU is Bochs (bochscpu-python 0.4.0 on PyPI, under shim.c); the operating
system is this file: it loads the program, dynamic or static, and answers the
few system calls that tests make.  Memory is one flat range; threads take
turns and change places where one waits.  The exit status is the program's;
125 is a fault of the program.
"""
import ctypes, errno, mmap, os, struct, sys, time

import bochscpu, bochscpu.cpu, bochscpu.memory as memory

PAGE, LARGE = 4096, 1 << 21
TOP = 1 << 32                                   # all of the program's memory
PROGRAM, LOADER, MAPS, STACK = 0x10000000, 0x20000000, 0x40000000, 0xF0000000
TRAP, TABLES = 0xF1000000, 0x100000000         # `hlt`; the page tables
host = {}                                       # physical page -> host address


def page_at(address):
    """The host's address of a page, made when it is first touched."""
    page = address & -PAGE
    if page not in host:
        host[page] = memory.allocate_host_page()
        ctypes.memset(host[page], 0, PAGE)
        memory.page_insert(page, host[page])
    return host[page]


def pieces(address, size):
    while size > 0:
        n = min(size, PAGE - address % PAGE)
        yield page_at(address) + address % PAGE, n
        address, size = address + n, size - n


def put(address, data):
    at = 0
    for where, n in pieces(address, len(data)):
        ctypes.memmove(where, data[at:at + n], n)
        at += n


def get(address, size):
    return b"".join(ctypes.string_at(where, n) for where, n in pieces(address, size))


def text(address):
    out = b""
    while b"\0" not in out:
        out += get(address + len(out), PAGE - (address + len(out)) % PAGE)
    return out[:out.index(b"\0")]


def clear(address, size):
    """Zeros; a page that was never touched is zero already."""
    for page in range(address & -PAGE, address + size, PAGE):
        if page in host:
            at = max(page, address)
            ctypes.memset(host[page] + at - page, 0, min(page + PAGE, address + size) - at)


def make_tables():
    """Virtual addresses are physical ones, but for the first 2 MiB: no null."""
    put(TABLES, struct.pack("<Q", TABLES + PAGE | 3))
    for i in range(TOP >> 30):
        put(TABLES + PAGE + 8 * i, struct.pack("<Q", TABLES + (2 + i) * PAGE | 3))
        for j in range(512):
            if i or j:
                put(TABLES + (2 + i) * PAGE + 8 * j, struct.pack("<Q", (i << 30) + j * LARGE | 0x83))


def load(path, base):
    """An ELF file at its address, or at base; (entry, program headers, their number, loader, end)."""
    data = open(path, "rb").read()
    kind, = struct.unpack_from("<H", data, 16)
    entry, headers = struct.unpack_from("<QQ", data, 24)
    count, = struct.unpack_from("<H", data, 56)
    base = base if kind == 3 else 0
    loader, end, table = None, 0, 0
    for i in range(count):
        what, _, offset, va, _, size, room, _ = struct.unpack_from("<IIQQQQQQ", data, headers + 56 * i)
        if what == 1:
            put(base + va, data[offset:offset + size])
            end = max(end, base + va + room)
            if offset <= headers < offset + size:
                table = base + va + headers - offset
        elif what == 3:
            loader = data[offset:offset + size - 1].decode()
    return base + entry, table, count, loader, end + PAGE - 1 & -PAGE


class Linux:
    """The system calls, each a method called by its name; a negative result is an errno."""

    names = {0: "read", 1: "write", 2: "open", 3: "close", 5: "fstat", 8: "lseek", 9: "mmap", 11: "munmap", 12: "brk", 16: "ioctl",
             17: "pread64", 20: "writev", 21: "access", 24: "change", 56: "clone", 60: "exit", 63: "uname", 79: "getcwd",
             158: "arch_prctl", 202: "futex", 204: "affinity", 228: "clock_gettime", 231: "exit_group", 257: "openat",
             262: "newfstatat", 302: "prlimit", 318: "getrandom"}
    # mprotect rt_sigaction rt_sigprocmask madvise getpid getuid getgid geteuid
    # getegid gettid set_tid_address set_robust_list
    nothing = {10, 13, 14, 28, 39, 102, 104, 107, 108, 186, 218, 273}

    def __init__(self, end, state, snapshot):
        self.end, self.next, self.status, self.snapshot = end, MAPS, None, snapshot
        self.free = {}                          # size -> addresses of unmapped ranges
        self.threads = [Thread(state)]
        self.now = self.threads[0]

    def step(self, state):
        """Answer the call that `state` makes; the state to go on with, None at the end."""
        self.now.state = state
        state.rip, state.rflags = state.rcx, state.r11
        state.rax = self.call(state.rax) & (1 << 64) - 1
        if self.status is not None:
            return None
        ready = [t for t in self.threads if t.waits is None]
        if not ready:
            print("emulate: every thread waits", file=sys.stderr)
            self.status = 125
            return None
        if self.now not in ready:
            self.now = ready[0]
        return self.now.state

    def call(self, number):
        s = self.now.state
        if number in self.nothing:
            return 0
        if number not in self.names:
            return -errno.ENOSYS
        try:
            return getattr(self, self.names[number])(s.rdi, s.rsi, s.rdx, s.r10, s.r8, s.r9)
        except OSError as e:
            return -e.errno

    def clone(self, flags, stack, _, child, tls, *__):
        if not flags & 0x10000:                 # CLONE_THREAD
            return -errno.ENOSYS
        thread, s = Thread(self.snapshot()), self.now.state
        thread.state.rsp, thread.state.rax, thread.state.rip, thread.state.rflags = stack, 0, s.rip, s.rflags
        thread.state.fs = segment(0x10, 0xC093, tls)
        thread.clear = child
        self.threads.append(thread)
        number = len(self.threads) + 1
        put(self.now.state.rdx, struct.pack("<I", number))
        return number

    def futex(self, address, operation, value, *_):
        operation &= 0x7F
        if operation in (0, 9):                 # WAIT, WAIT_BITSET
            if struct.unpack("<I", get(address, 4))[0] != value & 0xFFFFFFFF:
                return -errno.EAGAIN
            self.now.waits = address
            return 0
        return self.wake(address, value) if operation in (1, 10) else -errno.ENOSYS

    def wake(self, address, most):
        woken = [t for t in self.threads if t.waits == address][:most & 0x7FFFFFFF]
        for t in woken:
            t.waits = None
        return len(woken)

    def change(self, *_):
        """sched_yield: the others first."""
        self.threads.remove(self.now)
        self.threads.append(self.now)
        self.now = next(t for t in self.threads if t.waits is None)
        return 0

    def exit(self, status, *_):
        if len(self.threads) == 1:
            return self.exit_group(status)
        if self.now.clear:
            put(self.now.clear, bytes(4))
            self.wake(self.now.clear, 1)
        self.threads.remove(self.now)
        return 0

    def exit_group(self, status, *_):
        self.status = status & 0xFF
        return 0

    def read(self, fd, address, size, *_):
        data = os.read(fd, size)
        put(address, data)
        return len(data)

    def pread64(self, fd, address, size, offset, *_):
        data = os.pread(fd, size, offset)
        put(address, data)
        return len(data)

    def write(self, fd, address, size, *_):
        return os.write(fd, get(address, size))

    def writev(self, fd, vector, count, *_):
        parts = [struct.unpack("<QQ", get(vector + 16 * i, 16)) for i in range(count)]
        return os.write(fd, b"".join(get(*p) for p in parts))

    def open(self, path, flags, mode, *_):
        return os.open(text(path), flags, mode)

    def openat(self, folder, path, flags, mode, *_):
        return self.open(path, flags, mode)

    def close(self, fd, *_):
        if fd > 2:
            os.close(fd)
        return 0

    def lseek(self, fd, offset, whence, *_):
        return os.lseek(fd, offset, whence)

    def access(self, path, mode, *_):
        return 0 if os.access(text(path), mode) else -errno.ENOENT

    def ioctl(self, *_):
        return -errno.ENOTTY

    def stat(self, s, address):
        put(address, struct.pack("<QQQIIIIQqqq6q24x", s.st_dev, s.st_ino, s.st_nlink, s.st_mode, s.st_uid, s.st_gid, 0,
                                 s.st_rdev, s.st_size, s.st_blksize, s.st_blocks, int(s.st_atime), 0,
                                 int(s.st_mtime), 0, int(s.st_ctime), 0))
        return 0

    def fstat(self, fd, address, *_):
        return self.stat(os.fstat(fd), address)

    def newfstatat(self, folder, path, address, *_):
        name = text(path)
        return self.stat(os.stat(name) if name else os.fstat(folder), address)

    def mmap(self, address, size, _, flags, fd, offset):
        size = size + PAGE - 1 & -PAGE
        if not flags & 0x10:                    # MAP_FIXED
            if self.free.get(size):
                address = self.free[size].pop()
            else:
                address, self.next = self.next, self.next + size + PAGE
        if address + size > STACK - (64 << 20):
            return -errno.ENOMEM
        clear(address, size)
        if not flags & 0x20:                    # MAP_ANONYMOUS
            put(address, os.pread(fd, size, offset))
        return address

    def munmap(self, address, size, *_):
        """A part of a mapping may come here too; it is used again as what it is."""
        self.free.setdefault(size + PAGE - 1 & -PAGE, []).append(address)
        return 0

    def prlimit(self, _, kind, __, address, *___):
        if address:
            put(address, struct.pack("<QQ", 1 << 20, 1 << 20))
        return 0

    def brk(self, address, *_):
        if self.end <= address < LOADER:
            self.end = address
        return self.end

    def uname(self, address, *_):
        put(address, b"".join(f.encode().ljust(65, b"\0") for f in ("Linux", "emulated", "6.0.0", "1", "x86_64", "")))
        return 0

    def getcwd(self, address, size, *_):
        data = os.getcwdb() + b"\0"
        put(address, data)
        return len(data)

    def affinity(self, _, size, address, *__):
        put(address, struct.pack("<Q", 1))
        return 8

    def clock_gettime(self, clock, address, *_):
        now = time.clock_gettime_ns(clock)
        put(address, struct.pack("<qq", now // 10**9, now % 10**9))
        return 0

    def getrandom(self, address, size, *_):
        put(address, b"\x5a" * size)
        return size

    def arch_prctl(self, code, address, *_):
        if code != 0x1002:                      # ARCH_SET_FS
            return -errno.EINVAL
        self.now.state.fs = segment(0x10, 0xC093, address)
        return 0


class Thread:
    def __init__(self, state):
        self.state, self.waits, self.clear = state, None, None


def make_stack(arguments, environment, auxiliary):
    """argc, argv, envp and the auxiliary vector; the stack pointer."""
    top = STACK - 64

    def push(data):
        nonlocal top
        top -= len(data)
        put(top, data)
        return top

    random = push(b"\x5a" * 16)
    argv = [push(os.fsencode(a) + b"\0") for a in arguments]
    envp = [push(os.fsencode(e) + b"\0") for e in environment]
    words = [len(argv), *argv, 0, *envp, 0]
    for key, value in {**auxiliary, 25: random}.items():
        words += [key, value]
    words += [0, 0]
    top = (top - 8 * len(words)) & -64
    put(top, struct.pack(f"<{len(words)}Q", *words))
    return top


def segment(selector, attributes, base=0):
    s = bochscpu.Segment()
    s.present, s.selector, s.base, s.limit, s.attr = True, selector, base, 0xFFFFFFFF, attributes
    return s


def first_state(entry, stack):
    state = bochscpu.State()
    bochscpu.cpu.set_long_mode(state)
    state.efer |= 1                             # SYSCALL
    state.cr4 |= 1 << 9 | 1 << 10 | 1 << 18     # SSE, its exceptions, XSAVE
    state.cr3, state.xcr0 = TABLES, 0xE7        # x87, SSE, AVX, AVX-512
    state.cs = segment(0x08, 0xA09B)
    state.ds = state.es = state.ss = state.fs = state.gs = segment(0x10, 0xC093)
    state.star, state.lstar, state.sfmask = 0x08 << 32, TRAP, 0
    state.rip, state.rsp, state.rflags = entry, stack, 2
    state.mxcsr, state.mxcsr_mask, state.fpcw = 0x1F80, 0xFFFF, 0x37F
    return state


def run(program, arguments):
    make_tables()
    put(TRAP, b"\xf4")                          # hlt: where every system call goes
    entry, table, count, loader, end = load(program, PROGRAM)
    start, base = entry, 0
    if loader:
        start, base = load(loader, LOADER)[0], LOADER
    environment = [f"{k}={v}" for k, v in os.environ.items() if k.startswith("ARCANE") or k in ("TMPDIR", "PATH")]
    # AT_PHDR PHENT PHNUM PAGESZ BASE ENTRY UID EUID GID EGID SECURE
    auxiliary = {3: table, 4: 56, 5: count, 6: PAGE, 7: base, 9: entry, 11: 0, 12: 0, 13: 0, 14: 0, 23: 0}
    state = first_state(start, make_stack([program, *arguments], environment, auxiliary))
    faults, hook, session = [], bochscpu.Hook(), bochscpu.Session()
    system = Linux(end, state, lambda: session.cpu.state)

    def exception(s, _, vector, code):
        c = s.cpu.state
        faults.append(f"exception {vector} (code {code:#x}, address {c.cr2:#x}) at {c.rip:#x}")
        s.stop()

    hook.hlt = lambda s, _: s.stop()
    hook.exception = exception
    session.missing_page_handler = page_at
    while state is not None:
        session.cpu.state = state
        session.run([hook])
        if faults:
            print(f"emulate: {program}: {faults[0]}", file=sys.stderr)
            return 125
        state = system.step(session.cpu.state)
    return system.status


if __name__ == "__main__":
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    status = run(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    os._exit(status)                            # the wheel crashes in an orderly exit
