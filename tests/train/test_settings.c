/* test_settings.c - settings as text and JSON; budgets. */
#include "base/file.h"
#include "tests/train/train_case.h"

void test_settings_table(void **state) {
    (void)state;
    for (int i = 0; i < settings_count; i++) {
        const setting_info *info = &settings_table[i];
        assert_ptr_equal(settings_find(info->path), info);
        if (info->flag[0]) assert_ptr_equal(settings_find(info->flag), info);
        if (info->kind == SETTING_PATHS || info->kind == SETTING_JSON) continue;
        settings s;
        settings_default(&s);
        assert_ok(settings_set(&s, info->path, info->text, err));
    }
    char name[32];
    const setting_info *form = settings_find("schedule.shape");
    assert_true(settings_choice(form, SCHEDULE_WARMDOWN, name, sizeof name));
    assert_string_equal(name, "warmdown");
    assert_false(settings_choice(form, 5, name, sizeof name));
    const setting_info *how = settings_find("optimizer");
    assert_true(settings_choice(how, RECIPE_AR, name, sizeof name));
    assert_string_equal(name, "ar");
    assert_false(settings_choice(how, RECIPE_AR + 1, name, sizeof name));
}

void test_settings_round_trip(void **state) {
    (void)state;
    settings a, b;
    settings_default(&a);
    settings_default(&b);
    assert_ok(settings_set(&a, "batch", "7", err));
    assert_ok(settings_set(&a, "optimizer.lr", "1.0000000000000002e-3", err));
    assert_ok(settings_set(&a, "recompute", "true", err));
    assert_ok(settings_set(&a, "order", "packed", err));
    assert_ok(settings_set(&a, "text", "a.txt", err));
    assert_ok(settings_set(&a, "text", "b.txt", err));
    assert_ok(settings_set(&a, "preset", "gpt2-124m", err));
    const model_config c = case_config("ar");
    assert_ok(optim_resolve(&a, &c, err));
    char path[400];
    snprintf(path, sizeof path, "%s/run.json", test_folder());
    assert_ok(settings_write(&a, path, err));
    assert_ok(settings_read(&b, path, err));
    json_t *x = settings_json(&a), *y = settings_json(&b);
    assert_true(json_equal(x, y));
    assert_int_equal(b.rows, 7);
    assert_true(b.lr == 1.0000000000000002e-3);
    assert_int_equal(json_array_size(b.text), 2);
    json_decref(x);
    json_decref(y);
    settings_close(&a);
    settings_close(&b);
}

static ar_status read_text(settings *s, const char *text, ar_error *err) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    const ar_status status = settings_read_json(s, json, err);
    json_decref(json);
    return status;
}

void test_settings_refuse(void **state) {
    (void)state;
    settings s;
    settings_default(&s);
    assert_fails(AR_USAGE, "\"bacth\"", settings_set(&s, "bacth", "1", err));
    assert_fails(AR_USAGE, "data.batch", settings_set(&s, "batch", "x", err));
    assert_fails(AR_USAGE, "data.batch", settings_set(&s, "batch", "0", err));
    assert_fails(AR_USAGE, "whole", settings_set(&s, "batch", "1.5", err));
    assert_fails(AR_USAGE, "data.batch",
                 settings_set(&s, "batch", "99999999999999999999", err));
    assert_fails(AR_USAGE, "optimizer.lr", settings_set(&s, "lr", "nan", err));
    assert_fails(AR_USAGE, "sequential|shuffled|packed",
                 settings_set(&s, "order", "random", err));
    assert_fails(AR_USAGE, "true", settings_set(&s, "recompute", "maybe", err));
    assert_fails(AR_FORMAT, "data.bacth",
                 read_text(&s, "{\"data\": {\"bacth\": 3}}", err));
    assert_fails(AR_FORMAT, "data.batch: must be a whole number",
                 read_text(&s, "{\"data\": {\"batch\": \"3\"}}", err));
    assert_fails(AR_FORMAT, "data.batch: 0 is not between",
                 read_text(&s, "{\"data\": {\"batch\": 0}}", err));
    assert_fails(AR_FORMAT, "data.order",
                 read_text(&s, "{\"data\": {\"order\": \"no\"}}", err));
    assert_fails(AR_FORMAT, "list of strings",
                 read_text(&s, "{\"data\": {\"text\": [1]}}", err));
    assert_fails(AR_FORMAT, "not known",
                 read_text(&s, "{\"x\": {}, \"batch\": 1}", err));
    assert_fails(AR_FORMAT, "object", read_text(&s, "[]", err));
    settings_close(&s);
}

void test_budget(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum budget_unit unit;
        double amount;
    } good[] = {
        {"300s", BUDGET_SECONDS, 300},     {"5min", BUDGET_SECONDS, 300},
        {"1.5h", BUDGET_SECONDS, 5400},    {"1e15flop", BUDGET_FLOPS, 1e15},
        {"2Pflop", BUDGET_FLOPS, 2e15},    {"500Mtok", BUDGET_TOKENS, 5e8},
        {"500tokens", BUDGET_TOKENS, 500}, {"2000steps", BUDGET_STEPS, 2000},
        {"1step", BUDGET_STEPS, 1},        {"3ksteps", BUDGET_STEPS, 3000},
    };
    static const char *const bad[] = {"",         "300",      "s",
                                      "-3s",      "0steps",   "3Ms",
                                      "1e999tok", "nansteps", "3 apples"};
    budget b;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_ok(budget_parse(&b, good[i].text, err));
        assert_int_equal(b.unit, good[i].unit);
        assert_near(b.amount, good[i].amount, 1e-9 * good[i].amount);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(AR_USAGE, "budget", budget_parse(&b, bad[i], err));
}
