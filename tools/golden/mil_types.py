#!/usr/bin/env python3
"""mil_types.py - what types coremltools gives the results of random MIL operations.

usage: tools/golden/mil_types.py [SEED [SCALE]] > tests/golden/mil/types.mil      (pip install coremltools==9.0)

Each case is a function of one statement with the types that coremltools infers; one whose name begins with "bad" it refuses.
Cases are drawn from a seed; half of them have one thing changed (a size, a type, an argument).  What coremltools lets
through although sizes do not follow (see STRICTER) is left out.
"""
import contextlib, io, logging, random, sys

logging.disable(logging.CRITICAL)
with contextlib.redirect_stderr(io.StringIO()):
    import numpy as np
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb, Function, types
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
    from coremltools.converters.mil.mil.types.type_mapping import nptype_from_builtin

R = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
SCALE = int(sys.argv[2]) if len(sys.argv) > 2 else 2
TARGETS = {15: ct.target.iOS15, 16: ct.target.iOS16, 17: ct.target.iOS17, 18: ct.target.iOS18}
# Operations that coremltools accepts with shapes that cannot be (a part behind the end, blocks that do not divide, an axis that
# is none): changed cases of these are kept only where it refuses them.
STRICTER = set("""argsort band_part batch_norm batch_to_space concat conv conv_transpose crop cumsum depth_to_space expand_dims
flatten2d gather gather_nd instance_norm layer_norm local_response_norm matmul pixel_shuffle pixel_unshuffle prelu range_1d
reduce_l1_norm reduce_l2_norm reduce_log_sum reduce_log_sum_exp reduce_max reduce_mean reduce_min reduce_prod reduce_sum
reduce_sum_square reduce_argmax reduce_argmin reverse reverse_sequence slice_by_index slice_by_size slice_update sliding_windows
softmax space_to_batch space_to_depth split squeeze stack topk transpose upsample_bilinear upsample_nearest_neighbor linear
constexpr_lut_to_dense constexpr_sparse_to_dense pad select reshape reshape_like one_hot fill gelu avg_pool max_pool l2_pool""".split())


class V:
    """An argument: a value of the program (const False), a constant with its elements, or a constant in a file (val None)."""

    def __init__(self, kind, shape=(), val=None, const=False):
        self.kind, self.shape, self.val, self.const = kind, tuple(int(d) for d in shape), val, const


def x(kind, *shape): return V(kind, shape)
def w(kind, *shape): return V(kind, shape, const=True)
def c(kind, val): return V(kind, np.shape(val), val, True)
def i32(*val): return c("int32", list(val))
def one(v): return c("int32", v)
def flag(v): return c("bool", bool(v))
def text(v): return c("string", v)


def numpy_kind(kind):
    return nptype_from_builtin(types.string_to_builtin(kind))


# ---- in coremltools ----

def constant(v):
    if v.kind == "string":
        return mb.const(val=v.val)
    data = np.zeros(v.shape) if v.val is None else np.array(v.val)
    data = data.astype(numpy_kind(v.kind))
    return mb.const(val=data if v.shape else data[()] if isinstance(data, np.ndarray) else data)


def infer(op, opset, args):
    """Types of the results as (kind, shape), or None if it is refused."""
    ins, names = {}, {}
    flat = [(k, v) for k, vs in args.items() for v in (vs if isinstance(vs, list) else [vs])]
    for k, v in flat:
        if not v.const:
            names[id(v)] = f"p{len(ins)}"
            ins[names[id(v)]] = mb.placeholder(shape=v.shape, dtype=types.string_to_builtin(v.kind), allow_rank0_input=True)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            with Function(ins, opset_version=TARGETS[opset]) as f:
                get = lambda v: constant(v) if v.const else f.inputs[names[id(v)]]
                out = getattr(mb, op)(**{k: [get(e) for e in v] if isinstance(v, list) else get(v) for k, v in args.items()})
    except Exception:  # its refusals are of many kinds
        return None
    outs = list(out) if isinstance(out, (list, tuple)) else [out]
    result = []
    for o in outs:
        dims = [d for d in o.shape]
        if any(not isinstance(d, (int, np.integer, float, np.floating)) or d != int(d) or d < 0 for d in dims):
            return "nonsense"
        result.append((types.builtin_to_string(o.dtype), tuple(int(d) for d in dims)))
    return result


# ---- as text ----

def kind_text(kind, shape):
    return f"tensor<{kind},[{','.join(map(str, shape))}]>" if shape else kind


def literal(v):
    t = kind_text(v.kind, v.shape)
    if v.kind == "string":
        return f'string("{v.val}")'
    if v.val is None:
        return f'{t}(BLOBFILE(path=string("w"),offset=uint64(64)))'
    flat = np.array(v.val).flatten().tolist()
    words = [str(e).lower() if v.kind == "bool" or "fp" in v.kind else str(int(e)) for e in flat]
    return f"{t}([{','.join(words)}])" if v.shape else f"{t}({words[0]})"


def statement(n, op, opset, args, result):
    params, given = [], []

    def value(v):
        if v.const:
            return literal(v)
        params.append(f"{kind_text(v.kind, v.shape)} p{len(params)}")
        return f"p{len(params) - 1}"

    for k, v in args.items():
        given.append(f"{k}=" + (f"({','.join(value(e) for e in v)})" if isinstance(v, list) else value(v)))
    good = isinstance(result, list)
    outs = ",".join(f"{kind_text(*r)} y{i}" for i, r in enumerate(result if good else [("fp16", (1,))]))
    name = f"{'c' if good else 'bad'}{n}"
    return f"func {name}<ios{opset}>({','.join(params)}){{{outs}={op}({','.join(given)});}}->();"


# ---- drawing cases ----

def dim(): return R.choice([1, 2, 3, 4, 6, 8, 12])
def shape(lo=1, hi=4): return [dim() for _ in range(R.randint(lo, hi))]
def axis(rank): return R.randint(-rank, rank - 1)
def real(): return R.choice(["fp16", "fp32"])
def maybe(args, **more):
    for k, v in more.items():
        if R.random() < 0.6:
            args[k] = v
    return args


def broadcastable(s):
    t = [1 if R.random() < 0.3 else d for d in s]
    return t[R.randint(0, len(t)):] if R.random() < 0.4 else t


def unary(extra=None):
    def make(o):
        k = real()
        return {"x": x(k, *shape(1, 5)), **({n: c(k, v) for n, v in extra.items()} if extra else {})}
    return make


def binary(kinds):
    def make(o):
        k, s = R.choice(kinds), shape(1, 5)
        a, b = s, broadcastable(s)
        if R.random() < 0.5:
            a, b = b, a
        return {"x": x(k, *a), "y": x(k, *b)}
    return make


def reduce(o):
    s = shape(1, 5)
    axes = R.sample(range(len(s)), R.randint(1, len(s)))
    axes = [a - len(s) if R.random() < 0.4 else a for a in axes]
    return maybe({"x": x(R.choice(["fp16", "fp32", "int32"]), *s)}, axes=i32(*axes), keep_dims=flag(R.random() < 0.5))


def reduce_arg(o):
    s = shape(2, 4)
    return maybe({"x": x(real(), *s)}, axis=one(axis(len(s))), keep_dims=flag(R.random() < 0.5))


def window(n, pad_types):
    a = maybe({}, strides=i32(*[R.randint(1, 3) for _ in range(n)]))
    a["pad_type"] = text(R.choice(pad_types))
    if a["pad_type"].val == "custom" or R.random() < 0.3:
        a["pad"] = i32(*[R.randint(0, 2) for _ in range(2 * n)])
    return a


def conv(o):
    n, g, k = R.randint(1, 3), R.choice([1, 1, 2, 3]), real()
    args = {"x": x(k, R.randint(1, 2), g * R.randint(1, 3), *[R.randint(5, 12) for _ in range(n)])}
    out = g * R.randint(1, 3)
    args["weight"] = w(k, out, args["x"].shape[1] // g, *[R.randint(1, 3) for _ in range(n)])
    args.update(window(n, ["valid", "same", "custom"] + (["same_lower"] if o > 15 else [])))
    if g > 1 or R.random() < 0.3:
        args["groups"] = one(g)
    return maybe(args, bias=w(k, out), dilations=i32(*[R.randint(1, 2) for _ in range(n)]))


def conv_transpose(o):
    n, g, k = R.randint(1, 2), R.choice([1, 1, 2]), real()
    args = {"x": x(k, 1, g * R.randint(1, 3), *[R.randint(4, 8) for _ in range(n)])}
    each = R.randint(1, 3)
    args["weight"] = w(k, args["x"].shape[1], each, *[R.randint(2, 4) for _ in range(n)])
    args.update(window(n, ["valid", "same", "custom"]))
    args["groups"] = one(g)
    return maybe(args, bias=w(k, each * g))


def pool(o):
    n = R.randint(1, 3)
    args = {"x": x(real(), 1, dim(), *[R.randint(5, 12) for _ in range(n)]), "kernel_sizes": i32(*[R.randint(1, 4) for _ in range(n)])}
    args.update(window(n, ["valid", "same", "custom"] + (["same_lower"] if o > 15 else [])))
    return maybe(args, ceil_mode=flag(R.random() < 0.4))


def linear(o):
    k, s = real(), shape(1, 3)
    out = dim()
    return maybe({"x": x(k, *s), "weight": w(k, out, s[-1])}, bias=w(k, out))


def matmul(o):
    k, batch = real(), shape(0, 2)
    a, b, d = dim(), dim(), dim()
    tx, ty = R.random() < 0.4, R.random() < 0.4
    left = broadcastable(batch) + ([b, a] if tx else [a, b])
    right = broadcastable(batch) + ([d, b] if ty else [b, d])
    return maybe({"x": x(k, *left), "y": (w if R.random() < 0.3 else x)(k, *right)},
                 **({"transpose_x": flag(tx)} if tx else {}), **({"transpose_y": flag(ty)} if ty else {}))


def einsum(o):
    a, b, cc, d, e = (dim() for _ in range(5))
    k = real()
    if R.random() < 0.5:
        return {"values": [x(k, a, b, cc, d), x(k, R.choice([a, 1]), d, R.choice([cc, 1]), e)],
                "equation": text(R.choice(["abcd,adce->abce", "nkct,ntcs->nkcs"]))}
    return {"values": [x(k, b, cc, d), x(k, d, R.choice([cc, 1]), e)], "equation": text("vnm,mno->vno")}


def attention(o):
    k, b = real(), shape(1, 2)
    l, s, e, v = dim(), dim(), dim(), dim()
    return maybe({"query": x(k, *b, l, e), "key": x(k, *b, s, e), "value": x(k, *b, s, v)},
                 attn_mask=x(R.choice([k, "bool"]), *broadcastable(b + [l]), s))


def reshape(o):
    s = shape(1, 4)
    n = int(np.prod(s))
    t = []
    rest = n
    for _ in range(R.randint(0, 3)):
        f = R.choice([f for f in (1, 2, 3, 4) if rest % f == 0])
        t.append(f)
        rest //= f
    t.append(rest)
    if R.random() < 0.4:
        t[R.randrange(len(t))] = -1
    elif len(t) == len(s) and R.random() < 0.3:
        t = [0] * len(s)
    return {"x": x(R.choice(["fp16", "int32", "bool"]), *s), "shape": i32(*t)}


def transpose(o):
    s = shape(1, 5)
    p = list(range(len(s)))
    R.shuffle(p)
    return {"x": x(real(), *s), "perm": i32(*[q - len(s) if R.random() < 0.2 else q for q in p])}


def expand_dims(o):
    s, n = shape(1, 3), R.randint(1, 2)
    return {"x": x(real(), *s), "axes": i32(*R.sample(range(len(s) + n), n))}


def squeeze(o):
    s = shape(2, 4)
    s[R.randrange(len(s))] = 1
    return maybe({"x": x(real(), *s)}, axes=i32(s.index(1) - (len(s) if R.random() < 0.3 else 0)))


def blocks(key, up):
    def make(o):
        f = R.randint(1, 3)
        s = [1, dim() * f * f, dim(), dim()] if up else [1, dim(), dim() * f, dim() * f]
        return {"x": x(real(), *s), key: c("uint32" if "unshuffle" in key or key == "downscale_factor" else "int32", f)}
    return make


def space_to_batch(o):
    b, p = [R.randint(1, 3), R.randint(1, 2)], [[R.randint(0, 2), 0], [0, R.randint(0, 1)]]
    s = [R.randint(1, 4) * b[i] - p[i][0] - p[i][1] + 4 * b[i] for i in range(2)]
    return {"x": x(real(), dim(), dim(), *s), "block_shape": i32(*b), "paddings": c("int32", p)}


def batch_to_space(o):
    b, p = [R.randint(1, 3), R.randint(1, 2)], [[R.randint(0, 1), 0], [0, R.randint(0, 1)]]
    return {"x": x(real(), dim() * b[0] * b[1], dim(), dim() + 2, dim() + 2), "block_shape": i32(*b), "crops": c("int32", p)}


def concat(o):
    s = shape(1, 4)
    a = R.randrange(len(s))
    k = R.choice(["fp16", "fp32", "int32"])
    same = R.random() < 0.3
    parts = [x(k, *[d if i != a or same else dim() for i, d in enumerate(s)]) for _ in range(R.randint(1, 4))]
    return maybe({"values": parts, "axis": one(a - (len(s) if R.random() < 0.3 else 0))}, **({"interleave": flag(True)} if same else {}))


def split(o):
    s = shape(1, 4)
    a = R.randrange(len(s))
    n = R.randint(1, 4)
    if R.random() < 0.5:
        s[a] = n * dim()
        return {"x": x(real(), *s), "num_splits": one(n), "axis": one(a)}
    sizes = [dim() for _ in range(n)]
    s[a] = sum(sizes)
    return {"x": x(real(), *s), "split_sizes": i32(*sizes), "axis": one(a - len(s))}


def stack(o):
    s, k = shape(1, 3), real()
    return {"values": [x(k, *s) for _ in range(R.randint(1, 3))], "axis": one(R.randint(-len(s) - 1, len(s)))}


def slices(s):
    begin, end, stride, masks = [], [], [], [[], [], []]
    for d in s:
        b = R.randrange(d)
        e = R.randint(b + 1, d)
        if R.random() < 0.25:
            b -= d
        if R.random() < 0.25 and e < d:
            e -= d
        begin.append(b), end.append(e), stride.append(R.choice([1, 1, 1, 2, 3]))
        for m, p in zip(masks, (0.25, 0.25, 0.1)):
            m.append(R.random() < p)
    if all(masks[2]):
        masks[2][0] = False
    return begin, end, stride, masks


def slice_by_index(o):
    s = shape(1, 4)
    b, e, st, m = slices(s)
    return maybe({"x": x(real(), *s), "begin": i32(*b), "end": i32(*e)}, stride=i32(*st), begin_mask=c("bool", m[0]),
                 end_mask=c("bool", m[1]), squeeze_mask=c("bool", m[2]))


def slice_update(o):
    s, k = shape(1, 4), real()
    b = [R.randrange(d) for d in s]
    e = [R.randint(lo + 1, d) for lo, d in zip(b, s)]
    return {"x": x(k, *s), "update": x(k, *[hi - lo for lo, hi in zip(b, e)]), "begin": i32(*b), "end": i32(*e)}


def slice_by_size(o):
    s = shape(1, 4)
    b = [R.randrange(d) for d in s]
    return {"x": x(real(), *s), "begin": i32(*b), "size": i32(*[-1 if R.random() < 0.3 else R.randint(1, d - lo) for lo, d in zip(b, s)])}


def gather(o):
    s, t = shape(1, 3), shape(0, 2)
    a = R.randrange(len(s))
    args = {"x": x(R.choice(["fp16", "int32"]), *s), "indices": x("int32", *t) if R.random() < 0.7 else c("int32", [0] * R.randint(1, 3)), "axis": one(a)}
    return maybe(args, **({"batch_dims": one(0)} if o >= 16 else {}), **({"validate_indices": flag(R.random() < 0.5)} if o >= 17 else {}))


def gather_along_axis(o):
    s = shape(1, 3)
    a = R.randrange(len(s))
    return {"x": x(real(), *s), "indices": x("int32", *[dim() if i == a else d for i, d in enumerate(s)]), "axis": one(a)}


def gather_nd(o):
    s, d = shape(2, 4), R.randint(1, 2)
    return {"x": x(real(), *s), "indices": x("int32", *shape(0, 2), d)}


def scatter(o):
    s, t, k = shape(1, 3), shape(1, 2), real()
    a = R.randrange(len(s))
    return maybe({"data": x(k, *s), "indices": x("int32", *t), "updates": x(k, *s[:a], *t, *s[a + 1:]), "axis": one(a)}, mode=text("add"))


def scatter_along_axis(o):
    s, k = shape(1, 3), real()
    a = R.randrange(len(s))
    t = [dim() if i == a else d for i, d in enumerate(s)]
    return {"data": x(k, *s), "indices": x("int32", *t), "updates": x(k, *t), "axis": one(a)}


def scatter_nd(o):
    s, t, k = shape(2, 4), shape(1, 2), real()
    d = R.randint(1, 2)
    return {"data": x(k, *s), "indices": x("int32", *t, d), "updates": x(k, *t, *s[d:])}


def topk(o):
    s = shape(1, 3)
    a = R.randrange(len(s))
    args = maybe({"x": x(real(), *s), "k": one(R.randint(1, s[a])), "axis": one(a)}, ascending=flag(True))
    if o >= 16 and R.random() < 0.5:
        args["return_indices"] = flag(R.random() < 0.6)
    if o >= 17 and R.random() < 0.4:
        args["output_indices_dtype"] = text("uint16")
    return args


def quantize(o):
    s, k, q = shape(1, 4), real(), R.choice(["int8", "uint8"])
    a = R.randrange(len(s))
    args = {"input": x(k, *s), "output_dtype": text(q)}
    if R.random() < 0.5:
        return maybe({**args, "scale": c(k, 0.5)}, zero_point=c(q, 1))
    return maybe({**args, "scale": w(k, s[a]), "axis": one(a)}, zero_point=w(q, s[a]))


def dequantize(o):
    s, k, q = shape(1, 4), real(), R.choice(["int8", "uint8"])
    a = R.randrange(len(s))
    args = {"input": x(q, *s)}
    if R.random() < 0.5:
        return maybe({**args, "scale": c(k, 0.5)}, zero_point=c(q, 1))
    return maybe({**args, "scale": w(k, s[a]), "axis": one(a)}, zero_point=w(q, s[a]))


def affine(o):
    s, k, q = shape(1, 4), real(), R.choice(["int8", "uint8"])
    a = R.randrange(len(s))
    vector = R.random() < 0.5
    return {"quantized_data": w(q, *s), "scale": w(k, s[a]) if vector else c(k, 0.5), "zero_point": c(q, 1), "axis": one(a - len(s))}


def blockwise(o):
    n = R.randint(1, 4)
    s = [dim() for _ in range(n)]
    b = [d * R.randint(1, 3) for d in s]
    k, q = real(), R.choice(["int8", "uint8", "int4", "uint4"])
    return maybe({"data": w(q, *b), "scale": w(k, *s)}, offset=w(R.choice([q, k]), *s))


def lut(o):
    k = real()
    if o < 18:
        bits, s = R.choice([1, 2, 4, 6, 8]), shape(1, 3)
        return {"indices": w("uint8", (bits * int(np.prod(s)) + 7) // 8), "lut": w(k, 2**bits), "shape": c("uint32", s)}
    bits, n = R.choice([1, 2, 3, 4, 6]), R.randint(1, 3)
    groups = [R.randint(1, 2) for _ in range(n)]
    s = [g * R.randint(1, 3) for g in groups]
    vector = R.choice([1, 1, 2])
    args = {"indices": w(f"uint{bits}", *s), "lut": w(k, *groups, 2**bits, vector)}
    if vector > 1:
        args["vector_axis"] = one(R.randrange(n))
    return args


def sparse(o):
    s = shape(1, 3)
    n = int(np.prod(s))
    bits = [R.random() < 0.5 for _ in range(n)]
    if o >= 18:
        return {"nonzero_data": w(real(), sum(bits)), "mask": c("uint1", np.array(bits, int).reshape(s).tolist())}
    packed = np.packbits(np.array(bits), bitorder="little").tolist()
    return {"nonzero_data": w(real(), sum(bits)), "mask": c("uint8", packed), "shape": c("uint32", s)}


def mask_of(s):
    bits = [R.random() < 0.5 for _ in range(int(np.prod(s)))]
    return c("uint1", np.array(bits, int).reshape(s).tolist()), sum(bits)


def lut_to_sparse(o):
    bits, n, k = R.choice([1, 2, 4]), R.randint(1, 3), real()
    groups = [R.randint(1, 2) for _ in range(n)]
    mask, count = mask_of([g * R.randint(1, 3) for g in groups])
    vector = R.choice([1, 2])
    args = {"indices_mask": mask, "indices_nonzero_data": w(f"uint{bits}", count), "lut": w(k, *groups, 2**bits, vector)}
    return {**args, "vector_axis": one(R.randrange(n))} if vector > 1 else args


def sparse_blockwise(o):
    k, s = real(), shape(1, 3)
    mask, count = mask_of([d * R.randint(1, 2) for d in s])
    return {"data_mask": mask, "nonzero_data": w("int8", count), "scale": w(k, *s)}


def reshape_like(o):
    s, t = shape(1, 3), shape(1, 2)
    return {"x": x(real(), int(np.prod(s + t))), "ref_tensors": [x("fp16", *s), x("int32", 5, *t)], "begins": [one(0), one(1)],
            "ends": [one(len(s)), one(1)], "end_masks": [flag(False), flag(True)]}


def cast(o):
    return {"x": x(R.choice(["fp16", "fp32", "int32", "bool"] + (["int8", "uint16"] if o > 16 else [])), *shape(0, 4)),
            "dtype": text(R.choice(["fp16", "fp32", "int32", "bool"] + (["int8", "uint8", "int16", "uint16"] if o > 16 else ["int8"])))}


def layer_norm(o):
    s, k = shape(2, 4), real()
    n = R.randint(1, 2)
    return maybe({"x": x(k, *s), "axes": i32(*range(len(s) - n, len(s)))}, epsilon=c(k, 0.001),
                 **({"gamma": w(k, *s[-n:]), "beta": w(k, *s[-n:])} if R.random() < 0.5 else {"gamma": w(k, *s[-n:])}))


def norm(o):
    k, s = real(), [1, dim(), dim(), dim()]
    return maybe({"x": x(k, *s)}, gamma=w(k, s[1]), beta=w(k, s[1]), epsilon=c(k, 0.001))


def batch_norm(o):
    k, s = real(), [1, dim(), dim(), dim()]
    return maybe({"x": x(k, *s), "mean": w(k, s[1]), "variance": w(k, s[1])}, gamma=w(k, s[1]), beta=w(k, s[1]))


def select(o):
    s, k = shape(1, 4), R.choice(["fp16", "fp32", "int32"])
    return {"cond": x("bool", *s), "a": x(k, *s), "b": x(k, *s)}


def pad(o):
    s = shape(1, 4)
    n = R.randint(1, len(s))
    args = {"x": x(real(), *s), "pad": i32(*[R.randint(0, 2) for _ in range(2 * n)])}
    return {**args, "mode": text("constant")} if R.random() < 0.5 else args


def prelu(o):
    k, s = real(), shape(3, 4)
    return {"x": x(k, *s), "alpha": w(k, s[1])}


def axis_op(lo, extra=()):
    def make(o):
        s = shape(lo, 4)
        return maybe({"x": x(real(), *s)}, axis=one(R.randrange(len(s))), **{k: v() for k, v in extra})
    return make


MAKERS = {
    "softmax": axis_op(1), "cumsum": axis_op(1), "argsort": axis_op(1), "cast": cast, "select": select, "gelu":
    lambda o: maybe({"x": x(real(), *shape())}, mode=text(R.choice(["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION", "OTHER"]))),
    "clip": lambda o: (lambda k: {"x": x(k, *shape()), "alpha": c(k, R.choice([-1.0, 0.5])), "beta": c(k, R.choice([0.25, 1.0]))})(real()),
    "layer_norm": layer_norm, "instance_norm": norm, "batch_norm": batch_norm, "prelu": prelu,
    "l2_norm": unary(), "reverse": lambda o: (lambda s: maybe({"x": x(real(), *s)}, axes=i32(R.randrange(len(s)))))(shape()),
    "local_response_norm": lambda o: {"x": x("fp16", 1, 4, 3, 3), "size": one(3)},
    "logical_not": lambda o: {"x": x("bool", *shape())}, "band_part": lambda o: maybe({"x": x(real(), *shape(2, 4))}, lower=one(1)),
    "conv": conv, "conv_transpose": conv_transpose, "avg_pool": pool, "max_pool": pool, "l2_pool": pool, "linear": linear,
    "matmul": matmul, "einsum": einsum, "scaled_dot_product_attention": attention, "reshape": reshape, "transpose": transpose,
    "expand_dims": expand_dims, "squeeze": squeeze, "flatten2d": lambda o: (lambda s: maybe({"x": x(real(), *s)}, axis=one(R.randint(0, len(s)))))(shape()),
    "shape": lambda o: {"x": x("fp16", *shape())}, "space_to_depth": blocks("block_size", False), "depth_to_space": blocks("block_size", True),
    "pixel_shuffle": blocks("upscale_factor", True), "pixel_unshuffle": blocks("downscale_factor", False),
    "space_to_batch": space_to_batch, "batch_to_space": batch_to_space,
    "sliding_windows": lambda o: (lambda s, a: maybe({"x": x(real(), *s), "axis": one(a), "size": one(R.randint(1, s[a]))}, stride=one(2)))(shape(1, 3), 0),
    "tile": lambda o: (lambda s: {"x": x(real(), *s), "reps": i32(*[R.randint(1, 3) for _ in s])})(shape()),
    "pad": pad, "fill": lambda o: {"shape": i32(*shape()), "value": c(R.choice(["fp16", "int32"]), 1)},
    "fill_like": lambda o: {"ref_tensor": x("fp16", *shape()), "value": c("int32", 1)},
    "range_1d": lambda o: {"start": one(R.randint(0, 3)), "end": one(R.randint(4, 20)), "step": one(R.randint(1, 3))},
    "one_hot": lambda o: (lambda s: maybe({"indices": x("int32", *s), "one_hot_vector_size": one(dim())}, axis=one(R.randint(-1, len(s)))))(shape(1, 2)),
    "concat": concat, "split": split, "stack": stack, "slice_by_index": slice_by_index, "slice_by_size": slice_by_size,
    "slice_update": slice_update, "gather": gather, "gather_along_axis": gather_along_axis, "gather_nd": gather_nd, "scatter": scatter,
    "scatter_along_axis": scatter_along_axis, "scatter_nd": scatter_nd, "topk": topk, "reduce_argmax": reduce_arg, "reduce_argmin": reduce_arg,
    "crop": lambda o: {"x": x("fp16", 1, dim(), 9, 7), "crop_height": i32(R.randint(0, 3), 1), "crop_width": i32(2, R.randint(0, 2))},
    "upsample_nearest_neighbor": lambda o: {"x": x("fp16", 1, dim(), dim(), dim()), "scale_factor_height": one(2), "scale_factor_width": one(3)},
    "upsample_bilinear": lambda o: {"x": x("fp16", 1, dim(), dim(), dim()), "scale_factor_height": c("fp32", 1.5), "scale_factor_width": c("fp32", 2.0)},
    "quantize": quantize, "dequantize": dequantize, "constexpr_affine_dequantize": affine, "constexpr_blockwise_shift_scale": blockwise,
    "constexpr_lut_to_sparse": lut_to_sparse, "constexpr_sparse_blockwise_shift_scale": sparse_blockwise, "reshape_like": reshape_like,
    "softplus_parametric": lambda o: (lambda k, s: {"x": x(k, *s), "alpha": w(k, s[1]), "beta": w(k, s[1])})(real(), [1, dim(), dim(), dim()]),
    "reverse_sequence": lambda o: (lambda s: {"x": x(real(), *s), "lengths": x("int32", s[0]), "seq_axis": one(1)})(shape(2, 3)),
    "constexpr_lut_to_dense": lut, "constexpr_sparse_to_dense": sparse,
    "constexpr_cast": lambda o: {"source_val": w("fp16", *shape()), "output_dtype": text(R.choice(["fp32", "fp32", "fp16"]))},
}
for op in "abs acos asin atan atanh ceil cos cosh erf exp exp2 floor identity round sign sin sinh sqrt square tan tanh relu relu6 sigmoid silu softsign softplus inverse log rsqrt".split():
    MAKERS[op] = unary()
for op, extra in dict(elu=dict(alpha=1.0), leaky_relu=dict(alpha=0.1), linear_activation=dict(alpha=2.0, beta=1.0), scaled_tanh=dict(alpha=1.0, beta=1.0),
                      sigmoid_hard=dict(alpha=0.2, beta=0.5), thresholded_relu=dict(alpha=1.0), clamped_relu=dict(alpha=0.1, beta=6.0), threshold=dict(alpha=0.5)).items():
    MAKERS[op] = unary(extra)
for op in "add sub mul real_div floor_div mod maximum minimum pow equal not_equal greater greater_equal less less_equal".split():
    MAKERS[op] = binary(["fp16", "fp32", "int32"])
for op in "logical_and logical_or logical_xor".split():
    MAKERS[op] = binary(["bool"])
for op in "l1_norm l2_norm log_sum log_sum_exp max mean min prod sum sum_square".split():
    MAKERS["reduce_" + op] = reduce
HEAVY = "conv conv_transpose matmul slice_by_index reshape concat split max_pool avg_pool gather scaled_dot_product_attention".split()


def change(args):
    """One thing else: a size, a type, a number, an argument."""
    out = {k: list(v) if isinstance(v, list) else v for k, v in args.items()}
    key = R.choice(list(out))
    v = out[key]
    kind = R.random()
    if kind < 0.08:
        del out[key]
        return out
    if isinstance(v, list):
        i = R.randrange(len(v))
        v[i] = V(v[i].kind if kind < 0.8 else "int32", [d + R.choice([0, 0, 1]) for d in v[i].shape] if kind < 0.6 else list(v[i].shape) + [1])
    elif v.kind == "string":
        out[key] = text(R.choice(["valid", "same", "zigzag", "fp32"]))
    elif v.val is not None and v.kind == "int32":
        flat = np.array(v.val)
        flat = flat.reshape(-1).tolist() if flat.shape else flat.tolist()
        if isinstance(flat, list) and flat:
            if kind < 0.5:
                flat[R.randrange(len(flat))] += R.choice([-4, -1, 1, 3, 9])
            else:
                flat = flat[1:] if R.random() < 0.5 else flat + [1]
            out[key] = c("int32", flat)
        elif not isinstance(flat, list):
            out[key] = one(flat + R.choice([-5, -2, 1, 2, 5]))
    elif v.val is None:
        shape = list(v.shape)
        if kind < 0.3 or not shape:
            out[key] = V(R.choice(["fp16", "fp32", "int32", "bool"]), shape, None, v.const)
        elif kind < 0.75:
            shape[R.randrange(len(shape))] += R.choice([-1, 1, 2])
            out[key] = V(v.kind, [max(1, d) for d in shape], None, v.const)
        else:
            out[key] = V(v.kind, shape[1:] if R.random() < 0.5 else [1] + shape, None, v.const)
    return out


def opsets_of(op):
    out, last = [], None
    for t, cls in sorted(SSAOpRegistry.core_ops[op].items(), key=lambda t: int(t[0])):
        if cls is not last:
            out.append(max(15, int(t.name.replace("iOS", ""))))
        last = cls
    return out


def main():
    print("program(1.3) {")
    n, counts = 0, {}
    for op in sorted(MAKERS):
        sets = opsets_of(op)
        want = SCALE * (24 if op in HEAVY else 4 if MAKERS[op].__name__ == "make" else 9)
        for i in range(want):
            opset = sets[i % len(sets)]
            args = MAKERS[op](opset)
            changed = i % 2 == 1
            if changed:
                args = change(args)
            result = infer(op, opset, args)
            if result == "nonsense" or (changed and result is not None and op in STRICTER):
                continue
            if not changed and result is None:
                counts.setdefault(op, 0)
                counts[op] += 1
            print(statement(n, op, opset, args, result))
            n += 1
    print("}")
    print(n, "cases; whole ones that were refused:", counts, file=sys.stderr)


if __name__ == "__main__":
    main()
