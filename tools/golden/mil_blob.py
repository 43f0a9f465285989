#!/usr/bin/env python3
"""mil_blob.py - a weight file as coremltools writes it, one blob of each element type.

usage: tools/golden/mil_blob.py FILE      (pip install coremltools==9.0; committed as tests/golden/mil/blobs.bin)

Element i of blob k is (i + 1) * (k + 3), cut to its bits, or modulo 31 for floats; see tests/ane/test_mil_blob.c, which makes the same.
"""
import sys
import numpy as np
from coremltools.libmilstoragepython import _BlobStorageWriter

# Writer of coremltools, type of NumPy, bits, elements.
KINDS = [("fp16", "float16", 16, 37), ("float", "float32", 32, 5), ("uint8", "uint8", 8, 64), ("int8", "int8", 8, 65),
         ("int16", "int16", 16, 33), ("uint16", "uint16", 16, 32), ("int4", "int8", 4, 13), ("uint1", "uint8", 1, 17),
         ("uint2", "uint8", 2, 9), ("uint4", "uint8", 4, 7), ("uint3", "uint8", 3, 11), ("uint6", "uint8", 6, 5),
         ("int32", "int32", 32, 3), ("uint32", "uint32", 32, 1)]


def main():
    writer = _BlobStorageWriter(sys.argv[1])
    for k, (name, kind, bits, n) in enumerate(KINDS):
        raw = [(i + 1) * (k + 3) % (31 if bits >= 16 and k < 2 else 1 << bits) for i in range(n)]
        if name == "int4":
            raw = [x - 16 if x > 7 else x for x in raw]
        data = np.array(raw, np.int64).astype(kind)
        getattr(writer, f"write_{name}_data")(data.view(np.uint16) if name == "fp16" else data)


main()
