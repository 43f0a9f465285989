/* test_hub_files.c - the hub's answer, and which files a model is. */
#include "base/mem.h"
#include "hub/hub_files.h"
#include "tests/test.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define SUM "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static ar_status parse(hub_files *f, const char *json, ar_error *err) {
    return hub_files_parse(f, "a/b", json, strlen(json), err);
}

void test_hub_files_answer(void **state) {
    (void)state;
    hub_files f;
    assert_ok(parse(&f,
                    "{\"id\": \"a/b\", \"sha\": \"" COMMIT "\", \"siblings\": ["
                    "{\"rfilename\": \"z.gguf\", \"size\": 130, \"blobId\": "
                    "\"" COMMIT "\", \"lfs\": {\"sha256\": \"" SUM
                    "\", \"size\": 5000000000, \"pointerSize\": 130}},"
                    "{\"rfilename\": \".gitattributes\", \"size\": 1},"
                    "{\"rfilename\": \"a/b.json\", \"size\": 7, \"blobId\": "
                    "\"" COMMIT "\", \"lfs\": null},"
                    "{\"rfilename\": \"plain\"}], \"gated\": false}",
                    err));
    assert_string_equal(f.commit, COMMIT);
    assert_int_equal(f.n, 3);
    assert_string_equal(f.file[0].path, "a/b.json");
    assert_string_equal(f.file[0].git, COMMIT);
    assert_string_equal(f.file[0].sha256, "");
    assert_int_equal(f.file[0].size, 7);
    assert_int_equal(f.file[1].size, -1);
    assert_true(f.file[2].size == 5000000000);
    assert_string_equal(f.file[2].sha256, SUM);
    hub_files_close(&f);
}

/* One file with these facts. */
static ar_status one(const char *facts, ar_error *err) {
    char json[1000];
    hub_files f;
    snprintf(json, sizeof json,
             "{\"sha\": \"" COMMIT "\", \"siblings\": [{%s}]}", facts);
    const ar_status s = parse(&f, json, err);
    if (s == AR_OK) hub_files_close(&f);
    return s;
}

void test_hub_files_damaged(void **state) {
    (void)state;
    hub_files f;
    static const char *const answers[] = {
        "",
        "[]",
        "{\"sha\": \"" COMMIT "\"}",
        "{\"siblings\": []}",
        "{\"sha\": 5, \"siblings\": []}",
        "{\"sha\": \"../../../../etc\", \"siblings\": []}",
        "{\"sha\": \"" COMMIT "\", \"siblings\": {}}",
        "{\"sha\": \"" COMMIT "\", \"siblings\": [5]}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        assert_fails(AR_FORMAT, "a/b", parse(&f, answers[i], err));
    static const char *const facts[] = {
        "",
        "\"rfilename\": 5",
        "\"rfilename\": \"../x\"",
        "\"rfilename\": \"/etc/passwd\"",
        "\"rfilename\": \"a/../../x\"",
        "\"rfilename\": \"a\\u0000b\"",
        "\"rfilename\": \"a\\u001bb\"",
        "\"rfilename\": \"a\", \"size\": -1",
        "\"rfilename\": \"a\", \"size\": 1.5",
        "\"rfilename\": \"a\", \"size\": 9223372036854775807",
        "\"rfilename\": \"a\", \"lfs\": {\"sha256\": \"abcdef\"}",
        "\"rfilename\": \"a\", \"lfs\": {\"sha256\": 7}",
        "\"rfilename\": \"a\", \"lfs\": {\"size\": \"7\"}",
        "\"rfilename\": \"a\", \"blobId\": \"xyzxyzxyz\"",
    };
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        assert_fails(AR_FORMAT, "a/b", one(facts[i], err));
    assert_ok(one("\"rfilename\": \"a\"", err));
    assert_fails(AR_FORMAT, "twice",
                 one("\"rfilename\": \"a\"}, {\"rfilename\": \"a\"", err));
}

void test_hub_files_alloc(void **state) {
    (void)state;
    static const char json[] =
        "{\"sha\": \"" COMMIT "\", \"siblings\": [{\"rfilename\": \"a\"}, "
        "{\"rfilename\": \"b\"}, {\"rfilename\": \"c\"}]}";
    hub_files f;
    ar_status s = AR_NOMEM;
    for (int n = 1; s != AR_OK; n++) {
        assert_true(n < 100);
        mem_fail_at(n, 1);
        s = parse(&f, json, NULL);
        mem_fail_at(0, 0);
        assert_true(s == AR_OK || s == AR_NOMEM);
    }
    hub_files_close(&f);
}

/* ---- choosing ---- */

/* The chosen of these paths, with blanks between; or the sentence. */
static const char *choose(const char *const *paths, const char *choice) {
    static char out[1000];
    hub_files f;
    hub_choice what;
    ar_error err = {0};
    hub_files_begin(&f);
    for (; *paths; paths++) {
        const hub_file one_file = {.path = *paths, .size = 1};
        assert_int_equal(hub_files_add(&f, &one_file, &err), AR_OK);
    }
    assert_int_equal(hub_files_sort(&f, "a/b", &err), AR_OK);
    const ar_status s = hub_files_choose(&f, "hf:a/b", choice, &what, &err);
    snprintf(out, sizeof out, "%s",
             s != AR_OK    ? err.message
             : what.folder ? "folder:"
                           : what.first);
    for (int i = 0; s == AR_OK && i < f.n; i++)
        if (f.file[i].chosen)
            snprintf(out + strlen(out), sizeof out - strlen(out), " %s",
                     f.file[i].path);
    hub_files_close(&f);
    return out;
}

void test_hub_choose_safetensors(void **state) {
    (void)state;
    static const char *const whole[] = {
        "README.md",           "config.json",
        "merges.txt",          "model.safetensors",
        "onnx/model.onnx",     "pytorch_model.bin",
        "tokenizer.json",      "tokenizer_config.json",
        "x/model.safetensors", NULL};
    assert_string_equal(choose(whole, ""),
                        "folder: config.json merges.txt model.safetensors "
                        "tokenizer.json tokenizer_config.json");
    static const char *const parts[] = {"chat_template.jinja",
                                        "config.json",
                                        "consolidated.safetensors",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors",
                                        "model.gguf",
                                        "model.safetensors.index.json",
                                        "tokenizer.model",
                                        NULL};
    assert_string_equal(
        choose(parts, ""),
        "folder: chat_template.jinja config.json "
        "model-00001-of-00002.safetensors model-00002-of-00002.safetensors "
        "model.safetensors.index.json tokenizer.model");
    assert_string_equal(choose(parts, "consolidated.safetensors"),
                        "consolidated.safetensors consolidated.safetensors");
    assert_string_equal(choose(parts, "model.gguf"), "model.gguf model.gguf");
    static const char *const other[] = {"config.json", "weights.safetensors",
                                        "consolidated.safetensors", NULL};
    assert_string_equal(choose(other, ""),
                        "folder: config.json weights.safetensors");
    static const char *const none[] = {"config.json", "pytorch_model.bin",
                                       "x/model.safetensors", NULL};
    assert_non_null(strstr(choose(none, ""), "neither safetensors nor GGUF"));
}

void test_hub_choose_gguf(void **state) {
    (void)state;
    static const char *const many[] = {"m-BF16-00001-of-00002.gguf",
                                       "m-BF16-00002-of-00002.gguf",
                                       "m-F16.gguf",
                                       "m-IQ4_XS.gguf",
                                       "m-Q4_K_M.gguf",
                                       "m-Q4_K_S.gguf",
                                       "m-Q6_K.gguf",
                                       "m-UD-Q6_K_XL.gguf",
                                       "mmproj-F16.gguf",
                                       "x/m-Q8_0-00001-of-00002.gguf",
                                       "x/m-Q8_0-00002-of-00002.gguf",
                                       NULL};
    static const struct {
        const char *choice, *result;
    } rows[] = {
        {"", "m-Q4_K_M.gguf m-Q4_K_M.gguf"},
        {"q4_k_m", "m-Q4_K_M.gguf m-Q4_K_M.gguf"},
        {"F16", "m-F16.gguf m-F16.gguf"},
        {"bf16", "m-BF16-00001-of-00002.gguf m-BF16-00001-of-00002.gguf "
                 "m-BF16-00002-of-00002.gguf"},
        {"Q8_0", "x/m-Q8_0-00001-of-00002.gguf x/m-Q8_0-00001-of-00002.gguf "
                 "x/m-Q8_0-00002-of-00002.gguf"},
        {"x/m-Q8_0-00002-of-00002.gguf",
         "x/m-Q8_0-00001-of-00002.gguf x/m-Q8_0-00001-of-00002.gguf "
         "x/m-Q8_0-00002-of-00002.gguf"},
        {"Q6_K", "m-Q6_K.gguf m-Q6_K.gguf"},
        {"Q6_K_XL", "m-UD-Q6_K_XL.gguf m-UD-Q6_K_XL.gguf"},
        {"mmproj-F16.gguf", "mmproj-F16.gguf mmproj-F16.gguf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(choose(many, rows[i].choice), rows[i].result);
    assert_non_null(strstr(choose(many, "Q4_K"), "which \"Q4_K\""));
    assert_non_null(strstr(choose(many, "Q2_K"), "has no file \"Q2_K\""));
    assert_non_null(strstr(choose(many, "F16.gguf"), "has no file"));
}

void test_hub_choose_without_a_word(void **state) {
    (void)state;
    static const char *const single[] = {"README.md", "m-Q8_0.gguf",
                                         "mmproj-m.gguf", NULL};
    assert_string_equal(choose(single, ""), "m-Q8_0.gguf m-Q8_0.gguf");
    static const char *const two[] = {"m-F16.gguf", "m-Q8_0.gguf", NULL};
    assert_non_null(strstr(choose(two, ""), "m-F16.gguf, m-Q8_0.gguf"));
    static const char *const gap[] = {"m-00001-of-00003.gguf",
                                      "m-00003-of-00003.gguf", NULL};
    assert_non_null(strstr(choose(gap, ""), "2 of the 3 parts"));
    static const char *const odd[] = {"m-00004-of-00003.gguf", NULL};
    assert_string_equal(choose(odd, ""),
                        "m-00004-of-00003.gguf m-00004-of-00003.gguf");
}
