#!/usr/bin/env python3
"""mil_values.py - what MIL operations compute, from coremltools' value inference, torch and NumPy.

usage: tools/golden/mil_values.py [SEED [SCALE]] tests/golden/mil      (pip install coremltools==9.0 torch)

Cases are those of mil_types.py (operations, attributes, shapes drawn from a seed) with random values.  Writes values.mil (one
function a line, constants in the text) and values.bin: for each function its arguments, then its results, packed.
coremltools is asked first; what it does not compute comes from REFS below, and where both answer they must agree.
"""
import contextlib, importlib.util, io, math, os, random, struct, sys
import numpy as np

spec = importlib.util.spec_from_file_location("mil_types", os.path.join(os.path.dirname(os.path.abspath(__file__)), "mil_types.py"))
seed, scale, folder = (["7", "1"] + sys.argv[1:])[-3:] if len(sys.argv) < 4 else sys.argv[1:4]
if len(sys.argv) == 3:
    seed, scale, folder = sys.argv[1], "1", sys.argv[2]
sys.argv = [sys.argv[0], seed, scale]
T = importlib.util.module_from_spec(spec)
spec.loader.exec_module(T)
import torch
import torch.nn.functional as F
from coremltools.converters.mil.mil import Builder as mb, Function
from coremltools.converters.mil.mil.types.type_mapping import nptype_from_builtin

N = np.random.default_rng(int(seed))
R = T.R
T.dim = lambda: R.choice([1, 2, 3, 4])
T.real = lambda: R.choice(["fp32", "fp32", "fp32", "fp16"])
HEAVY = set("conv conv_transpose avg_pool max_pool l2_pool slice_by_index matmul pad concat gather scaled_dot_product_attention constexpr_lut_to_dense".split())
BITS = {"int4": (-8, 8), "uint4": (0, 16), "uint1": (0, 2), "uint2": (0, 4), "uint3": (0, 8), "uint6": (0, 64), "int8": (-128, 128),
        "uint8": (0, 256), "uint16": (0, 500), "int16": (-500, 500), "int32": (-9, 10), "uint32": (0, 9)}
POSITIVE = {"log", "rsqrt", "sqrt", "inverse", "reduce_log_sum", "pow"}


def value(op, key, v, args):
    """Random elements for what mil_types leaves open."""
    if v.val is not None:
        return
    shape = v.shape
    if v.kind == "bool":
        v.val = N.random(shape) < 0.5
    elif v.kind in BITS:
        lo, hi = BITS[v.kind]
        if key == "indices" and not v.const:
            data = args["x" if "x" in args else "data"] if op != "one_hot" else None
            lo, hi = index_range(op, args, data)
        if key == "lengths":
            lo, hi = 0, args["x"].shape[1] + 1
        if op == "pow":
            lo, hi = 0, 5
        if op in ("floor_div", "mod", "real_div") and key == "y":
            lo, hi = 1, 6
        if key == "indices" and op == "constexpr_lut_to_dense" and v.kind == "uint8":
            hi = 256
        v.val = N.integers(lo, hi, shape)
    else:
        x = N.standard_normal(shape) * (1 if op in ("asin", "acos", "atanh", "exp") else 2)
        if op in POSITIVE or (op == "cast" and args["dtype"].val[0] == "u") or key in ("variance", "scale") or (op == "reduce_prod"):
            x = np.abs(x) + 0.25
        if op in ("asin", "acos", "atanh"):
            x = np.tanh(x) * 0.95
        if op in ("round", "ceil", "floor", "sign", "equal", "not_equal", "greater_equal", "less_equal") or key in ("lut",):
            x = np.round(x * 2) / 2
        v.val = x.astype(np.float16).astype(np.float32) if v.kind == "fp16" else x.astype(np.float32)
        v.val = np.asarray(v.val)


def index_range(op, args, data):
    if op == "one_hot":
        return 0, max(1, int(np.array(args["one_hot_vector_size"].val)))
    if op in ("gather_nd", "scatter_nd"):
        d = args["indices"].shape[-1]
        n = min(data.shape[:d])
        return 0, n
    axis = int(np.array(args["axis"].val)) if "axis" in args else 0
    n = data.shape[axis]
    return (-n if op == "gather" else 0), n


def numpy_of(v):
    if v.kind == "string":
        return v.val
    kinds = {"fp16": np.float32, "fp32": np.float32, "bool": np.bool_}
    return np.array(v.val).astype(kinds.get(v.kind, np.int64))


# ---- what coremltools does not compute ----

def t(x): return torch.from_numpy(np.ascontiguousarray(x)).double()
def get(a, k, default): return a[k] if k in a else default
def ints(a, k, n, default): return [int(i) for i in a[k]] if k in a else [default] * n


def padded(a, x, kernel, fill):
    """x with the window's padding, and strides and dilations."""
    n = x.ndim - 2
    s, d = ints(a, "strides", n, 1), ints(a, "dilations", n, 1)
    kind, p = get(a, "pad_type", "valid"), [(0, 0)] * n
    if kind == "custom":
        q = ints(a, "pad", 2 * n, 0)
        p = [(q[2 * i], q[2 * i + 1]) for i in range(n)]
    elif kind.startswith("same"):
        p = []
        for i in range(n):
            out = -(-x.shape[2 + i] // s[i])
            all_ = max(0, (out - 1) * s[i] + (kernel[i] - 1) * d[i] + 1 - x.shape[2 + i])
            p.append((all_ // 2, all_ - all_ // 2) if kind == "same" else (all_ - all_ // 2, all_ // 2))
    return np.pad(x.astype(np.float64), [(0, 0), (0, 0)] + p, constant_values=fill), s, d, p


def windows(x, kernel, s, ceil_mode=False, fill=0.0):
    n = len(kernel)
    if ceil_mode:
        grow = [(0, 0), (0, 0)]
        for i in range(n):
            room = x.shape[2 + i] - kernel[i]
            grow.append((0, -(-room // s[i]) * s[i] - room))
        x = np.pad(x, grow, constant_values=fill)
    w = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=tuple(range(2, 2 + n)))
    return w[(slice(None), slice(None)) + tuple(slice(None, None, k) for k in s)]


def conv(a):
    x, w = a["x"], a["weight"]
    x, s, d, _ = padded(a, x, w.shape[2:], 0.0)
    f = [F.conv1d, F.conv2d, F.conv3d][x.ndim - 3]
    return f(t(x), t(w), t(a["bias"]) if "bias" in a else None, s, 0, d, int(get(a, "groups", 1))).numpy()


def conv_transpose(a):
    x, w = a["x"], a["weight"]
    n = x.ndim - 2
    s, d = ints(a, "strides", n, 1), ints(a, "dilations", n, 1)
    f = [F.conv_transpose1d, F.conv_transpose2d][n - 1]
    y = f(t(x), t(w), t(a["bias"]) if "bias" in a else None, s, 0, 0, int(get(a, "groups", 1)), d).numpy()
    kind, q = get(a, "pad_type", "valid"), ints(a, "pad", 2 * n, 0)
    if kind == "valid":
        return y
    for i in range(n):
        size = y.shape[2 + i]
        if kind == "custom":
            lo, hi = q[2 * i], size - q[2 * i + 1]
        else:
            want = x.shape[2 + i] * s[i]
            if size < want:
                return None  # no one says what stands there
            lo = (size - want) // 2
            hi = lo + want
        y = np.take(y, range(lo, hi), axis=2 + i)
    return y


def pool(a, op):
    x, kernel = a["x"], tuple(int(i) for i in a["kernel_sizes"])
    ceil_mode = bool(get(a, "ceil_mode", False))
    fill = -np.inf if op == "max_pool" else 0.0
    y, s, _, p = padded(a, x, kernel, fill)
    ones, _, _, _ = padded(a, np.ones_like(x), kernel, 0.0 if get(a, "exclude_padding_from_average", False) else 1.0)
    w = windows(y, kernel, s, ceil_mode, fill)
    axes = tuple(range(-len(kernel), 0))
    if op == "max_pool":
        r = w.max(axes)
    elif op == "l2_pool":
        r = np.sqrt((w * w).sum(axes))
    else:
        n = windows(ones, kernel, s, ceil_mode).sum(axes)
        r = w.sum(axes) / np.where(n == 0, 1, n)
    if ceil_mode:  # a window that begins in the padding at the end is left out
        for i in range(len(kernel)):
            keep = [k for k in range(r.shape[2 + i]) if k * s[i] < x.shape[2 + i] + p[i][0]]
            if sum(p[i]) > 0:
                r = np.take(r, keep, axis=2 + i)
    return r


def affine_last(y, a, axis, x):
    shape = [1] * x.ndim
    shape[axis] = -1
    return y * get(a, "gamma", np.ones(1)).reshape(shape) + get(a, "beta", np.zeros(1)).reshape(shape)


def instance_norm(a):
    x = a["x"].astype(np.float64)
    ax = tuple(range(2, x.ndim))
    y = (x - x.mean(ax, keepdims=True)) / np.sqrt(x.var(ax, keepdims=True) + get(a, "epsilon", 1e-5))
    return affine_last(y, a, 1, x)


def batch_norm(a):
    x = a["x"].astype(np.float64)
    return F.batch_norm(t(x), t(a["mean"]), t(a["variance"]), t(a["gamma"]) if "gamma" in a else None, t(a["beta"]) if "beta" in a else None,
                        False, 0.0, float(get(a, "epsilon", 1e-5))).numpy()


def layer_norm(a):
    x = a["x"].astype(np.float64)
    ax = tuple(int(i) for i in get(a, "axes", range(x.ndim)))
    y = (x - x.mean(ax, keepdims=True)) / np.sqrt(x.var(ax, keepdims=True) + get(a, "epsilon", 1e-5))
    return y * get(a, "gamma", 1.0) + get(a, "beta", 0.0)


def attention(a):
    q, k, v, m = t(a["query"]), t(a["key"]), t(a["value"]), a.get("attn_mask")
    m = None if m is None else torch.from_numpy(m) if m.dtype == np.bool_ else t(m)
    if m is not None and m.dtype == torch.bool and not bool(m.broadcast_to(*q.shape[:-1], k.shape[-2]).any(-1).all()):
        return None  # a row without a key
    return F.scaled_dot_product_attention(q, k, v, attn_mask=m).numpy()


def to_depth(x, f):  # TensorFlow's: places of a block before channels
    n, c, h, w = x.shape
    return x.reshape(n, c, h // f, f, w // f, f).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * f * f, h // f, w // f)


def to_space(x, f):
    n, c, h, w = x.shape
    return x.reshape(n, f, f, c // (f * f), h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // (f * f), h * f, w * f)


def to_batch(a):
    (b0, b1), p = [int(i) for i in a["block_shape"]], np.array(a["paddings"]).reshape(2, 2)
    x = np.pad(a["x"], [(0, 0), (0, 0), tuple(p[0]), tuple(p[1])])
    n, c, h, w = x.shape
    return x.reshape(n, c, h // b0, b0, w // b1, b1).transpose(3, 5, 0, 1, 2, 4).reshape(n * b0 * b1, c, h // b0, w // b1)


def from_batch(a):
    (b0, b1), p = [int(i) for i in a["block_shape"]], np.array(a["crops"]).reshape(2, 2)
    n, c, h, w = a["x"].shape
    n //= b0 * b1
    x = a["x"].reshape(b0, b1, n, c, h, w).transpose(2, 3, 4, 0, 5, 1).reshape(n, c, h * b0, w * b1)
    return x[:, :, p[0, 0]:h * b0 - p[0, 1], p[1, 0]:w * b1 - p[1, 1]]


def lrn(a):
    return F.local_response_norm(t(a["x"]), int(a["size"]), float(get(a, "alpha", 1e-4)), float(get(a, "beta", 0.75)), float(get(a, "k", 1.0))).numpy()


def bilinear(a):
    x = t(a["x"])
    s = [float(get(a, "scale_factor_" + k, 1)) for k in ("height", "width")]
    return F.interpolate(x, scale_factor=s, mode="bilinear", align_corners=bool(get(a, "align_corners", True))).numpy()


def sliding(a):
    ax, stride = int(a["axis"]), int(get(a, "stride", 1))
    w = np.lib.stride_tricks.sliding_window_view(a["x"], int(a["size"]), axis=ax)
    w = np.take(w, range(0, w.shape[ax], stride), axis=ax)
    return np.moveaxis(w, -1, (ax if ax >= 0 else ax + a["x"].ndim) + 1)


def scatter(a):
    y, ax = a["data"].copy(), int(get(a, "axis", 0))
    ix, up = a["indices"], a["updates"]
    ax %= y.ndim
    up = np.moveaxis(up.reshape(y.shape[:ax] + (ix.size,) + y.shape[ax + 1:]), ax, 0)
    z = np.moveaxis(y, ax, 0)
    scatter_mode(a, "mode", z, ix.reshape(-1), up)
    return y


def scatter_along(a):
    y, ix = a["data"].copy(), a["indices"]
    ax = int(get(a, "axis", 0)) % y.ndim
    grid = list(np.indices(ix.shape))
    grid[ax] = ix
    scatter_mode(a, "mode", y, tuple(grid), a["updates"])
    return y


def scatter_nd(a):
    y = a["data"].copy()
    scatter_mode(a, "mode", y, tuple(np.moveaxis(a["indices"], -1, 0)), a["updates"])
    return y


def l2_norm(a):
    x = a["x"].astype(np.float64)
    return x / np.sqrt((x * x).sum((-3, -2, -1), keepdims=True) + get(a, "epsilon", 1e-6))


def slice_update(a):
    y = a["x"].copy()
    y[tuple(slice(int(b), int(e)) for b, e in zip(a["begin"], a["end"]))] = a["update"]
    return y


def reverse_sequence(a):
    y = a["x"].copy()
    for i, n in enumerate(a["lengths"]):
        y[i, :n] = y[i, :n][::-1]
    return y


def topk(a):
    ax, k, up = int(get(a, "axis", -1)), int(get(a, "k", 1)), bool(get(a, "ascending", False))
    order = np.argsort(a["x"] if up else -a["x"], axis=ax, kind="stable")
    order = np.take(order, range(k), axis=ax)
    y = np.take_along_axis(a["x"], order, axis=ax)
    return [y, order] if get(a, "return_indices", True) else [y]


def silu(a): return a["x"] / (1 + np.exp(-a["x"].astype(np.float64)))
def reverse(a): return np.flip(a["x"], tuple(int(i) for i in a["axes"]) if "axes" in a else None)


def by_channel(a, f):
    x, shape = a["x"].astype(np.float64), [1, -1] + [1] * (a["x"].ndim - 2)
    return f(x, a["alpha"].reshape(shape), a["beta"].reshape(shape) if "beta" in a else None)


REFS = {
    "conv": conv, "conv_transpose": conv_transpose, "instance_norm": instance_norm, "batch_norm": batch_norm, "layer_norm": layer_norm,
    "scaled_dot_product_attention": attention, "space_to_batch": to_batch, "batch_to_space": from_batch, "local_response_norm": lrn,
    "upsample_bilinear": bilinear, "sliding_windows": sliding, "scatter": scatter, "scatter_along_axis": scatter_along, "scatter_nd": scatter_nd,
    "l2_norm": l2_norm, "slice_update": slice_update, "reverse_sequence": reverse_sequence, "topk": topk, "silu": silu, "reverse": reverse,
    "space_to_depth": lambda a: to_depth(a["x"], int(a["block_size"])), "depth_to_space": lambda a: to_space(a["x"], int(a["block_size"])),
    "pixel_shuffle": lambda a: F.pixel_shuffle(t(a["x"]), int(a["upscale_factor"])).numpy(),
    "pixel_unshuffle": lambda a: F.pixel_unshuffle(t(a["x"]), int(a["downscale_factor"])).numpy(),
    "crop": lambda a: a["x"][:, :, int(a["crop_height"][0]):a["x"].shape[2] - int(a["crop_height"][1]),
                             int(a["crop_width"][0]):a["x"].shape[3] - int(a["crop_width"][1])],
    "upsample_nearest_neighbor": lambda a: a["x"].repeat(int(a["scale_factor_height"]), 2).repeat(int(a["scale_factor_width"]), 3),
    "prelu": lambda a: by_channel(a, lambda x, al, b: np.where(x >= 0, x, al * x)),
    "softplus_parametric": lambda a: by_channel(a, lambda x, al, b: al * np.logaddexp(0, b * x)),
    "gelu": lambda a: {"EXACT": F.gelu(t(a["x"])), "TANH_APPROXIMATION": F.gelu(t(a["x"]), approximate="tanh"),
                       "SIGMOID_APPROXIMATION": t(a["x"]) * torch.sigmoid(1.702 * t(a["x"]))}[get(a, "mode", "EXACT")].numpy(),
    "clamped_relu": lambda a: np.minimum(np.where(a["x"] >= 0, a["x"], a["alpha"] * a["x"]), a["beta"]),
    "elu": lambda a: F.elu(t(a["x"]), float(a["alpha"])).numpy(),
    "reshape_like": lambda a: a["x"].reshape(a["ref_tensors"][0].shape + a["ref_tensors"][1].shape[1:]), "einsum": lambda a: np.einsum(a["equation"], *a["values"]) if isinstance(a["values"], list) else None,
    "softmax": lambda a: torch.softmax(t(a["x"]), int(get(a, "axis", -1))).numpy(),
    "linear": lambda a: a["x"].astype(np.float64) @ a["weight"].T + get(a, "bias", 0.0),
    "reduce_log_sum": lambda a: np.log(a["x"].astype(np.float64).sum(tuple(int(i) for i in a["axes"]) if "axes" in a else None,
                                                                     keepdims=bool(get(a, "keep_dims", False)))),
    "identity": lambda a: a["x"], "sign": lambda a: np.sign(a["x"]),
}
def concat(a):
    v, ax = a["values"], int(a["axis"])
    if not get(a, "interleave", False):
        return np.concatenate([np.atleast_1d(e) for e in v], ax)
    ax %= v[0].ndim
    y = np.stack(v, ax + 1)
    return y.reshape(v[0].shape[:ax] + (-1,) + v[0].shape[ax + 1:])


def dequantize(a):
    shape = [1] * a["input"].ndim
    if "axis" in a:
        shape[int(a["axis"])] = -1
    z = get(a, "zero_point", np.zeros(1))
    return np.asarray(a["scale"]).reshape(shape) * (a["input"] - np.asarray(z).reshape(shape))


def one_hot(a):
    y = (a["indices"][..., None] == np.arange(int(a["one_hot_vector_size"]))).astype(np.int64)
    return np.moveaxis(y, -1, int(get(a, "axis", -1)))


REFS.update(concat=concat, dequantize=dequantize, one_hot=one_hot)
REFS["gather_nd"] = lambda a: a["x"][tuple(np.moveaxis(a["indices"], -1, 0))]
for name in ("avg_pool", "max_pool", "l2_pool"):
    REFS[name] = lambda a, op=name: pool(a, op)


def oracle(op, opset, args):
    """Values of the results by coremltools, each None where it has none."""
    def const(v):
        if v.kind == "string":
            return mb.const(val=v.val)
        data = np.array(v.val).astype(T.numpy_kind(v.kind))
        return mb.const(val=data if v.shape else data[()])
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            with Function({}, opset_version=T.TARGETS[opset]):
                out = getattr(mb, op)(**{k: [const(e) for e in v] if isinstance(v, list) else const(v) for k, v in args.items()})
                outs = list(out) if isinstance(out, (list, tuple)) else [out]
                if op.startswith("constexpr_"):
                    m = outs[0].op.materialized_val_inference()
                    return list(m) if isinstance(m, (list, tuple)) else [m]
                return [o.val for o in outs]
    except Exception:  # value inference of its own has faults
        return [None]


def reference(op, args):
    if op not in REFS:
        return None
    a = {k: [numpy_of(e) for e in v] if isinstance(v, list) else numpy_of(v) for k, v in args.items()}
    try:
        with np.errstate(all="ignore"):
            y = REFS[op](a)
    except (ValueError, RuntimeError, IndexError):
        return None
    return y if isinstance(y, list) or y is None else [y]


def pack(kind, x):
    kinds = {"fp16": np.float16, "fp32": np.float32, "bool": np.uint8}
    return np.ascontiguousarray(np.array(x).astype(kinds.get(kind, getattr(np, kind, np.int32)))).tobytes()


def agree(op, a, b):
    for x, y in zip(a, b):
        x, y = np.array(x).astype(np.float64), np.array(y).astype(np.float64)
        if x.shape != y.shape or not np.allclose(x, y, rtol=4e-3, atol=4e-3, equal_nan=True):
            return False
    return True


def literal(v):
    flat = np.array(v.val).flatten().tolist()
    kind = T.kind_text(v.kind, v.shape)
    if v.kind == "string":
        return f'string("{v.val}")'
    words = [str(bool(e)).lower() if v.kind == "bool" else f"{e:.9g}" if "fp" in v.kind else str(int(e)) for e in flat]
    return f"{kind}([{','.join(words)}])" if v.shape else f"{kind}({words[0]})"


# ---- beyond the makers of mil_types ----

def scatter_mode(args, key, y, at, up):
    f = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "max": np.maximum, "min": np.minimum}.get(get(args, "mode", "add"))
    if f is None:
        y[at] = up
    else:
        f.at(y, at, up)


def more_args(op, opset, args):
    """Attributes that mil_types does not vary."""
    if op.startswith("scatter"):
        args["mode"] = T.text(R.choice("add sub mul div max min update".split()))
    if op == "pad" and R.random() < 0.6:
        x = args["x"]
        n = R.randint(1, min(2, len(x.shape)))
        last = x.shape[-n:]
        args["pad"] = T.i32(*[R.randint(0, max(0, min(2, last[i // 2] - 1))) for i in range(2 * n)])
        args["mode"] = T.text(R.choice(["reflect", "replicate"]))
    if op == "pad" and get(args, "mode", None) is not None and args["mode"].val == "constant":
        args["constant_val"] = T.c(args["x"].kind, 0.5)
    if op == "slice_by_index" and R.random() < 0.4:
        d = args["x"].shape
        args["begin"], args["end"] = T.i32(*[n - 1 for n in d]), T.i32(*[0 for n in d])
        args["stride"] = T.i32(*[R.choice([-1, -2]) for _ in d])
        for k in ("begin_mask", "end_mask", "squeeze_mask"):
            args.pop(k, None)
        args["end_mask"] = T.c("bool", [n == 1 or R.random() < 0.5 for n in d])
    if op == "cumsum":
        args["exclusive"], args["reverse"] = T.flag(R.random() < 0.5), T.flag(R.random() < 0.5)
    if op == "band_part":
        args["lower"], args["upper"] = T.one(R.randint(-1, 2)), T.one(R.randint(-1, 2))
    if op == "upsample_bilinear":
        args["scale_factor_height"], args["scale_factor_width"] = T.c("fp32", R.choice([2.0, 3.0])), T.c("fp32", 2.0)
        args["align_corners"] = T.flag(R.random() < 0.5)
    if op in ("clip", "leaky_relu", "elu", "linear_activation") and "alpha" in args and R.random() < 0.5 and args["x"].kind == "fp32":
        args["alpha"] = T.c("fp32", R.choice([-0.25, 0.125]))
    if op == "gather" and opset >= 16 and R.random() < 0.4:
        b, n = R.randint(1, 3), R.randint(2, 4)
        args = {"x": T.x("fp32", b, n, R.randint(1, 3)), "indices": T.x("int32", b, R.randint(1, 3)), "axis": T.one(1), "batch_dims": T.one(1)}
    return args


def reduced(op, a):
    x, ax = a["x"].astype(np.float64), tuple(int(i) for i in a["axes"]) if "axes" in a else None
    keep = {"axis": ax, "keepdims": bool(get(a, "keep_dims", False))}
    top = x.max(axis=ax, keepdims=True)
    return {
        "l1_norm": lambda: np.abs(x).sum(**keep), "l2_norm": lambda: np.sqrt((x * x).sum(**keep)), "log_sum": lambda: np.log(x.sum(**keep)),
        "log_sum_exp": lambda: np.log(np.exp(x - top).sum(**keep)) + top.reshape(x.sum(**keep).shape), "max": lambda: x.max(**keep),
        "mean": lambda: x.mean(**keep), "min": lambda: x.min(**keep), "prod": lambda: x.prod(**keep), "sum": lambda: x.sum(**keep),
        "sum_square": lambda: (x * x).sum(**keep)}[op[7:]]()


for name in "l1_norm l2_norm log_sum log_sum_exp max mean min prod sum sum_square".split():
    REFS["reduce_" + name] = lambda a, op="reduce_" + name: reduced(op, a)


def gather(a):
    if int(get(a, "batch_dims", 0)):
        return np.stack([x[i] for x, i in zip(a["x"], a["indices"])])
    return np.take(a["x"], a["indices"], axis=int(get(a, "axis", 0)))


REFS["gather"] = gather
REFS["flatten2d"] = lambda a: a["x"].reshape(int(np.prod(a["x"].shape[:int(get(a, "axis", 1))])), -1)


def layer():
    """A transformer's layer of the kind that projects emit: [1, C, 1, S], RMS norm by powers, 1x1 convolutions, heads by reshape and
    transpose, causal mask as a constant, gated feed-forward."""
    C, S, H, FF = 16, 8, 2, 24
    D = C // H
    W = {n: (N.standard_normal(sh) * 0.3).astype(np.float16).astype(np.float32)
         for n, sh in dict(wq=(C, C, 1, 1), wk=(C, C, 1, 1), wv=(C, C, 1, 1), wo=(C, C, 1, 1), w1=(FF, C, 1, 1), w3=(FF, C, 1, 1), w2=(C, FF, 1, 1),
                           n1=(1, C, 1, 1), n2=(1, C, 1, 1)).items()}
    W["mask"] = np.where(np.tril(np.ones((S, S))) > 0, 0.0, -1e4).astype(np.float32).reshape(1, 1, S, S)
    x = N.standard_normal((1, C, 1, S)).astype(np.float16).astype(np.float32)
    lines = []
    t = lambda *s: f"tensor<fp16,[{','.join(map(str, s))}]>"
    X, HS = t(1, C, 1, S), t(1, H, S, D)

    def say(kind, name, text):
        lines.append(f"{kind} {name}={text};")

    for n, v in W.items():
        say(t(*v.shape), n, f"const()[name=string(\"{n}\"),val={t(*v.shape)}([{','.join(f'{e:.9g}' for e in v.flatten())}])]")

    def norm(src, weight, out):
        say(X, out + "q", f"mul(x={src},y={src})")
        say(t(1, 1, 1, S), out + "m", f"reduce_mean(axes=tensor<int32,[1]>([1]),keep_dims=bool(true),x={out}q)")
        say(t(1, 1, 1, S), out + "e", f"add(x={out}m,y=fp16(0.00001))")
        say(t(1, 1, 1, S), out + "r", f"pow(x={out}e,y=fp16(-0.5))")
        say(X, out + "n", f"mul(x={src},y={out}r)")
        say(X, out, f"mul(x={out}n,y={weight})")

    def conv(src, weight, out, n):
        say(t(1, n, 1, S), out, f"conv(dilations=tensor<int32,[2]>([1,1]),groups=int32(1),pad=tensor<int32,[4]>([0,0,0,0]),pad_type=string(\"valid\"),"
                                f"strides=tensor<int32,[2]>([1,1]),weight={weight},x={src})")

    norm("x", "n1", "h")
    for n in "qkv":
        conv("h", "w" + n, n, C)
        say(t(1, H, D, S), n + "4", f"reshape(shape=tensor<int32,[4]>([1,{H},{D},{S}]),x={n})")
        say(HS, n + "t", f"transpose(perm=tensor<int32,[4]>([0,1,3,2]),x={n}4)")
    say(t(1, H, S, S), "s0", "matmul(transpose_x=bool(false),transpose_y=bool(true),x=qt,y=kt)")
    say(t(1, H, S, S), "s1", f"mul(x=s0,y=fp16({np.float16(D ** -0.5):.9g}))")
    say(t(1, H, S, S), "s2", "add(x=s1,y=mask)")
    say(t(1, H, S, S), "p", "softmax(axis=int32(-1),x=s2)")
    say(HS, "a", "matmul(transpose_x=bool(false),transpose_y=bool(false),x=p,y=vt)")
    say(t(1, H, D, S), "at", "transpose(perm=tensor<int32,[4]>([0,1,3,2]),x=a)")
    say(X, "ar", f"reshape(shape=tensor<int32,[4]>([1,{C},1,{S}]),x=at)")
    conv("ar", "wo", "o", C)
    say(X, "x2", "add(x=x,y=o)")
    norm("x2", "n2", "g")
    conv("g", "w1", "f1", FF)
    conv("g", "w3", "f3", FF)
    say(t(1, FF, 1, S), "fs", "sigmoid(x=f1)")
    say(t(1, FF, 1, S), "fa", "mul(x=f1,y=fs)")
    say(t(1, FF, 1, S), "fb", "mul(x=fa,y=f3)")
    conv("fb", "w2", "f2", C)
    say(X, "y0", "add(x=x2,y=f2)")

    w = {n: v.astype(np.float64).reshape(v.shape[0], -1) for n, v in W.items()}
    z = x[0, :, 0].astype(np.float64)
    rms = lambda v, g: v / np.sqrt((v * v).mean(0) + 1e-5) * g.reshape(-1, 1)
    h = rms(z, w["n1"])
    q, k, v = ((w["w" + n] @ h).reshape(H, D, S) for n in "qkv")
    s = np.einsum("hds,hdt->hst", q, k) / math.sqrt(D) + W["mask"][0]
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    z = z + w["wo"] @ np.einsum("hst,hdt->hds", p, v).reshape(C, S)
    h = rms(z, w["n2"])
    f = w["w1"] @ h
    z = z + w["w2"] @ (f / (1 + np.exp(-f)) * (w["w3"] @ h))
    return f"func layer<ios18>({X} x){{{''.join(lines)}}}->(y0);", pack("fp16", x) + pack("fp16", z.reshape(1, C, 1, S))


def main():
    T.literal = literal
    lines, data, counts, left = ["program(1.3) {"], bytearray(), {}, {}
    for op in sorted(T.MAKERS):
        sets = T.opsets_of(op)
        tries = int(scale) * (14 if op in HEAVY else 6)
        for i in range(tries):
            opset = sets[i % len(sets)]
            args = more_args(op, opset, T.MAKERS[op](opset))
            types = T.infer(op, opset, args)
            if not isinstance(types, list):
                continue
            if sum(int(np.prod(e.shape)) for v in args.values() for e in (v if isinstance(v, list) else [v])) > 400:
                continue
            for k, v in args.items():
                for e in v if isinstance(v, list) else [v]:
                    value(op, k, e, args)
            ct_says, ref_says = oracle(op, opset, args), reference(op, args)
            known = all(o is not None for o in ct_says) and len(ct_says) == len(types)
            says = ref_says if not known else ct_says
            if known and ref_says is not None and not agree(op, ct_says, ref_says):
                left.setdefault(op, []).append("disagree")
                says = None if op not in PREFER else ref_says
            if says is None or len(says) != len(types):
                left.setdefault(op, []).append("none")
                continue
            if any(np.array(o).shape != s for o, (_, s) in zip(says, types)) or any(not np.isfinite(np.array(o).astype(np.float64)).all() for o in says):
                left.setdefault(op, []).append(f"shape {[np.array(o).shape for o in says]} {types}")
                continue
            n = sum(counts.values())
            body = T.statement(n, op, opset, args, types)
            whole = [j for j in range(len(types)) if types[j][0] not in ("uint1", "uint2", "uint3", "uint4", "uint6", "int4")]
            results = ",".join(f"y{j}" for j in whole)
            lines.append(body.replace("->();", f"->({results});"))
            for v in (e for v in args.values() for e in (v if isinstance(v, list) else [v])):
                if not v.const:
                    data += pack(v.kind, v.val)
            for j in whole:
                data += pack(types[j][0], says[j])
            counts[op] = counts.get(op, 0) + 1
    text, packed = layer()
    lines.append(text)
    data += packed
    lines.append("}")
    open(os.path.join(folder, "values.mil"), "w").write("\n".join(lines) + "\n")
    open(os.path.join(folder, "values.bin"), "wb").write(bytes(data))
    print(sum(counts.values()), "cases of", len(counts), "operations; none of:", sorted(set(T.MAKERS) - set(counts)), file=sys.stderr)
    for op, what in left.items():
        print(" ", op, what[:4], file=sys.stderr)


# Where coremltools' inference is known to be wrong the reference stands.
PREFER = {"concat", "scatter_along_axis", "scatter", "scatter_nd"}  # it ignores interleave, and the mode
main()
