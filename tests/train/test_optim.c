/* test_optim.c - every optimiser against golden/training/optim.json, on the
 * double reference; groups. */
#include "base/mem.h"
#include "core/backend.h"
#include "tests/train/train_case.h"

enum { SLOT_P, SLOT_G, SLOT_S, SLOT_H, N_SLOTS, STATE_AT = 4096 };

/* One parameter with its optimiser, on the reference in double. */
typedef struct single {
    train_device dev;
    compiled update;
    buffer buffers[N_SLOTS];
    optim_group group;
    param_spec spec;
    bool transposed;
} single;

static void single_open(single *s) {
    graph g;
    const device_options one = {.n_threads = 1};
    memset(s->buffers, 0, sizeof s->buffers);
    assert_ok(train_device_open(&s->dev, "reference-f64", &one, err));
    for (int i = 0; i < N_SLOTS; i++)
        assert_ok(train_alloc(&s->dev, 2 * STATE_AT, &s->buffers[i], err));
    graph_open(&g);
    optim_param p = {.group = &s->group,
                     .spec = &s->spec,
                     .type = AR_F64,
                     .transposed = s->transposed};
    p.p = graph_state(&g, "p", AR_F64, s->spec.shape, SLOT_P, 0);
    p.grad = graph_input(&g, "g", AR_F64, s->spec.shape, SLOT_G, 0);
    for (int i = 0; i < optim_table[s->group.kind].n_states; i++)
        p.state[i] = graph_state(
            &g, "s", AR_F64,
            optim_state_shape(&s->group, &s->spec, s->transposed, i), SLOT_S,
            i * STATE_AT);
    p.hyper = graph_input(&g, "h", AR_F64, shape1(HYPER_SIZE), SLOT_H, 0);
    optim_table[s->group.kind].build(&g, &p);
    assert_ok(compiled_open(&s->update, &s->dev, &g, err));
}

static void single_close(single *s) {
    compiled_close(&s->update, &s->dev);
    for (int i = 0; i < N_SLOTS; i++) s->dev.b->free(s->dev.d, &s->buffers[i]);
    train_device_close(&s->dev);
}

static void single_step(single *s, const double *grad, int64_t n, int step,
                        double scale) {
    double h[HYPER_SIZE] = {0};
    const run_clock clock = {step, 0, 0};
    const optim_moment m = {&clock, step, 1, scale};
    optim_table[s->group.kind].hyper(&s->group, &m, h);
    memcpy(s->buffers[SLOT_G].host, grad, (size_t)n * 8);
    memcpy(s->buffers[SLOT_H].host, h, sizeof h);
    assert_ok(compiled_run(&s->update, &s->dev, s->buffers, N_SLOTS, err));
}

static void set_number(optim_group *group, enum optim_number i,
                       const json_t *hyper, const char *key) {
    const double x = json_number_value(json_object_get(hyper, key));
    group->number[i] = (ramp){x, x, 0};
}

static void set_group(optim_group *group, const char *kind,
                      const json_t *hyper) {
    static const struct {
        const char *name;
        enum optim_kind kind;
        enum muon_method method;
    } kinds[] = {
        {"sgd", OPTIM_SGD, 0},
        {"sgd_nesterov", OPTIM_SGD, 0},
        {"adam", OPTIM_ADAMW, 0},
        {"adamw", OPTIM_ADAMW, 0},
        {"clip_adamw", OPTIM_ADAMW, 0},
        {"lion", OPTIM_LION, 0},
        {"muon_quintic", OPTIM_MUON, MUON_QUINTIC},
        {"muon_polar", OPTIM_MUON, MUON_POLAR},
        {"normuon", OPTIM_NORMUON, MUON_POLAR},
    };
    memset(group, 0, sizeof *group);
    int found = -1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, kind) == 0) found = (int)i;
    assert_true(found >= 0);
    group->kind = kinds[found].kind;
    group->method = kinds[found].method;
    group->steps = 5;
    group->nesterov = strcmp(kind, "sgd_nesterov") == 0;
    set_number(group, NUMBER_LR, hyper, "lr");
    set_number(group, NUMBER_BETA1, hyper, "b1");
    set_number(group, NUMBER_BETA2, hyper, "b2");
    set_number(group, NUMBER_EPS, hyper, "eps");
    set_number(group, NUMBER_WEIGHT_DECAY, hyper, "wd");
    set_number(group, NUMBER_MOMENTUM, hyper, "mu");
}

static void transpose(double *x, int64_t rows, int64_t columns) {
    double y[512];
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            y[j * rows + i] = x[i * columns + j];
    memcpy(x, y, (size_t)(rows * columns) * 8);
}

/* Largest difference from a trace; flip: the matrix is stored [in, out]. */
static double follow(const json_t *trace, uint64_t seed, bool flip) {
    const json_t *dims = json_object_get(trace, "shape");
    const json_t *hyper = json_object_get(trace, "hyper");
    const char *kind = json_string_value(json_object_get(trace, "optimizer"));
    const uint64_t tensor =
        (uint64_t)json_integer_value(json_object_get(trace, "tensor"));
    const double max_norm =
        json_number_value(json_object_get(hyper, "max_norm"));
    single s = {.transposed = flip};
    set_group(&s.group, kind, hyper);
    shape *const sh = &s.spec.shape;
    sh->rank = (int)json_array_size(dims);
    for (int i = 0; i < sh->rank; i++)
        sh->dim[i] = json_integer_value(json_array_get(dims, (size_t)i));
    const int64_t rows = sh->dim[0], columns = shape_last(sh);
    const int64_t n = shape_count(sh);
    if (flip) *sh = shape2(columns, rows);
    single_open(&s);
    double x[512], worst = 0;
    case_uniform(seed * 1000 + tensor, n, 0.5, x);
    if (flip) transpose(x, rows, columns);
    memcpy(s.buffers[SLOT_P].host, x, (size_t)n * 8);
    for (int step = 0; step < 10; step++) {
        const json_t *want =
            json_array_get(json_object_get(trace, "params"), (size_t)step);
        double scale = 1, sum = 0;
        case_uniform(seed * 1000 + 100 * (tensor + 1) + (uint64_t)step, n, 1,
                     x);
        for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
        if (max_norm > 0) scale = fmin(1, max_norm / (sqrt(sum) + 1e-6));
        if (flip) transpose(x, rows, columns);
        single_step(&s, x, n, step, scale);
        memcpy(x, s.buffers[SLOT_P].host, (size_t)n * 8);
        if (flip) transpose(x, columns, rows);
        for (int64_t i = 0; i < n; i++)
            worst = fmax(worst, fabs(x[i] - json_number_value(json_array_get(
                                                want, (size_t)i))));
    }
    single_close(&s);
    return worst;
}

void test_optim_golden(void **state) {
    (void)state;
    json_t *json = case_json("training/optim.json");
    const json_t *traces = json_object_get(json, "traces");
    const uint64_t seed =
        (uint64_t)json_integer_value(json_object_get(json, "seed"));
    size_t i;
    json_t *trace;
    assert_true(json_array_size(traces) > 20);
    json_array_foreach(traces, i, trace) {
        const char *kind =
            json_string_value(json_object_get(trace, "optimizer"));
        const double d = follow(trace, seed, false);
        if (!(d < 1e-12)) fail_msg("%s, trace %zu: %g", kind, i, d);
        if (!strstr(kind, "muon")) continue;
        const double e = follow(trace, seed, true);
        if (!(e < 1e-12)) fail_msg("%s flipped, trace %zu: %g", kind, i, e);
    }
    json_decref(json);
}

void test_optim_groups(void **state) {
    (void)state;
    json_t *list = json_loads(
        "[{\"name\": \"m\", \"match\": [\"matrix\"], \"optimizer\": \"muon\","
        "  \"lr\": 0.02, \"momentum\": {\"from\": 0.85, \"to\": 0.95, "
        "\"steps\": 300}, \"method\": \"quintic\"},"
        " {\"match\": [\"role:embed\", \"*wpe*\"], \"lr\": 0.001},"
        " {\"match\": [\"*\"], \"optimizer\": \"lion\", \"lr\": 1e-4}]",
        0, NULL);
    assert_non_null(list);
    optim_groups groups, again;
    assert_ok(optim_groups_read(&groups, list, err));
    assert_int_equal(groups.n, 3);
    assert_int_equal(groups.group[0].method, MUON_QUINTIC);
    assert_int_equal(groups.group[1].kind, OPTIM_ADAMW);
    json_t *json = optim_groups_json(&groups);
    assert_ok(optim_groups_read(&again, json, err));
    assert_memory_equal(&groups.group[0], &again.group[0],
                        sizeof groups.group[0]);

    const model_config c = case_config("gpt2");
    param_list params;
    assert_ok(params_build(&params, &c, AR_F32, err));
    int count[3] = {0};
    for (int i = 0; i < params.n; i++) {
        int k;
        assert_ok(optim_group_of(&groups, &params.spec[i], &k, err));
        count[k]++;
    }
    assert_int_equal(count[0], 8); /* qkv, o, up, down of two layers */
    assert_int_equal(count[1], 2); /* wte, wpe */
    params_close(&params);
    json_decref(json);
    json_decref(list);
}

void test_optim_groups_refuse(void **state) {
    (void)state;
    static const struct {
        const char *json, *word;
    } bad[] = {
        {"[]", "list"},
        {"[{\"match\": []}]", "match"},
        {"[{\"match\": [\"*\"], \"optimizer\": \"adamx\"}]", "optimizer"},
        {"[{\"match\": [\"*\"], \"rate\": 1}]", "rate"},
        {"[{\"match\": [\"*\"], \"lr\": \"x\"}]", "lr"},
        {"[{\"match\": [\"*\"], \"beta1\": 2}]", "beta1"},
        {"[{\"match\": [\"*\"], \"steps\": 0}]", "steps"},
        {"[{\"optimizer\": \"sgd\", \"name\": \"x\"}]", "match"},
        {"[{\"match\": [\"*\"], \"name\": \"all\"}]",
         "\"all\": lr must be given"},
    };
    optim_groups groups;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *json = json_loads(bad[i].json, 0, NULL);
        assert_non_null(json);
        assert_fails(AR_FORMAT, bad[i].word,
                     optim_groups_read(&groups, json, err));
        json_decref(json);
    }
    json_t *json = json_loads(
        "[{\"match\": [\"matrix\"], \"optimizer\": \"sgd\", \"lr\": 1},"
        " {\"name\": \"n\", \"match\": [\"*norm*\", \"*ln_*\"], "
        "\"optimizer\": \"muon\", \"lr\": 1}]",
        0, NULL);
    const model_config c = case_config("gpt2");
    settings s;
    trainer *t;
    case_settings(&s, "gpt2", &c, "reference");
    json_decref(s.groups);
    s.groups = json;
    assert_fails(AR_RANGE, "transformer.wte.weight",
                 trainer_open(&t, &s, &c, err));
    settings_close(&s);
}
