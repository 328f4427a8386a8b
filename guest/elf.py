# SPDX-License-Identifier: Apache-2.0
"""A kernel's ELF without what only takes the guest's memory: pages of zeros, which RAM begins as, and pages of what the
linker fills gaps in code with. A gap of megabytes lies before and after a function that must be at an address of its
own (Linux, arch/x86/kernel/vmlinux.lds.S, srso_alias_untrain_ret)."""

import struct

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")  # Elf64_Ehdr: elf(5)
SEGMENT = struct.Struct("<IIQQQQQQ")  # Elf64_Phdr
PT_LOAD = 1
PAGE = 4096
GAP = 16 * PAGE  # of less than that no segment is divided
FILL = (b"\0", b"\xcc")


def is_fill(page):
    """Whether a page has one byte only, and that is a fill."""
    return page[:1] in FILL and not page.strip(page[:1])


def pieces(data):
    """Returns [start, end] of each part of a segment that is between gaps."""
    found = []
    for start in range(0, len(data), PAGE):
        if is_fill(data[start:start + PAGE]):
            continue
        end = min(start + PAGE, len(data))
        if found and start - found[-1][1] < GAP:
            found[-1][1] = end
        else:
            found.append([start, end])
    return found


def divide(segment, data):
    """Returns (header, bytes) of each segment that takes this one's place. The last has the memory that is not in the
    file, if there is any."""
    kind, flags, offset, virtual, physical, size, memory, align = segment
    if kind != PT_LOAD or physical % PAGE or not (parts := pieces(data)):
        return [(segment, data)]
    ends = [end for _, end in parts[:-1]] + [memory if memory > size else parts[-1][1]]
    return [((kind, flags, offset, virtual + start, physical + start, end - start, ends[i] - start, min(align, PAGE)),
             data[start:end]) for i, (start, end) in enumerate(parts)]


def packed(image):
    """Returns the image of a kernel, if it is an ELF of 64 bits, with such gaps and without sections."""
    if image[:6] != b"\x7fELF\x02\x01":
        return image
    header = list(HEADER.unpack_from(image))
    first, size, count = header[5], header[9], header[10]
    segments = []
    for number in range(count):
        segment = SEGMENT.unpack_from(image, first + number * size)
        segments += divide(segment, image[segment[2]:segment[2] + segment[5]])
    header[5:7] = HEADER.size, 0
    header[9:] = SEGMENT.size, len(segments), 0, 0, 0
    table, body = HEADER.pack(*header), b""
    begin = -(-(HEADER.size + SEGMENT.size * len(segments)) // PAGE) * PAGE
    for segment, data in segments:
        table += SEGMENT.pack(*segment[:2], begin + len(body), *segment[3:])
        body += data + bytes(-len(data) % PAGE)
    return table.ljust(begin, b"\0") + body
