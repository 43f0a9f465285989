/* test_model.c - folders that are models, and those that are not. */
#include "model/model.h"
#include "tests/model/golden_io.h"

void test_model_damaged(void **state) {
    (void)state;
    json_t *all = golden_json(test_golden("damaged/damaged.json"));
    const char *name;
    json_t *entry;
    int n = 0;
    json_object_foreach(all, name, entry) {
        if (strncmp(name, "dirs/", 5)) continue;
        char path[256];
        snprintf(path, sizeof path, "damaged/%s", name);
        ar_model *m;
        ar_error err = {0};
        const ar_status s = ar_model_open(&m, test_golden(path), &err);
        const bool valid = json_is_true(json_object_get(entry, "valid"));
        if (valid != (s == AR_OK))
            fail_msg("%s: %s", name, s ? err.message : "was accepted");
        if (s != AR_OK) assert_true(!m && strlen(err.message) > 5);
        ar_model_close(m);
        n++;
    }
    assert_true(n >= 20);
    json_decref(all);
}

void test_model_missing(void **state) {
    (void)state;
    ar_model *m;
    assert_fails(AR_IO, "no-such-folder",
                 ar_model_open(&m, "no-such-folder", err));
    assert_fails(AR_IO, "config.json", ar_model_open(&m, test_folder(), err));
}
