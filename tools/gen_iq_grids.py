#!/usr/bin/env python3
"""gen_iq_grids - makes src/quant/iq_grids.def from the published tables.

usage: tools/gen_iq_grids.py > src/quant/iq_grids.def   (needs pip install gguf)

A point of a grid has 8 coordinates of 2 bits (IQ1, IQ2) or 4 of 4 bits (IQ3),
numbers into the few values that coordinates take.  The `gguf` package has them
as hexadecimal text of bytes; each pair of bytes becomes one 16-bit word here,
coordinate 0 in the lowest bits.
"""
import sys

from gguf import quants

GRIDS = [("iq1_grid", quants.IQ1_S, "IQ1_S and IQ1_M: 0 1 2 mean -1 0 1"),
         ("iq2xxs_grid", quants.IQ2_XXS, "IQ2_XXS: 0 1 2 mean 8 25 43"),
         ("iq2xs_grid", quants.IQ2_XS, "IQ2_XS, as above"),
         ("iq2s_grid", quants.IQ2_S, "IQ2_S, as above"),
         ("iq3xxs_grid", quants.IQ3_XXS, "IQ3_XXS: 4 12 20 28 36 44 52 62"),
         ("iq3s_grid", quants.IQ3_S, "IQ3_S: 1 3 5 7 9 11 13 15")]
HEAD = """/* iq_grids.def - the grid points of the IQ types: IQ_GRID(name, points, ...).
 *
 * Made by tools/gen_iq_grids.py; quant_block.h says how a word is read. */"""


def main():
    out = [HEAD]
    for name, kind, text in GRIDS:
        data = bytes.fromhex(kind.grid_hex.decode())
        words = [data[i] | data[i + 1] << 8 for i in range(0, len(data), 2)]
        assert len(words) == kind.grid_shape[0]
        rows = [", ".join(f"0x{w:04x}" for w in words[i:i + 9]) for i in range(0, len(words), 9)]
        out.append(f"/* {text} */\nIQ_GRID({name}, {len(words)},\n    " + ",\n    ".join(rows) + ")\n")
    text = "\n".join(out).rstrip() + "\n"
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
