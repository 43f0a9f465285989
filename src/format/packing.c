/* packing.c - the quantisation that config.json tells of. */
#include "format/packing.h"

#include <string.h>

#include "base/error.h"

const packing_row packing_table[PACKING_COUNT] = {
#define PACKING(NAME, text, layout, ...) {text, LAYOUT_##layout, __VA_ARGS__},
#include "format/packings.def"
#undef PACKING
};

static const json_t *get(const json_t *o, const char *key) {
    const json_t *j = json_object_get(o, key);
    return json_is_null(j) ? NULL : j;
}

static const char *word(const json_t *o, const char *key, const char *other) {
    const char *s = json_string_value(get(o, key));
    return s ? s : other;
}

/* A member of 1 .. 2^31 - 1; *out stays where it is left out. */
static ar_status get_size(const json_t *o, const char *key, int64_t *out,
                          ar_error *err) {
    const json_t *j = get(o, key);
    if (!j) return AR_OK;
    const json_int_t x = json_integer_value(j);
    if (!json_is_integer(j) || x < 1 || x > INT32_MAX)
        return error_set(err, AR_FORMAT,
                         "quantization: %s is not a positive whole number",
                         key);
    *out = x;
    return AR_OK;
}

static ar_status get_bits(const json_t *o, const char *key, int *out,
                          ar_error *err) {
    int64_t bits = *out;
    TRY(get_size(o, key, &bits, err));
    if (bits > 32)
        return error_set(err, AR_UNSUPPORTED, "quantization: %lld bits",
                         (long long)bits);
    *out = (int)bits;
    return AR_OK;
}

/* -1 is one group for a whole row. */
static ar_status get_group(const json_t *o, const char *key, int64_t *out,
                           ar_error *err) {
    if (json_integer_value(get(o, key)) == -1) {
        *out = 0;
        return AR_OK;
    }
    return get_size(o, key, out, err);
}

static ar_status no_variant(const char *method, const char *key,
                            const char *value, ar_error *err) {
    return error_set(err, AR_UNSUPPORTED,
                     "quantization %s with %s \"%.60s\" is not read", method,
                     key, value);
}

/* [rows, columns] of a tile. */
static ar_status get_tile(packing *p, const json_t *o, const char *key,
                          ar_error *err) {
    const json_t *list = get(o, key);
    if (!list) return AR_OK;
    const json_int_t r = json_integer_value(json_array_get(list, 0)),
                     c = json_integer_value(json_array_get(list, 1));
    if (json_array_size(list) != 2 || r < 1 || c < 1 || r > INT32_MAX ||
        c > INT32_MAX)
        return error_set(err, AR_FORMAT,
                         "quantization: %s is not two positive numbers", key);
    p->tile_rows = r;
    p->tile_columns = c;
    return AR_OK;
}

/* ---- methods ---- */

static ar_status parse_mlx(packing *p, const json_t *q, ar_error *err) {
    const char *mode = word(q, "mode", "affine");
    const bool fp4 = !strcmp(mode, "mxfp4");
    if (!fp4 && strcmp(mode, "affine"))
        return no_variant("mlx", "mode", mode, err);
    p->kind = fp4 ? PACKING_MLX_MXFP4 : PACKING_MLX;
    p->bits = 4;
    p->group = fp4 ? 32 : 64;
    TRY(get_bits(q, "bits", &p->bits, err));
    TRY(get_size(q, "group_size", &p->group, err));
    if (fp4 && (p->bits != 4 || p->group != 32))
        return error_set(err, AR_FORMAT,
                         "quantization mxfp4 is 4 bits in groups of 32, not "
                         "%d in groups of %lld",
                         p->bits, (long long)p->group);
    return AR_OK;
}

static ar_status parse_gptq(packing *p, const json_t *q, ar_error *err) {
    const char *form = word(q, "checkpoint_format", "gptq");
    const bool second = !strcmp(form, "gptq_v2");
    if (!second && strcmp(form, "gptq"))
        return no_variant("gptq", "checkpoint_format", form, err);
    const char *key;
    json_t *value;
    /* Patterns after "-" only say which modules were left as they are. */
    json_object_foreach((json_t *)get(q, "dynamic"), key, value) {
        if (key[0] != '-') return no_variant("gptq", "dynamic", key, err);
    }
    p->kind = PACKING_GPTQ;
    p->zero_shift = !second;
    p->bits = 4;
    p->group = 128;
    TRY(get_bits(q, "bits", &p->bits, err));
    return get_group(q, "group_size", &p->group, err);
}

static ar_status parse_awq(packing *p, const json_t *q, ar_error *err) {
    const char *version = word(q, "version", "gemm");
    if (strcmp(version, "gemm") && strcmp(version, "GEMM"))
        return no_variant("awq", "version", version, err);
    p->kind = PACKING_AWQ;
    p->bits = 4;
    p->group = 128;
    TRY(get_bits(q, "w_bit", &p->bits, err));
    TRY(get_bits(q, "bits", &p->bits, err));
    if (p->bits != 4)
        return error_set(err, AR_UNSUPPORTED, "quantization awq of %d bits",
                         p->bits);
    TRY(get_group(q, "q_group_size", &p->group, err));
    return get_group(q, "group_size", &p->group, err);
}

static ar_status parse_fp8(packing *p, const json_t *q, ar_error *err) {
    p->kind = PACKING_FP8_INV;
    return get_tile(p, q, "weight_block_size", err);
}

static ar_status parse_fbgemm(packing *p, const json_t *q, ar_error *err) {
    (void)q;
    (void)err;
    p->kind = PACKING_FP8;
    return AR_OK;
}

static ar_status parse_modelopt(packing *p, const json_t *q, ar_error *err) {
    const char *algo = word(q, "quant_algo", "(none)");
    const bool fp4 = !strcmp(algo, "NVFP4");
    if (!fp4 && strcmp(algo, "FP8"))
        return no_variant("modelopt", "quant_algo", algo, err);
    p->kind = fp4 ? PACKING_NVFP4 : PACKING_FP8;
    return AR_OK;
}

/* The weights of a group of compressed-tensors. */
static ar_status parse_group(packing *p, const json_t *w, const char *format,
                             ar_error *err) {
    if (!strcmp(format, "nvfp4-pack-quantized")) {
        p->kind = PACKING_NVFP4_CT;
        return AR_OK;
    }
    if (!strcmp(format, "float-quantized") ||
        !strcmp(format, "int-quantized") ||
        !strcmp(format, "naive-quantized")) {
        p->kind = PACKING_FP8;
        if (json_is_false(get(w, "symmetric")))
            return no_variant("compressed-tensors", "symmetric", "false", err);
        return get_tile(p, w, "block_structure", err);
    }
    if (strcmp(format, "pack-quantized"))
        return no_variant("compressed-tensors", "format", format, err);
    if (json_is_false(get(w, "symmetric")))
        return no_variant("pack-quantized", "symmetric", "false", err);
    if (!strcmp(word(w, "actorder", ""), "group"))
        return no_variant("pack-quantized", "actorder", "group", err);
    p->kind = PACKING_INT;
    p->bits = 4;
    TRY(get_bits(w, "num_bits", &p->bits, err));
    return get_group(w, "group_size", &p->group, err);
}

static ar_status parse_compressed(packing *p, const json_t *q, ar_error *err) {
    const json_t *groups = get(q, "config_groups");
    const char *key;
    json_t *group;
    if (json_object_size(groups) != 1)
        return error_set(err, AR_UNSUPPORTED,
                         "quantization compressed-tensors with %zu groups, "
                         "only one is read",
                         json_object_size(groups));
    json_object_foreach((json_t *)groups, key, group) {
        const char *format = word(group, "format", word(q, "format", ""));
        TRY(parse_group(p, get(group, "weights"), format, err));
    }
    return AR_OK;
}

/* Experts of gpt-oss are tensors of their own, which the model joins. */
static ar_status parse_mxfp4(packing *p, const json_t *q, ar_error *err) {
    (void)p;
    (void)q;
    (void)err;
    return AR_OK;
}

static const struct {
    const char *method;
    ar_status (*parse)(packing *p, const json_t *q, ar_error *err);
} methods[] = {
    {"gptq", parse_gptq},         {"awq", parse_awq},
    {"fp8", parse_fp8},           {"fbgemm_fp8", parse_fbgemm},
    {"modelopt", parse_modelopt}, {"compressed-tensors", parse_compressed},
    {"mxfp4", parse_mxfp4},
};

ar_status packing_parse(packing *out, const json_t *config, ar_error *err) {
    *out = (packing){.kind = PACKING_NONE};
    const json_t *mlx = get(config, "quantization"),
                 *q = get(config, "quantization_config");
    if (json_is_object(mlx)) {
        out->layers = mlx;
        return parse_mlx(out, mlx, err);
    }
    if (!q) return AR_OK;
    const char *method = json_string_value(get(q, "quant_method"));
    if (!method)
        return error_set(err, AR_FORMAT,
                         "quantization_config does not name a quant_method");
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (!strcmp(methods[i].method, method))
            return methods[i].parse(out, q, err);
    return error_set(err, AR_UNSUPPORTED,
                     "quantization method \"%.60s\" is not known", method);
}

ar_status packing_of(packing *out, const packing *all, const char *module,
                     ar_error *err) {
    *out = *all;
    const json_t *own = all->layers ? get(all->layers, module) : NULL;
    if (!json_is_object(own)) return AR_OK;
    return parse_mlx(out, own, err);
}
