"""Bodies of HTTP requests and answers: chunks, Content-Encoding and ClickHouse's own compressed frames.

A frame is CityHash128 v1.0.2 of the rest (16 bytes), a method (0x82 LZ4, 0x02 none), the size of the rest without the
hash (u32, little endian), the size of the data (u32) and the data. Source: ClickHouse's CompressedReadBufferBase.cpp.
"""

import struct
import zlib

import lz4.block
import lz4.frame
from clickhouse_cityhash.cityhash import CityHash128

from clickhouse_error import DbError

BLOCK = 1 << 20
HEADER = struct.Struct("<BII")
LZ4, NONE, ZSTD = 0x82, 0x02, 0x90
MAX_FRAME = 1 << 30


class Truncated(Exception):
    """The client went away in the middle of a body."""


def received(headers, stream):
    """The body of a request as it comes, in blocks of some size, lazily."""
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        return chunked(stream)
    return sized(stream, int(headers.get("Content-Length") or 0))


def decoded(raw, headers, framed):
    """The same without its Content-Encoding and, when `framed`, without ClickHouse's frames."""
    plain = content_decoded(raw, headers.get("Content-Encoding", "").lower())
    return unframed(plain) if framed else plain


def sized(stream, left):
    while left:
        block = stream.read(min(left, BLOCK))
        if not block:
            raise Truncated
        left -= len(block)
        yield block


def chunked(stream):
    while True:
        line = stream.readline(256)
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise Truncated from None
        if size == 0:
            while stream.readline(8192).strip():
                pass
            return
        yield from sized(stream, size)
        stream.readline(8)


def content_decoded(raw, encoding):
    if encoding in ("", "identity"):
        return raw
    if encoding in ("gzip", "x-gzip", "deflate"):
        return inflated(raw, zlib.decompressobj(wbits=47))
    if encoding == "lz4":
        return inflated(raw, lz4.frame.LZ4FrameDecompressor())
    raise DbError(48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding} (this stand-in knows gzip, deflate and lz4)")


def inflated(raw, decoder):
    for block in raw:
        try:
            yield decoder.decompress(block)
        except (zlib.error, RuntimeError) as error:
            raise DbError(271, "CANNOT_DECOMPRESS", str(error)) from None
    if not decoder.eof:
        raise DbError(271, "CANNOT_DECOMPRESS", "the compressed body ends early")


def unframed(raw):
    source = Window(raw)
    while head := source.take(16 + HEADER.size, may_end=True):
        method, size, original = HEADER.unpack_from(head, 16)
        if not HEADER.size <= size <= MAX_FRAME or original > MAX_FRAME:
            raise DbError(12, "PARAMETER_OUT_OF_BOUND", f"Frame sizes are out of bounds: {size}, {original}")
        frame = head[16:] + source.take(size - HEADER.size)
        if CityHash128(frame) != from_hash(head[:16]):
            raise DbError(40, "CHECKSUM_DOESNT_MATCH", "Checksum doesn't match: corrupted data")
        yield from decompressed(method, memoryview(frame)[HEADER.size:], original)


def decompressed(method, data, original):
    if method == ZSTD:
        raise DbError(48, "NOT_IMPLEMENTED", "ZSTD frames (this stand-in knows LZ4 and none)")
    if method not in (LZ4, NONE):
        raise DbError(89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method: {method:#x}")
    try:
        plain = lz4.block.decompress(data, uncompressed_size=original) if method == LZ4 else bytes(data)
    except lz4.block.LZ4BlockError as error:
        raise DbError(271, "CANNOT_DECOMPRESS", f"Cannot decompress: {error}") from None
    if len(plain) != original:
        raise DbError(271, "CANNOT_DECOMPRESS", f"Cannot decompress: {len(plain)} bytes instead of {original}")
    yield plain


def framed(plain):
    """An answer in frames, for `compress=1`."""
    frames = []
    for at in range(0, len(plain), BLOCK):
        block = plain[at:at + BLOCK]
        data = lz4.block.compress(block, store_size=False)
        frame = HEADER.pack(LZ4, HEADER.size + len(data), len(block)) + data
        frames += [to_hash(CityHash128(frame)), frame]
    return b"".join(frames)


def from_hash(stored):
    low, high = struct.unpack("<QQ", stored)
    return low << 64 | high


def to_hash(number):
    return struct.pack("<QQ", number >> 64, number & (1 << 64) - 1)


class Window:
    """Takes exact numbers of bytes from an iterator of blocks."""

    def __init__(self, source):
        self.source, self.held, self.at = iter(source), b"", 0

    def take(self, count, may_end=False):
        pieces, missing = [], count
        while missing:
            if self.at == len(self.held):
                self.held, self.at = next(self.source, None), 0
                if self.held is None:
                    if may_end and missing == count:
                        return b""
                    raise DbError(33, "CANNOT_READ_ALL_DATA", "Cannot read all data: a compressed frame ends early")
            piece = self.held[self.at:self.at + missing]
            self.at += len(piece)
            missing -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
