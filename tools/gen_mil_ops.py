#!/usr/bin/env python3
"""gen_mil_ops.py - src/backend/ane/mil_ops.def out of coremltools' op definitions.

usage: tools/gen_mil_ops.py > src/backend/ane/mil_ops.def     (pip install coremltools==9.0)

One row for each operation and opset that changed it.  Facts only: names, types, which arguments must be constants, defaults.
"""
import contextlib, io, logging, sys

logging.disable(logging.CRITICAL)
with contextlib.redirect_stderr(io.StringIO()):
    import coremltools as ct
    from coremltools.converters.mil import Builder  # registers the operations
    from coremltools.converters.mil.mil import types
    from coremltools.converters.mil.mil.input_type import ListOrTensorOrDictInputType, StateInputType, TensorInputType, TupleInputType
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

# One letter for each element type; ORDER: mil_ops.c.
LETTERS = dict(fp16="h", fp32="f", fp64="d", int4="j", int8="c", int16="s", int32="i", int64="l", uint1="1", uint2="2", uint3="3",
               uint4="4", uint6="6", uint8="C", uint16="S", uint32="I", uint64="L", bool="b", string="t")

# Operations of programs that the registry does not have, or arguments that programs have and it has not.
#   const: takes the type of what it is given.
#   state ops: coremltools' own dialect, and what it writes for it (backend/mil/load.py).
#   instance_norm eps: programs of the ane crate (ncdrone, computer-graphics-tools).
EXTRA_OPS = {
    "const": {15: "val:"},
    "coreml_update_state": {15: "state&:hfcsiCSb value:hfcsiCSb"},
    "write_state": {18: "input&:hfcsiCSb data:hfcsiCSb"},
}
EXTRA_ARGS = {"instance_norm": "eps?!:hf=1e-05"}
LEFT_OUT = {"_const_symbolic", "const", "cond", "while_loop"}  # const is below; the last two need blocks


class Fake:
    """Stands for an input where a default depends on one."""
    rank, dtype, shape, val = 4, types.fp16, (1, 1, 1, 1), None


def defaults(cls):
    o = object.__new__(cls)
    for name in cls.input_spec.input_types:
        with contextlib.suppress(Exception):
            object.__setattr__(o, name, Fake())
    try:
        return dict(cls.default_inputs(o).items())
    except Exception:
        return {}


def value(v):
    """A default as text; a list of one number repeated is that number."""
    if v is None or isinstance(v, (Fake, range)) or (hasattr(v, "__len__") and not isinstance(v, str) and len(v) == 0):
        return ""
    if isinstance(v, bool):
        return "=true" if v else "=false"
    if isinstance(v, (list, tuple)):
        return value(v[0]) if len({str(x) for x in v}) == 1 else ""
    return f"={v}" if not hasattr(v, "item") else f"={v.item()}"


def letters(domain):
    names = [types.builtin_to_string(t) for t in domain]
    return "".join(c for n, c in LETTERS.items() if n in names or (n == "string" and "str" in names))


def signature(op, cls):
    d = defaults(cls)
    out = []
    for name, t in cls.input_spec.input_types.items():
        if isinstance(t, TensorInputType):
            # type_domain gives the list; its id, where it has one, makes equal ids equal types
            tid = getattr(t, "type_domain_id", None)
            group = f"/{tid}" if isinstance(tid, str) and sum(
                getattr(u, "type_domain_id", None) == tid for u in cls.input_spec.input_types.values()) > 1 else ""
            domain = cls.type_domains[tid] if isinstance(tid, str) else t.type_domain
            a = f"{name}{'?' if t.optional else ''}{'!' if t.const else ''}:{letters(domain)}{group}"
        else:
            many = "*" if isinstance(t, (TupleInputType, ListOrTensorOrDictInputType)) else ""
            state = "&" if isinstance(t, StateInputType) else ""
            a = f"{name}{many}{state}{'?' if t.optional else ''}{'!' if t.const else ''}:"
        out.append(a + (value(d.get(name)) if t.optional else ""))
    if op in EXTRA_ARGS:
        out.append(EXTRA_ARGS[op])
    return " ".join(out)


def main():
    ops = dict(EXTRA_OPS)
    for op, versions in SSAOpRegistry.core_ops.items():
        if op in LEFT_OUT:
            continue
        last, rows = None, {}
        for target, cls in sorted(versions.items(), key=lambda x: int(x[0])):
            if cls is not last:
                number = max(15, int(target.name.replace("iOS", "")))
                rows[number] = signature(op, cls)
            last = cls
        ops[op] = rows
    print(f"""/* mil_ops.def - operations of MIL and their arguments.
 *
 * Made by tools/gen_mil_ops.py from the definitions of coremltools {ct.__version__}.
 *
 * MIL_OP(name): an operation, in order of names.  MIL_SIG(name, opset, "..."):
 * its arguments from that opset on (15 = ios15).  An argument is
 *
 *   name * & ? ! : types / group = default
 *
 * with * for a list of values, & for a state, ? if it may be absent, ! if it
 * must be a constant, a letter for each element type that it may have (none:
 * any), and = the value that is taken in its absence (each element of a list).
 * Arguments of one group have one type.  Any may have a name, too (a debugging
 * aid).  Letters: {' '.join(f'{c} {n}' for n, c in list(LETTERS.items())[:8])}
 * {' '.join(f'{c} {n}' for n, c in list(LETTERS.items())[8:])}. */
#ifndef MIL_OP
#define MIL_OP(name)
#endif
#ifndef MIL_SIG
#define MIL_SIG(name, opset, arguments)
#endif
""", end="")
    for op in sorted(ops):
        print(f"MIL_OP({op})")
        for n, s in ops[op].items():
            print(f'MIL_SIG({op}, {n}, "{s}")')
    print("#undef MIL_OP\n#undef MIL_SIG")


if __name__ == "__main__":
    main()
