"""Messages to and from the zygote: a length, a JSON header, and the contents as bytes."""

import ctypes
import json
import mmap
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any


def send(
    connection: socket.socket, header: dict[str, Any], contents: Sequence[memoryview] = ()
) -> None:
    encoded = json.dumps({**header, "sizes": [len(content) for content in contents]}).encode()
    connection.sendall(struct.pack(">I", len(encoded)) + encoded)
    for content in contents:
        connection.sendall(content)


def receive_header(connection: socket.socket) -> dict[str, Any] | None:
    """The header of the next message; None if the other side has closed the connection."""
    length = connection.recv(4, socket.MSG_WAITALL)
    if len(length) < 4:
        return None
    (size,) = struct.unpack(">I", length)
    header: dict[str, Any] = json.loads(connection.recv(size, socket.MSG_WAITALL))
    return header


def receive_into(connection: socket.socket, contents: mmap.mmap, size: int) -> None:
    with memoryview(contents) as view:
        done = 0
        while done < size:
            with view[done:size] as rest:
                count = connection.recv_into(rest)
            if count == 0:
                raise EOFError("the connection ended within a request")
            done += count


def write(descriptor: int, contents: mmap.mmap, begin: int, end: int) -> None:
    with memoryview(contents) as view:
        while begin < end:
            with view[begin:end] as rest:
                begin += os.write(descriptor, rest)


def sealed(contents: mmap.mmap, part: tuple[int, int]) -> int:
    """A descriptor for reading that part; it cannot be written to or grow."""
    descriptor = os.memfd_create("stdin", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    write(descriptor, contents, *part)
    os.lseek(descriptor, 0, os.SEEK_SET)
    add_seals, seal_all = 1033, 0xF
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fcntl(descriptor, add_seals, seal_all) != 0:
        os.close(descriptor)
        raise OSError(ctypes.get_errno(), "the program's input cannot be sealed")
    return descriptor
