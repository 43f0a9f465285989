/* test_packed.c - quantised matrices that are several tensors: what is joined,
 * and the sentences about parts that do not fit. */
#include "tests/test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/weights.h"
#include "quant/quant.h"

/* A safetensors file of zeros out of "name:TYPE:2,3 ..."; `last` is the value
 * of the last 4 bytes. */
static void make_file(text *out, const char *tensors, uint32_t last) {
    static const struct {
        const char *name;
        size_t size;
    } types[] = {{"F32", 4}, {"F16", 2}, {"I32", 4},    {"U32", 4},
                 {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}};
    text head = {0};
    size_t at = 0;
    char list[800], *rest = NULL;
    snprintf(list, sizeof list, "%s", tensors);
    for (char *t = strtok_r(list, " ", &rest); t;
         t = strtok_r(NULL, " ", &rest)) {
        char *type = strchr(t, ':'), *dims = strchr(type + 1, ':'), *d;
        *type++ = *dims++ = '\0';
        size_t size = 1;
        for (d = dims; *d;) size *= strtoul(d, &d, 10), d += *d == ',';
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            if (!strcmp(types[i].name, type)) size *= types[i].size;
        text_addf(&head,
                  "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],"
                  "\"data_offsets\":[%zu,%zu]}",
                  at ? ',' : '{', t, type, dims, at, at + size);
        at += size;
    }
    text_add(&head, "}", 1);
    const uint64_t n = head.size;
    text_add(out, &n, sizeof n);
    text_add(out, head.data, head.size);
    for (size_t i = 4; i < at; i++) text_add(out, "", 1);
    text_add(out, &last, 4);
    text_close(&head);
}

static ar_status open_joined(weights **w, text *file, const char *tensors,
                             uint32_t last, const char *config, ar_error *e) {
    make_file(file, tensors, last);
    assert_ok(weights_open_memory(w, file->data, file->size, "x", err));
    return weights_join(*w, "config.json", config, strlen(config), e);
}

#define METHOD(name, rest)                                                     \
    "{\"quantization_config\":{\"quant_method\":\"" name "\"" rest "}}"
#define GPTQ METHOD("gptq", ",\"bits\":4,\"group_size\":8")
#define PACK(form, rest)                                                       \
    METHOD("compressed-tensors",                                               \
           ",\"config_groups\":{\"g\":{\"weights\":{" rest                     \
           "}}},\"format\":\"" form "\"")

/* 8 outputs, 16 inputs */
#define GPTQ_PARTS "a.qweight:I32:2,8 a.qzeros:I32:2,1 a.scales:F16:2,8"

void test_packed_joins(void **state) {
    (void)state;
    static const struct {
        const char *tensors, *config, *type;
        int64_t rows, columns;
        size_t size;
    } cases[] = {
        {GPTQ_PARTS " b:F32:3", GPTQ, "gptq 4-bit", 8, 16, 104},
        {"a.qweight:I32:16,1 a.qzeros:I32:2,1 a.scales:F16:2,8 b:F32:3",
         METHOD("awq", ",\"w_bit\":4,\"q_group_size\":8"), "awq 4-bit", 8, 16,
         104},
        {"a.weight:F8_E4M3:4,8 a.weight_scale_inv:F32:2,1 "
         "a.activation_scale:F32:1 b:F32:3",
         METHOD("fp8", ",\"weight_block_size\":[2,8]"), "fp8", 4, 8, 40},
        {"a.weight:F8_E4M3:4,8 a.weight_scale:F32:4,1 b:F32:3",
         METHOD("fbgemm_fp8", ""), "fp8", 4, 8, 48},
        {"a.weight:I8:4,8 a.weight_scale:F32:1 b:F32:3",
         PACK("int-quantized", ""), "fp8", 4, 8, 36},
        {"a.weight_packed:I32:3,2 a.weight_scale:F16:3,2 b:F32:3",
         PACK("pack-quantized", "\"num_bits\":4,\"group_size\":8"), "int 4-bit",
         3, 16, 36},
        {"a.weight:U32:3,2 a.scales:F16:3,1 a.biases:F16:3,1 b:F32:3",
         "{\"quantization\":{\"bits\":2,\"group_size\":32}}", "mlx 2-bit", 3,
         32, 36},
        {"a.weight:U8:3,8 a.weight_scale:F8_E4M3:3,1 a.weight_scale_2:F32:1 "
         "b:F32:3",
         METHOD("modelopt", ",\"quant_algo\":\"NVFP4\""), "nvfp4", 3, 16, 31},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weights *w;
        text file = {0};
        char word[TENSOR_TYPE_TEXT];
        assert_ok(
            open_joined(&w, &file, cases[i].tensors, 0, cases[i].config, err));
        assert_int_equal(weights_count(w), 2);
        assert_non_null(weights_find(w, "b"));
        const tensor_view *t = weights_find(w, "a.weight");
        assert_non_null(t);
        assert_string_equal(tensor_type_text(t, word), cases[i].type);
        assert_int_equal(t->shape.dim[0], cases[i].rows);
        assert_int_equal(t->shape.dim[1], cases[i].columns);
        assert_int_equal(t->size, cases[i].size);
        weights_close(w);
        text_close(&file);
    }
}

static const struct {
    const char *tensors, *config, *word;
    ar_status code;
    uint32_t last;
} refusals[] = {
    {"b:F32:3", METHOD("bitsandbytes", ""), "\"bitsandbytes\" is not known",
     AR_UNSUPPORTED, 0},
    {"b:F32:3", "{\"quantization_config\":{}}", "quant_method", AR_FORMAT, 0},
    {"b:F32:3", METHOD("gptq", ",\"checkpoint_format\":\"marlin\""), "marlin",
     AR_UNSUPPORTED, 0},
    {"b:F32:3", METHOD("gptq", ",\"bits\":-4"), "bits", AR_FORMAT, 0},
    {"b:F32:3", METHOD("gptq", ",\"bits\":1e9"), "bits", AR_FORMAT, 0},
    {"b:F32:3", METHOD("gptq", ",\"dynamic\":{\"+:x\":{\"bits\":8}}"),
     "dynamic", AR_UNSUPPORTED, 0},
    {"b:F32:3", METHOD("awq", ",\"bits\":8"), "8 bits", AR_UNSUPPORTED, 0},
    {"b:F32:3", METHOD("awq", ",\"version\":\"gemv\""), "gemv", AR_UNSUPPORTED,
     0},
    {"b:F32:3", METHOD("fp8", ",\"weight_block_size\":[128]"),
     "weight_block_size", AR_FORMAT, 0},
    {"b:F32:3", METHOD("modelopt", ",\"quant_algo\":\"W4A8\""), "W4A8",
     AR_UNSUPPORTED, 0},
    {"b:F32:3", PACK("marlin-24", ""), "marlin-24", AR_UNSUPPORTED, 0},
    {"b:F32:3", PACK("pack-quantized", "\"symmetric\":false"), "symmetric",
     AR_UNSUPPORTED, 0},
    {"b:F32:3", "{\"quantization\":{\"mode\":\"nvfp9\"}}", "nvfp9",
     AR_UNSUPPORTED, 0},
    {"b:F32:3", "[", "config.json", AR_FORMAT, 0},
    {"a.qweight:I32:2,8 a.qzeros:I32:2,1", GPTQ, "no tensor scales", AR_FORMAT,
     0},
    {"a.qweight:I32:2,8 a.scales:F16:2,8", GPTQ, "no tensor qzeros", AR_FORMAT,
     0},
    {"a.qweight:I32:2,8 a.qzeros:I32:1,1 a.scales:F16:2,8", GPTQ,
     "zero:", AR_SHAPE, 0},
    {"a.qweight:I32:2,8 a.qzeros:I32:2,1 a.scales:F16:3,8", GPTQ,
     "scale:", AR_SHAPE, 0},
    {"a.qweight:I32:16 a.qzeros:I32:2,1 a.scales:F16:2,8", GPTQ, "is no matrix",
     AR_SHAPE, 0},
    {GPTQ_PARTS, METHOD("gptq", ",\"bits\":3,\"group_size\":8"),
     "is no matrix of 3 bits", AR_SHAPE, 0},
    {GPTQ_PARTS " a.g_idx:I32:16", GPTQ, "input 15 is in group 2", AR_FORMAT,
     2},
    {GPTQ_PARTS " a.g_idx:I32:16", GPTQ, "input 15 is in group -1", AR_FORMAT,
     0xffffffff},
    {GPTQ_PARTS " a.g_idx:I32:15", GPTQ, "order:", AR_SHAPE, 0},
    {"a.weight:F8_E4M3:4,8 b:F32:3",
     METHOD("fp8", ",\"weight_block_size\":[2,8]"),
     "a: there is no tensor weight_scale_inv", AR_FORMAT, 0},
    {"a.weight:F8_E4M3:4,8 a.weight_scale_inv:F32:3,1",
     METHOD("fp8", ",\"weight_block_size\":[2,8]"), "scale:", AR_SHAPE, 0},
    {"a.weight:F8_E4M3:4,8 a.weight_scale:F32:3,1", METHOD("fbgemm_fp8", ""),
     "3 numbers for 4 rows", AR_SHAPE, 0},
    {"a.weight:F8_E4M3:4,8 a.weight_scale:I32:4,1", METHOD("fbgemm_fp8", ""),
     "not a float", AR_FORMAT, 0},
    {"a.weight:U32:3,2 a.scales:F16:3,1",
     "{\"quantization\":{\"bits\":2,\"group_size\":32}}", "no tensor biases",
     AR_FORMAT, 0},
    {"a.weight:U32:3,3 a.scales:F16:3,1 a.biases:F16:3,1",
     "{\"quantization\":{\"bits\":2,\"group_size\":32}}", "not whole groups",
     AR_SHAPE, 0},
    {"a.weight:U32:3,2 a.scales:F16:3,1 a.biases:F16:3,1",
     "{\"quantization\":{\"bits\":4,\"a\":{\"bits\":7}}}", "7 bits", AR_SHAPE,
     0},
    {"a.weight:U8:3,8 a.weight_scale:F8_E4M3:3,1 a.weight_scale_2:F32:2",
     METHOD("modelopt", ",\"quant_algo\":\"NVFP4\""), "is not one f32",
     AR_SHAPE, 0},
    {GPTQ_PARTS " a.weight:F16:8,16", GPTQ, "two tensors", AR_FORMAT, 0},
};

void test_packed_refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        weights *w;
        text file = {0};
        assert_fails(refusals[i].code, refusals[i].word,
                     open_joined(&w, &file, refusals[i].tensors,
                                 refusals[i].last, refusals[i].config, err));
        weights_close(w);
        text_close(&file);
    }
}

/* Whole rows, and only those that there are. */
void test_packed_reading(void **state) {
    (void)state;
    weights *w;
    float x[64 * 64], y[64];
    double z[64 * 3];
    assert_ok(weights_open(&w, test_golden("packed/gptq"), err));
    const tensor_view *t =
        weights_find(w, "model.layers.1.self_attn.q_proj.weight");
    assert_ok(tensor_read_f32(t, 0, 64 * 64, x, err));
    assert_ok(tensor_read_f64(t, 64 * 61, 64 * 3, z, err));
    for (int i = 0; i < 64 * 3; i++)
        assert_true((double)x[64 * 61 + i] == z[i]);
    assert_ok(tensor_read_f32(t, 64 * 5, 64, y, err));
    assert_memory_equal(x + 64 * 5, y, sizeof y);
    assert_ok(tensor_read_f32(t, 64 * 64, 0, y, err));
    assert_fails(AR_RANGE, "q_proj", tensor_read_f32(t, 1, 64, y, err));
    assert_fails(AR_RANGE, "q_proj", tensor_read_f32(t, 64 * 64, 64, y, err));
    assert_fails(AR_RANGE, "q_proj", tensor_read_f64(t, 0, 63, z, err));
    assert_fails(AR_RANGE, "q_proj", tensor_read_f64(t, -64, 64, z, err));
    t = weights_find(w, "model.norm.weight");
    assert_ok(tensor_read_f32(t, 3, 5, y, err));
    assert_true(y[0] == f16_to_f32(((const uint16_t *)t->data)[3]));
    assert_fails(AR_RANGE, "norm", tensor_read_f64(t, 60, 5, z, err));
    weights_close(w);
}

void test_packed_memory(void **state) {
    (void)state;
    int failures = 0;
    ar_status s = AR_NOMEM;
    for (int64_t n = 1; s != AR_OK; n++) {
        ar_error err = {0};
        weights *w;
        mem_fail_at(n, 1);
        s = weights_open(&w, test_golden("packed/mlx"), &err);
        mem_fail_at(0, 0);
        if (s != AR_OK) {
            assert_int_equal(s, AR_NOMEM);
            assert_true(++failures && err.message[0]);
        }
        weights_close(w);
    }
    assert_true(failures > 5);
}
