/* test_mil_text.c - MIL text: words, programs, printing, bad text. */
#include "backend/ane/mil_check.h"
#include "backend/ane/mil_lex.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tests/test.h"

#define PROGRAMS AR_SOURCE_DIR "/tests/ane/programs"

static mil_program *parse(const char *s) {
    mil_program *p;
    assert_ok(mil_parse("text", s, strlen(s), &p, err));
    return p;
}

/* The same words, one by one. */
static void assert_same_words(const char *a, size_t na, const char *b,
                              size_t nb) {
    mil_lex x, y;
    mil_lex_open(&x, a, na);
    mil_lex_open(&y, b, nb);
    while (x.kind != MIL_END || y.kind != MIL_END) {
        if (x.kind != y.kind || x.size != y.size ||
            memcmp(x.text, y.text, x.size) != 0)
            fail_msg("line %u: %.*s became %.*s", x.place.line, (int)x.size,
                     x.text, (int)y.size, y.text);
        mil_lex_next(&x);
        mil_lex_next(&y);
    }
}

static void print_and_compare(const char *name, const char *s, size_t size) {
    mil_program *p;
    text out = {0};
    assert_ok(mil_parse(name, s, size, &p, err));
    assert_ok(mil_check(name, p, err));
    mil_print(p, &out);
    assert_ok(text_status(&out, err));
    assert_same_words(s, size, out.data, out.size);
    mil_close(p);
    text_close(&out);
}

void test_mil_programs_of_others(void **state) {
    (void)state;
    file_list all;
    assert_ok(file_list_open(&all, PROGRAMS, err));
    assert_true(all.n >= 12);
    for (size_t i = 0; i < all.n; i++) {
        char path[512];
        file_map m;
        assert_ok(file_join(path, sizeof path, PROGRAMS, all.names[i], err));
        assert_ok(file_map_open(&m, path, err));
        print_and_compare(all.names[i], (const char *)m.data, m.size);
        file_map_close(&m);
    }
    file_list_close(&all);
}

/* Both syntaxes, from whichever, say the same. */
void test_mil_restyled(void **state) {
    (void)state;
    file_list all;
    assert_ok(file_list_open(&all, PROGRAMS, err));
    for (size_t i = 0; i < all.n; i++) {
        char path[512];
        file_map m;
        mil_program *p, *q;
        text a = {0}, b = {0}, c = {0};
        assert_ok(file_join(path, sizeof path, PROGRAMS, all.names[i], err));
        assert_ok(file_map_open(&m, path, err));
        assert_ok(mil_parse("a", (const char *)m.data, m.size, &p, err));
        mil_set_syntax(p, MIL_VERBOSE);
        mil_print(p, &a);
        assert_null(strstr(a.data, " string("));
        assert_non_null(strstr(a.data, "program(1.0)"));
        assert_ok(mil_parse("b", a.data, a.size, &q, err));
        assert_ok(mil_check("b", q, err));
        assert_int_equal(mil_get_syntax(q), MIL_VERBOSE);
        mil_set_syntax(q, MIL_SHORT);
        mil_set_syntax(p, MIL_SHORT);
        mil_print(p, &b);
        mil_print(q, &c);
        assert_null(strstr(b.data, "tensor<string, []>("));
        if (strcmp(all.names[i], "whisper_flexible.mil") != 0)
            assert_string_equal(b.data, c.data);
        mil_close(p);
        mil_close(q);
        text_close(&a), text_close(&b), text_close(&c);
        file_map_close(&m);
    }
    file_list_close(&all);
}

void test_mil_values(void **state) {
    (void)state;
    mil_program *p = parse(
        "program(1.3)[buildInfo = dict<string, string>({{\"a\", \"b\\\"c\"}})]"
        "{ func f<ios18>(state<tensor<fp16, [2, ?]>> s, tensor<fp32, []> x) {\n"
        "  tensor<int8, [3]> a, fp16 b = many(k = (x, int32(-7), x), e = ())"
        "[name = \"n\"];\n"
        "  nothing(x = s);\n"
        "  tensor<uint3, [3]> t = const()[val = tensor<uint3, [3]>([7, 0, 5])];"
        "  tensor<fp16, [2, 2]> h = const()[val = tensor<fp16, [2, 2]>("
        "[[0x1.8p-2, -1], [1e6, 0.1]])];"
        "  tensor<fp8e4m3fn, [2]> e = const()[val = tensor<fp8e4m3fn, [2]>("
        "[0.4375, -448])];"
        "  string w = const()[val = string(\"two\\nlines\")];"
        "  uint64 big = const()[val = uint64(18446744073709551615)];"
        "  tensor<fp16, [4]> file = const()[val = tensor<fp16, [4]>(BLOBFILE("
        "offset = uint64(64), path = string(\"@model_path/w.bin\")))];"
        "} -> (a, t); func g<ios16>() {} -> (); }");
    const mil_pair *info;
    assert_int_equal(mil_build_info(p, &info), 1);
    assert_string_equal(info[0].value, "b\"c");
    assert_int_equal(mil_n_funcs(p), 2);
    assert_null(mil_find_func(p, "h"));
    assert_string_equal(mil_find_func(p, "g")->opset, "ios16");
    const mil_func *f = mil_find_func(p, "f");
    assert_int_equal(f->n_params, 2);
    const mil_value *s = mil_get(f, f->params[0]);
    assert_true(s->type.state && s->type.dim[1] == MIL_UNKNOWN);
    assert_int_equal(mil_count(&s->type), -1);
    const mil_op *many = &f->ops[0];
    assert_int_equal(many->n_outs, 2);
    assert_int_equal(many->id, -1);
    assert_int_equal(many->place.line, 2);
    assert_int_equal(many->place.column, 33);
    const mil_arg *k = mil_find_arg(many, "k");
    assert_true(k->list && k->n_values == 3);
    assert_int_equal(mil_number(mil_constant(f, k->values[1]), 0), -7);
    assert_int_equal(mil_find_arg(many, "e")->n_values, 0);
    assert_string_equal(mil_constant(f, mil_find_ref(many, "name"))->data, "n");
    assert_int_equal(f->ops[1].n_outs, 0);
    const mil_literal *t = mil_constant(f, f->ops[2].outs[0]);
    assert_int_equal(mil_size(&t->type), 2);
    assert_int_equal(mil_number(t, 0) * 100 + mil_number(t, 2), 705);
    const mil_literal *h = mil_constant(f, f->ops[3].outs[0]);
    assert_near(mil_number(h, 0), 0.375, 0);
    assert_true(isinf(mil_number(h, 2)));
    assert_near(mil_number(h, 3), 0.0999755859375, 0);
    const mil_literal *e = mil_constant(f, f->ops[4].outs[0]);
    assert_near(mil_number(e, 0), 0.4375, 0);
    assert_near(mil_number(e, 1), -448, 0);
    assert_string_equal(mil_constant(f, f->ops[5].outs[0])->data, "two\nlines");
    const mil_literal *file = mil_constant(f, f->ops[7].outs[0]);
    assert_string_equal(file->path, "@model_path/w.bin");
    assert_int_equal(file->offset, 64);
    assert_null(file->data);
    mil_close(p);
}

#define HEAD "program(1.3) {\n func main<ios18>(tensor<fp16, [1, 4]> x) {\n"
#define TAIL "\n } -> (y);\n}"

static const struct {
    const char *source, *word;
} bad_text[] = {
    {"", "t:1:1: expected program, not the end"},
    {"program(1.3", "t:1:12: expected )"},
    {"program()", "the version"},
    {"program(1.3) { func main<ios18>() {} -> (x); }",
     "t:1:42: there is no value \"x\""},
    {"program(1.3) {} more", "t:1:17: expected the end"},
    {"program(1.3) [buildInfo = dict<string, string>({{\"a\" \"b\"}})] {}",
     "t:1:54: expected ,"},
    {"program(1.3) [buildInfo = dict<string, string>({)] {}", "bracket"},
    {HEAD "fp16 y = relu(x = z);" TAIL, "t:3:19: there is no value \"z\""},
    {HEAD "fp16 y = relu(x = y);" TAIL, "t:3:19: there is no value \"y\""},
    {HEAD "fp16 x = relu(x = x);" TAIL, "t:3:6: the name \"x\" is taken"},
    {HEAD "fp16 y = relu(x = 3);" TAIL, "t:3:19: a number needs a type"},
    {HEAD "fp16 y = relu(x = x, x = x);" TAIL, "t:3:22: relu: argument"},
    {HEAD "fp17 y = relu(x = x);" TAIL, "t:3:1: expected a type, not fp17"},
    {HEAD "fp16 y = relu(x = x)" TAIL, "t:4:2: expected ;"},
    {HEAD "fp16 y = relu(x, x);" TAIL, "t:3:16: expected ="},
    {HEAD "fp16 y = relu(x = \"abc);" TAIL, "closing"},
    {HEAD "fp16 y = relu(x = int8(128));" TAIL, "a value of int8, not 128"},
    {HEAD "fp16 y = relu(x = int8(-129));" TAIL, "a value of int8"},
    {HEAD "fp16 y = relu(x = uint8(-1));" TAIL, "a value of uint8"},
    {HEAD "fp16 y = relu(x = int32(1.5));" TAIL, "a value of int32"},
    {HEAD "fp16 y = relu(x = fp16(1.2.3));" TAIL, "a value of fp16"},
    {HEAD "fp16 y = relu(x = fp16(0x));" TAIL, "a value of fp16"},
    {HEAD "fp16 y = relu(x = bool(1));" TAIL, "a value of bool, not 1"},
    {HEAD "fp16 y = relu(x = string(a));" TAIL, "a text"},
    {HEAD "fp16 y = relu(x = tensor<int32, [2]>([1]));" TAIL,
     "1 elements where the shape has 2"},
    {HEAD "fp16 y = relu(x = tensor<int32, [2]>([1, 2, 3]));" TAIL,
     "3 elements where the shape has 2"},
    {HEAD "fp16 y = relu(x = tensor<int32, [2, 2]>([[1, 2], 3, 4]));" TAIL,
     "as deep as the shape"},
    {HEAD "fp16 y = relu(x = tensor<int32, [2, 2]>([[1], [2, 3, 4]]));" TAIL,
     "1 elements where the shape has 2"},
    {HEAD "fp16 y = relu(x = tensor<int32, [2]>([[1, 2]]));" TAIL,
     "deeper than its shape"},
    {HEAD "fp16 y = relu(x = tensor<int32, [?]>([1]));" TAIL, "no known size"},
    {HEAD "fp16 y = relu(x = tensor<fp16, [2000000000, 2000000000]>([]));" TAIL,
     "fewer elements than the shape has"},
    {HEAD "fp16 y = relu(x = x) \xff;" TAIL, "expected ;, not ?"},
    {HEAD "tensor<fp16, [1,1,1,1,1,1,1,1]> y = relu(x = x);" TAIL,
     "too many dimensions"},
    {HEAD "tensor<fp16, [-1]> y = relu(x = x);" TAIL, "a size, not -1"},
    {HEAD "tensor<fp16, [3000000000]> y = relu(x = x);" TAIL, "a size"},
    {HEAD "fp16 y = f(x = fp16(BLOBFILE(path = string(\"a\"))));" TAIL,
     "once each"},
    {HEAD "fp16 y = f(x = fp16(BLOBFILE(path = string(\"a\"), offset = "
          "int32(-1))));" TAIL,
     "an offset is a uint64"},
    {HEAD "fp16 y = f(x = fp16(BLOBFILE(path = int8(1), offset = "
          "uint64(64))));" TAIL,
     "a path is a string"},
    {HEAD "fp16 y = relu(x = x) @" TAIL, "expected ;, not @"},
    {HEAD "fp16 y = relu(x = state<fp16>(1));" TAIL, "a tensor"},
};

void test_mil_bad_text(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_text / sizeof *bad_text; i++) {
        mil_program *p = (mil_program *)&p;
        const char *s = bad_text[i].source;
        ar_error err = {0};
        const ar_status got = mil_parse("t", s, strlen(s), &p, &err);
        if ((got != AR_FORMAT && got != AR_RANGE) || p ||
            !strstr(err.message, bad_text[i].word))
            fail_msg("%s\ngave %d \"%s\", wanted \"%s\"", s, got, err.message,
                     bad_text[i].word);
    }
}

/* Every beginning of a program is refused and leaves nothing behind. */
void test_mil_cut_off(void **state) {
    (void)state;
    file_map m;
    assert_ok(file_map_open(&m, PROGRAMS "/inline_tables.mil", err));
    size_t last = m.size;
    while (m.data[last - 1] == '\n') last--;
    for (size_t n = 0; n < last; n++) {
        mil_program *p;
        char *copy = mem_new(char, n ? n : 1);
        memcpy(copy, m.data, n);
        assert_fails(AR_FORMAT, "cut:", mil_parse("cut", copy, n, &p, err));
        assert_null(p);
        mem_free(copy);
    }
    file_map_close(&m);
}

void test_mil_deep_brackets(void **state) {
    (void)state;
    text t = {0};
    mil_program *p;
    text_adds(&t, "program(1.3) [a = dict");
    for (int i = 0; i < 100000; i++) text_adds(&t, "(");
    assert_fails(AR_RANGE, "too deep", mil_parse("t", t.data, t.size, &p, err));
    text_clear(&t);
    text_adds(&t, HEAD "fp16 y = relu(x = tensor<int32, [1]>(");
    for (int i = 0; i < 100000; i++) text_adds(&t, "[");
    assert_fails(AR_FORMAT, "deeper", mil_parse("t", t.data, t.size, &p, err));
    text_close(&t);
}

/* A zero byte would end what is kept as written. */
void test_mil_zero_bytes(void **state) {
    (void)state;
    static const char in_attrs[] = "program(1.3) [a = \"x\0y\"] {}",
                      in_comment[] = "program(1.3) [a = b # x\0y\n] {}",
                      in_text[] = "program(1.3) { func f<ios18>() { string s = "
                                  "const()[val = string(\"x\0y\")]; } -> (); }",
                      outside[] = "program(1.3) // x\0y\n {}";
    mil_program *p;
    assert_fails(AR_FORMAT, "zero byte",
                 mil_parse("t", in_attrs, sizeof in_attrs - 1, &p, err));
    assert_fails(AR_FORMAT, "zero byte",
                 mil_parse("t", in_comment, sizeof in_comment - 1, &p, err));
    assert_fails(AR_FORMAT, "zero byte",
                 mil_parse("t", in_text, sizeof in_text - 1, &p, err));
    assert_ok(mil_parse("t", outside, sizeof outside - 1, &p, err));
    mil_close(p);
}

/* ---- building ---- */

static void build(mil_program *p) {
    const int64_t dims[] = {1, 4, 1, 8}, four[] = {4, 4, 1, 1};
    const int32_t zeros[] = {0, 0, 0, 0}, ones[] = {1, 1};
    mil_func_begin(p, "main", "ios18");
    const mil_ref x = mil_param(p, "in00_x", mil_tensor(MIL_FP16, 4, dims));
    const mil_ref w = mil_const_file(p, "w", mil_tensor(MIL_FP16, 4, four),
                                     "@model_path/weights/weight.bin", 64);
    const mil_ref pad = mil_const_i32s(p, "pad", zeros, 4);
    const mil_ref st = mil_const_i32s(p, "st", ones, 2);
    const mil_ref type = mil_const_text(p, "type", "valid");
    const mil_ref groups = mil_const_i32(p, "groups", 1);
    mil_op_begin(p, "conv");
    mil_arg_ref(p, "dilations", st);
    mil_arg_ref(p, "groups", groups);
    mil_arg_ref(p, "pad", pad);
    mil_arg_ref(p, "pad_type", type);
    mil_arg_ref(p, "strides", st);
    mil_arg_ref(p, "weight", w);
    mil_arg_ref(p, "x", x);
    const mil_ref y = mil_op_end(p, "y", mil_tensor(MIL_FP16, 4, dims));
    const mil_ref eps = mil_const_f16(p, "eps", 1e-5f);
    mil_op_begin(p, "rsqrt");
    mil_arg_ref(p, "epsilon", eps);
    mil_arg_ref(p, "x", y);
    const mil_ref r = mil_op_end(p, "r", mil_tensor(MIL_FP16, 4, dims));
    const mil_ref axis = mil_const_i32(p, "axis", 1);
    const mil_ref no = mil_const_bool(p, "no", false);
    const mil_ref both[] = {y, r};
    const int64_t wide[] = {1, 8, 1, 8};
    mil_op_begin(p, "concat");
    mil_arg_ref(p, "axis", axis);
    mil_arg_ref(p, "interleave", no);
    mil_arg_refs(p, "values", both, 2);
    const mil_ref z = mil_op_end(p, "out00_z", mil_tensor(MIL_FP16, 4, wide));
    mil_func_end(p, &z, 1);
}

void test_mil_builder(void **state) {
    (void)state;
    for (int verbose = 0; verbose < 2; verbose++) {
        mil_program *p = mil_open(), *q;
        text a = {0}, b = {0};
        build(p);
        assert_ok(mil_status(p, err));
        assert_ok(mil_check("built", p, err));
        if (verbose) mil_set_syntax(p, MIL_VERBOSE);
        mil_print(p, &a);
        assert_ok(mil_parse("again", a.data, a.size, &q, err));
        assert_ok(mil_check("again", q, err));
        const mil_func *f = mil_find_func(q, "main");
        assert_int_equal(f->n_ops, 11);
        assert_near(
            mil_number(mil_constant(f, mil_find_ref(&f->ops[7], "epsilon")), 0),
            1.0013580322265625e-05, 0);
        mil_print(q, &b);
        assert_string_equal(a.data, b.data);
        assert_true((strstr(a.data, "tensor<string, []>(\"valid\")") != NULL) ==
                    verbose);
        text_close(&a), text_close(&b);
        mil_close(p), mil_close(q);
    }
}

static mil_program *begun(void) {
    mil_program *p = mil_open();
    mil_func_begin(p, "main", "ios18");
    mil_param(p, "x", mil_scalar(MIL_FP16));
    return p;
}

#define assert_build_fails(p, word)                                            \
    do {                                                                       \
        assert_fails(AR_FORMAT, word, mil_status(p, err));                     \
        mil_close(p);                                                          \
    } while (0)

void test_mil_builder_refuses(void **state) {
    (void)state;
    mil_program *p = begun();
    mil_param(p, "x", mil_scalar(MIL_FP16));
    mil_param(p, "never seen", mil_scalar(MIL_FP16));
    assert_build_fails(p, "the name \"x\" is taken");
    p = begun();
    mil_op_begin(p, "relux");
    assert_build_fails(p, "no operation \"relux\"");
    p = begun();
    mil_op_begin(p, "softmax");
    assert_int_equal(mil_op_end(p, "y", mil_scalar(MIL_FP16)), 0);
    assert_build_fails(p, "softmax: argument \"x\" is missing");
    p = begun();
    mil_op_begin(p, "relu");
    mil_arg_ref(p, "x", 99);
    assert_build_fails(p, "relu: an argument or result that is no value");
    p = begun();
    mil_const_i32(p, "two words", 1);
    assert_build_fails(p, "\"two words\" cannot be the name");
    p = begun();
    mil_op_begin(p, "relu");
    mil_op_begin(p, "relu");
    assert_build_fails(p, "inside another statement");
    p = begun();
    mil_func_begin(p, "f", "ios18");
    assert_build_fails(p, "inside another");
    p = mil_open();
    mil_const_i32(p, "a", 1);
    assert_build_fails(p, "outside of a function");
}

/* Any bits of any type come back from text. */
void test_mil_numbers_survive(void **state) {
    (void)state;
    const int64_t dims[] = {7, 3};
    for (int t = MIL_NONE + 1; t < MIL_STRING; t++) {
        const mil_type type = mil_tensor((enum mil_dtype)t, 2, dims);
        const size_t size = mil_size(&type);
        uint8_t data[21 * 8];
        mil_program *p = mil_open(), *q;
        text out = {0};
        for (size_t i = 0; i < size; i++) {
            data[i] = (uint8_t)rng_bits(11, (uint64_t)t, i);
            if (t == MIL_BOOL) data[i] &= 1;
        }
        const int unused = (int)size * 8 - 21 * mil_dtype_bits(type.dtype);
        data[size - 1] &= (uint8_t)(0xFF >> unused);
        mil_func_begin(p, "f", "ios18");
        const mil_ref c = mil_const(p, "c", type, data);
        mil_func_end(p, &c, 1);
        mil_print(p, &out);
        assert_ok(mil_parse("p", out.data, out.size, &q, err));
        const mil_func *f = mil_get_func(q, 0);
        const mil_literal *l = mil_constant(f, f->results[0]);
        for (int i = 0; i < 21; i++) {
            const mil_literal was = {.type = type, .data = data};
            const double a = mil_number(&was, i), b = mil_number(l, i);
            if (isnan(a))
                assert_true(isnan(b));
            else
                assert_true(a == b);
        }
        if (t >= MIL_INT4) assert_memory_equal(l->data, data, size);
        mil_close(p), mil_close(q);
        text_close(&out);
    }
}

/* ---- memory and time ---- */

void test_mil_out_of_memory(void **state) {
    (void)state;
    file_map m;
    assert_ok(file_map_open(&m, PROGRAMS "/cg_gpt2_block.mil", err));
    for (int64_t n = 1;; n++) {
        mil_program *p;
        text t = {0};
        ar_error err = {0};
        mem_fail_at(n, n % 2);
        ar_status s = mil_parse("t", (const char *)m.data, m.size, &p, &err);
        if (s == AR_OK) s = mil_check("t", p, &err);
        if (s == AR_OK) mil_print(p, &t);
        if (s == AR_OK) s = text_status(&t, &err);
        const bool reached = mem_fail_count() >= n;
        mem_fail_at(0, 0);
        mil_close(p);
        text_close(&t);
        if (!reached) {
            assert_int_equal(s, AR_OK);
            assert_true(n > 20);
            break;
        }
        /* Memory that could not be given back is no failure. */
        assert_true(s == AR_NOMEM || s == AR_OK);
    }
    file_map_close(&m);
}

void test_mil_builder_out_of_memory(void **state) {
    (void)state;
    for (int64_t n = 1;; n++) {
        ar_error err = {0};
        mem_fail_at(n, n % 2);
        mil_program *p = mil_open();
        if (p) build(p);
        const ar_status s = p ? mil_status(p, &err) : AR_NOMEM;
        const bool reached = mem_fail_count() >= n;
        mem_fail_at(0, 0);
        mil_close(p);
        if (!reached) {
            assert_int_equal(s, AR_OK);
            return;
        }
        assert_true(s == AR_NOMEM || s == AR_OK);
    }
}

/* Names and statements by the ten thousand, and one long table: a loop over
 * all names for each of them would take minutes. */
void test_mil_large(void **state) {
    (void)state;
    text t = {0};
    mil_program *p;
    enum { STATEMENTS = 20000, NUMBERS = 100000 };
    text_adds(&t, HEAD "tensor<fp16, [1, 4]> v0 = relu(x = x);");
    for (int i = 1; i < STATEMENTS; i++)
        text_addf(&t,
                  "tensor<fp16, [1, 4]> v%d = add(x = v%d, y = x)"
                  "[name = string(\"v%d\")];\n",
                  i, i - 1, i);
    text_addf(&t, "tensor<fp32, [%d]> y = const()[val = tensor<fp32, [%d]>([0",
              NUMBERS, NUMBERS);
    for (int i = 1; i < NUMBERS; i++) text_addf(&t, ", %d.25", i);
    text_adds(&t, "])];" TAIL);
    assert_ok(mil_parse("large", t.data, t.size, &p, err));
    assert_ok(mil_check("large", p, err));
    const mil_func *f = mil_get_func(p, 0);
    assert_int_equal(f->n_ops, STATEMENTS + 1);
    const mil_literal *l = mil_constant(f, f->results[0]);
    assert_near(mil_number(l, NUMBERS - 1), NUMBERS - 0.75, 0);
    mil_close(p);
    text_close(&t);
}
