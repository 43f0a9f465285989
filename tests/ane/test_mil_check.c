/* test_mil_check.c - operations, arguments and types of results: against
 * coremltools' own inference, and by hand. */
#include <stdlib.h>

#include "backend/ane/mil_check.h"
#include "base/file.h"
#include "tests/test.h"

/* One function of golden/mil/types.mil as a program of its own; what is wrong
 * with our answer, or NULL. */
static const char *try_case(const char *line, size_t size, ar_error *err) {
    mil_program *p;
    text t = {0};
    const bool good = strncmp(line, "func c", 6) == 0;
    text_adds(&t, "program(1.3) {");
    text_add(&t, line, size);
    text_adds(&t, "}");
    *err = (ar_error){0};
    const char *wrong = NULL;
    if (mil_parse("case", t.data, t.size, &p, err) != AR_OK) {
        wrong = "does not parse";
    } else {
        const ar_status s = mil_check("case", p, err);
        if (good && s != AR_OK) wrong = "is refused";
        if (!good && s == AR_OK) wrong = "is accepted";
        if (!good && s == AR_UNSUPPORTED) wrong = "has no rule";
        mil_close(p);
    }
    text_close(&t);
    return wrong;
}

void test_mil_types_are_those_of_coremltools(void **state) {
    (void)state;
    file_map m;
    int n = 0, bad = 0, wrong = 0;
    assert_ok(file_map_open(&m, test_golden("mil/types.mil"), err));
    const char *s = (const char *)m.data, *end = s + m.size;
    while (s < end) {
        const char *nl = memchr(s, '\n', (size_t)(end - s));
        assert_non_null(nl);
        if (strncmp(s, "func ", 5) == 0) {
            ar_error err;
            const char *what = try_case(s, (size_t)(nl - s), &err);
            n++;
            bad += strncmp(s, "func bad", 8) == 0;
            wrong += what != NULL;
            if (what)
                print_message("%.*s\n  %s: %s\n", (int)(nl - s), s, what,
                              err.message);
        }
        s = nl + 1;
    }
    file_map_close(&m);
    assert_int_equal(wrong, 0);
    assert_true(n > 500 && bad > 100);
}

#define CHECK(opset, params, body)                                             \
    "program(1.3) {\n func main<" opset ">(" params ") {\n" body "\n} -> "     \
    "();\n}"
#define X "tensor<fp16, [2, 4]> x"

static const struct {
    const char *source, *word; /* "": it is fine */
} cases[] = {
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = relu(x = x);"), ""},
    {CHECK("ios99", X, "tensor<fp16, [2, 4]> y = relu(x = x);"), ""},
    {CHECK("macos15", X, "tensor<fp16, [2, 4]> y = relu(x = x);"), ""},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = rilu(x = x);"),
     "c:3:26: rilu: there is no such operation"},
    {CHECK("ios18", X, "tensor<fp16, [2, 5]> y = relu(x = x);"),
     "c:3:22: relu: \"y\" is declared tensor<fp16, [2, 5]>, but it is "
     "tensor<fp16, [2, 4]>"},
    {CHECK("ios18", X, "tensor<fp32, [2, 4]> y = relu(x = x);"),
     "but it is tensor<fp16, [2, 4]>"},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = relu(x = x, z = x);"),
     "c:3:38: relu: there is no argument \"z\""},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = add(x = x);"),
     "c:3:26: add: \"y\" is missing"},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = add(x = x, y = int32(1));"),
     "\"y\" is int32, but \"x\" is fp16"},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = add(x = (x, x), y = x);"),
     "\"x\" is one value, not 2"},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = add(x = (), y = x);"),
     "\"x\" is one value, not 0"},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = add(x = x)[y = x];"), ""},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y = relu(x = x)[x = x];"),
     "\"x\" is given twice"},
    {CHECK("ios18", X, "tensor<fp16, [2, 4]> y, fp16 z = relu(x = x);"),
     "it has 1 results, not 2"},
    {CHECK("ios18", X ", tensor<int32, [2]> s",
           "tensor<fp16, [4, 2]> y = reshape(x = x, shape = s);"),
     "must be a constant"},
    {CHECK("ios18", X,
           "tensor<fp16, [4, 2]> y = transpose(x = x, perm = tensor<int32, "
           "[2]>(BLOBFILE(path = string(\"w\"), offset = uint64(64))));"),
     "a constant that the program says"},
    {CHECK("ios16", X ", tensor<fp16, [2, 4]> u",
           "tensor<fp16, [2, 4]> y = slice_update(x = x, update = u);"),
     "c:3:26: slice_update: it is of ios18, the function of ios16"},
    {CHECK("ios15", X,
           "tensor<int8, [2, 4]> y = cast(x = x, dtype = string(\"int8\"));"),
     "dtype \"int8\" is none of"},
    {CHECK("ios17", X,
           "tensor<int8, [2, 4]> y = cast(x = x, dtype = string(\"int8\"));"),
     ""},
    {CHECK("ios18", "tensor<fp16, [?, 4]> x", ""),
     "parameter \"x\" has no known size"},
    {CHECK("ios18", X,
           "tensor<fp16, [2]> y = random_normal(shape = "
           "tensor<int32, [1]>([2]));"),
     "no rule"},
    {CHECK("ios18", X, "fp16 e = const()[val = int32(1)];"), "but it is int32"},
    {CHECK("ios18", X, "fp16 e = const();"), "\"val\" is missing"},
    {CHECK("ios18", X,
           "dict<string, string> e = const()[val = dict<string, string>()];"),
     "expected a type"},
    {CHECK("ios18", X, "fp16 e = relu(x = dict<string, string>({}));"),
     "\"x\" cannot be none"},
    {CHECK("ios18", "state<tensor<fp16, [2]>> s, tensor<fp16, [2]> x",
           "write_state(input = s, data = x);"
           "tensor<fp16, [2]> r = read_state(input = s);"
           "tensor<fp16, [2]> u = coreml_update_state(state = s, value = x);"),
     ""},
    {CHECK("ios18", "state<tensor<fp16, [2]>> s, tensor<fp16, [2]> x",
           "write_state(input = x, data = x);"),
     "\"input\" is not a state"},
    {CHECK("ios18", "state<tensor<fp16, [2]>> s, tensor<fp16, [3]> x",
           "write_state(input = s, data = x);"),
     "for a state of tensor<fp16, [2]>"},
    {CHECK("ios18", "state<tensor<fp16, [2]>> s",
           "tensor<fp16, [2]> y = relu(x = s);"),
     "\"x\" is a state"},
    /* An activation's number may be fp32; a tensor may not. */
    {CHECK("ios18", X,
           "tensor<fp16, [2, 4]> y = clip(x = x, alpha = fp32(0), beta = "
           "fp32(1));"),
     ""},
    {CHECK("ios18", X ", tensor<fp32, [4]> f",
           "tensor<fp16, [2, 4]> y = add(x = x, y = f);"),
     "\"y\" is fp32, but \"x\" is fp16"},
    {CHECK("ios18", X,
           "tensor<fp16, [2, 1]> a, tensor<fp16, [2, 3]> b = split(x = x, "
           "axis = int32(1), split_sizes = tensor<int32, [2]>([1, 3]));"),
     ""},
    {CHECK("ios18", X,
           "tensor<fp16, [2, 1]> a, tensor<fp16, [2, 2]> b = split(x = x, "
           "axis = int32(1), split_sizes = tensor<int32, [2]>([1, 2]));"),
     "parts of 3 in all, out of 4"},
    {CHECK("ios18", X,
           "tensor<fp16, [2, 4]> y = softmax(x = x, axis = int32(2));"),
     "axis 2 of a tensor of rank 2"},
    {CHECK("ios18", X,
           "tensor<fp16, [3, 4]> y = slice_by_size(x = x, begin = "
           "tensor<int32, [2]>([0, 0]), size = tensor<int32, [2]>([3, 4]));"),
     "axis 0: 3 from 0 of 2"},
    {CHECK("ios18", X,
           "tensor<fp16, [4, 4]> y = reshape(x = x, shape = tensor<int32, "
           "[2]>([4, 4]));"),
     "8 elements do not fill the new shape"},
    {CHECK("ios18", X ", tensor<fp16, [2, 3]> z",
           "tensor<fp16, [2, 4]> y = add(x = x, y = z);"),
     "c:3:26: add: shapes of tensor<fp16, [2, 4]> and tensor<fp16, [2, 3]>"},
    {CHECK("ios18", "tensor<fp16, [1, 4, 8, 8]> x",
           "tensor<fp16, [1, 4, 2, 2]> y = max_pool(x = x, kernel_sizes = "
           "tensor<int32, [2]>([2, 2]), strides = tensor<int32, [2]>([0, 2]), "
           "pad_type = string(\"valid\"));"),
     "below 1"},
};

void test_mil_check_says_what_is_wrong(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *s = cases[i].source, *word = cases[i].word;
        mil_program *p = NULL;
        ar_error err = {0};
        ar_status got = mil_parse("c", s, strlen(s), &p, &err);
        if (got == AR_OK) got = mil_check("c", p, &err);
        if ((got == AR_OK) != !*word || !strstr(err.message, word))
            fail_msg("%s\ngave %d \"%s\", wanted \"%s\"", s, got, err.message,
                     word);
        mil_close(p);
    }
}

/* A program without lines is named by its results. */
void test_mil_check_of_a_built_program(void **state) {
    (void)state;
    const int64_t a[] = {2, 4}, b[] = {2, 5};
    mil_program *p = mil_open();
    mil_func_begin(p, "main", "ios18");
    const mil_ref x = mil_param(p, "x", mil_tensor(MIL_FP16, 2, a));
    mil_op_begin(p, "relu");
    mil_arg_ref(p, "x", x);
    const mil_ref y = mil_op_end(p, "y", mil_tensor(MIL_FP16, 2, b));
    mil_func_end(p, &y, 1);
    assert_ok(mil_status(p, err));
    assert_fails(AR_FORMAT, "made: y: relu: \"y\" is declared",
                 mil_check("made", p, err));
    mil_close(p);
}

/* ---- weight files ---- */

#define FILE_CONST(type, at)                                                   \
    "program(1.3) {\n func main<ios18>() {\n" type " w = const()[val = " type  \
    "(BLOBFILE(path = string(\"@model_path/w.bin\"), offset = uint64(" at      \
    ")))];\n} -> (w);\n}"

void test_mil_check_files(void **state) {
    (void)state;
    static const struct {
        const char *source, *word;
    } all[] = {
        {FILE_CONST("tensor<fp16, [2, 4]>", "64"), ""},
        {FILE_CONST("tensor<int8, [16]>", "64"), ""},
        {FILE_CONST("tensor<uint4, [3]>", "192"), ""},
        {FILE_CONST("tensor<fp16, [2, 5]>", "64"),
         "c:3:40: @model_path/w.bin: blob at 64: it has 16 bytes, not those of "
         "tensor<fp16, [2, 5]>"},
        {FILE_CONST("tensor<fp16, [8]>", "128"), "c:3:37: @model_path/w.bin: "
                                                 "blob at 128: no blob begins"},
        {FILE_CONST("tensor<fp16, [8]>", "320"), "the file ends before"},
        {FILE_CONST("tensor<fp16, [8]>", "18446744073709551552"),
         "blob at 18446744073709551552: the file ends before"},
        {FILE_CONST("tensor<fp16, [8]>", "0"), "multiples of 64"},
    };
    static const uint8_t halves[16] = {0, 0x3C}, nibbles[2] = {0x21, 3};
    mil_blob_writer *w = mil_blob_open();
    mil_file file = {.path = "@model_path/w.bin"};
    assert_int_equal(mil_blob_add(w, MIL_FP16, halves, 8), 64);
    assert_int_equal(mil_blob_add(w, MIL_UINT4, nibbles, 3), 192);
    assert_ok(mil_blob_finish(w, &file.data, &file.size, err));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        mil_program *p;
        ar_error why = {0};
        const char *s = all[i].source, *word = all[i].word;
        assert_ok(mil_parse("c", s, strlen(s), &p, err));
        const ar_status got = mil_check_files("c", p, &file, 1, &why);
        if ((got == AR_OK) != !*word || !strstr(why.message, word))
            fail_msg("%s\ngave %d \"%s\", wanted \"%s\"", s, got, why.message,
                     word);
        assert_fails(AR_FORMAT, "no weight file \"@model_path/w.bin\"",
                     mil_check_files("c", p, NULL, 0, err));
        mil_close(p);
    }
    mil_blob_close(w);
}
