/* cmd_bench.c - arcane bench: how fast the parts and the whole are here. */
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/options.h"
#include "train/train.h"

typedef struct kernels_args {
    device_args on;
    const char *filter;
    double seconds;
    bool json;
} kernels_args;

static const cli_option kernels_options[] = {
    {"FILTER", NULL, CLI_TEXT, false, offsetof(kernels_args, filter), NULL,
     "only ops whose name contains this"},
    {"--seconds", NULL, CLI_REAL, false, offsetof(kernels_args, seconds), "X",
     "time spent on each; default 0.3"},
    {"--json", NULL, CLI_FLAG, false, offsetof(kernels_args, json), NULL,
     "print a list of objects"},
    DEVICE_OPTIONS(kernels_args),
    OPTIONS_END,
};

static void print_row(void *ctx, const op_bench_result *r) {
    json_t *list = ctx;
    if (list) {
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:f, s:f, s:f}", "op", r->name, "shape",
                            r->shape, "seconds", r->seconds, "gflops",
                            r->flops / r->seconds / 1e9, "gb_per_s",
                            r->bytes / r->seconds / 1e9));
        return;
    }
    printf("%-14s %-26s %9.3f ms %9.1f GFLOP/s %8.1f GB/s\n", r->name, r->shape,
           1e3 * r->seconds, r->flops / r->seconds / 1e9,
           r->bytes / r->seconds / 1e9);
    fflush(stdout);
}

static ar_status open_device(const device_args *a, const backend **b,
                             device **d, ar_error *err) {
    device_options o = {.n_threads = thread_count(a->threads),
                        .kernels = a->kernels};
    const char *name = a->device;
    if (!strcmp(name, "reference")) {
        name = "cpu";
        o.kernels = "reference";
    }
    *b = backend_find(name);
    if (!*b)
        return error_set(err, AR_USAGE, "--device: there is no \"%s\"", name);
    return (*b)->open(0, &o, d, err);
}

static ar_status run_kernels(const void *parsed, ar_error *err) {
    const kernels_args *a = parsed;
    const backend *b;
    device *d = NULL;
    if (!op_bench_has(a->filter))
        return error_set(err, AR_USAGE,
                         "FILTER: no op has \"%.40s\" in its name", a->filter);
    TRY(open_device(&a->on, &b, &d, err));
    json_t *list = a->json ? json_array() : NULL;
    if (!list) {
        device_caps caps;
        b->caps(d, &caps);
        printf("%s; medians\n", caps.name);
    }
    const ar_status s =
        op_bench_run(b, d, a->filter, a->seconds, print_row, list, err);
    b->close(d);
    if (s == AR_OK && list) return print_json(list, err);
    json_decref(list);
    return s;
}

const cli_command cmd_bench_kernels = {
    .name = "bench kernels",
    .summary = "time single ops",
    .examples = "  arcane bench kernels\n"
                "  arcane bench kernels matmul -t 1 --kernels avx2\n",
    .options = kernels_options,
    .args_size = sizeof(kernels_args),
    .defaults = &(const kernels_args){.on = DEVICE_DEFAULTS, .seconds = 0.3},
    .run = run_kernels,
};

/* ---- a whole training step ---- */

typedef struct train_args {
    device_args on;
    const char *preset, *blas, *compute;
    int64_t rows, seq, steps;
    bool json;
} train_args;

static const cli_option train_options[] = {
    {"--preset", NULL, CLI_TEXT, false, offsetof(train_args, preset), "NAME",
     "model; default gpt2-124m"},
    {"--batch", NULL, CLI_INT, false, offsetof(train_args, rows), "N",
     "rows; default 4"},
    {"--seq", NULL, CLI_INT, false, offsetof(train_args, seq), "N",
     "tokens of a row; default 64"},
    {"--steps", NULL, CLI_INT, false, offsetof(train_args, steps), "N",
     "steps to time after one to warm up; default 5"},
    {"--compute", NULL, CLI_TEXT, false, offsetof(train_args, compute), "TYPE",
     "f32, bf16 or f16; default f32"},
    {"--blas", NULL, CLI_TEXT, false, offsetof(train_args, blas), "NAME",
     "openblas or accelerate in place of our own products"},
    {"--json", NULL, CLI_FLAG, false, offsetof(train_args, json), NULL,
     "print an object"},
    DEVICE_OPTIONS(train_args),
    OPTIONS_END,
};

static ar_status set(settings *s, const char *name, const char *text,
                     ar_error *err) {
    return text ? settings_set(s, name, text, err) : AR_OK;
}

static ar_status set_number(settings *s, const char *name, int64_t n,
                            ar_error *err) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)n);
    return settings_set(s, name, text, err);
}

static ar_status fill_settings(settings *s, const train_args *a,
                               ar_error *err) {
    TRY(set(s, "preset", a->preset, err));
    TRY(set(s, "device", a->on.device, err));
    TRY(set(s, "kernels", a->on.kernels, err));
    TRY(set(s, "blas", a->blas, err));
    TRY(set(s, "compute", a->compute, err));
    TRY(set_number(s, "threads", a->on.threads, err));
    TRY(set_number(s, "batch", a->rows, err));
    return set_number(s, "seq", a->seq, err);
}

/* Steps on made-up tokens; seconds[i] of each. */
static ar_status time_steps(trainer *t, const train_args *a, int64_t n_vocab,
                            double *seconds, ar_error *err) {
    const int64_t n = a->rows * a->seq;
    int32_t *ids = mem_new(int32_t, 2 * n);
    if (!ids) return error_set(err, AR_NOMEM, "out of memory");
    ar_status s = AR_OK;
    for (int64_t step = 0; s == AR_OK && step <= a->steps; step++) {
        for (int64_t i = 0; i < 2 * n; i++)
            ids[i] = (int32_t)((i * 7919 + step * 104729) % n_vocab);
        const run_clock clock = {.step = step, .progress = 0.5};
        trainer_result r;
        const double start = clock_now();
        s = trainer_step(t, ids, ids + n, &clock, &r, err);
        if (step) seconds[step - 1] = clock_now() - start;
    }
    mem_free(ids);
    return s;
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ar_status report(const train_args *a, const trainer *t, double *seconds,
                        ar_error *err) {
    trainer_memory m;
    trainer_memory_of(t, &m);
    qsort(seconds, (size_t)a->steps, sizeof *seconds, by_value);
    const double median = seconds[a->steps / 2];
    const double tokens = (double)(a->rows * a->seq) / median;
    if (a->json) {
        json_t *list = json_array();
        for (int64_t i = 0; i < a->steps; i++)
            json_array_append_new(list, json_real(seconds[i]));
        return print_json(
            json_pack("{s:s, s:I, s:I, s:o, s:f, s:f, s:f, s:f, s:I}", "preset",
                      a->preset, "batch", (json_int_t)a->rows, "seq",
                      (json_int_t)a->seq, "seconds", list, "median_s", median,
                      "tokens_per_s", tokens, "step_flops", m.step_flops,
                      "gflops", m.step_flops / median / 1e9, "memory",
                      (json_int_t)m.total),
            err);
    }
    printf("%s, %lld x %lld tokens: median %.1f ms a step (%.1f to %.1f), "
           "%.0f tokens/s, %.1f GFLOP/s, %.0f MiB\n",
           a->preset, (long long)a->rows, (long long)a->seq, 1e3 * median,
           1e3 * seconds[0], 1e3 * seconds[a->steps - 1], tokens,
           m.step_flops / median / 1e9, (double)m.total / 1048576);
    return AR_OK;
}

static ar_status bench_train(const train_args *a, settings *s, ar_error *err) {
    model_config c;
    TRY(fill_settings(s, a, err));
    TRY(train_model_of(s, &c, 0, err));
    double *seconds = mem_new(double, a->steps);
    if (!seconds) return error_set(err, AR_NOMEM, "out of memory");
    trainer *t = NULL;
    ar_status status = trainer_open(&t, s, &c, err);
    if (status == AR_OK) status = trainer_init(t, 1, err);
    if (status == AR_OK) status = time_steps(t, a, c.n_vocab, seconds, err);
    if (status == AR_OK) status = report(a, t, seconds, err);
    trainer_close(t);
    mem_free(seconds);
    return status;
}

static ar_status run_train(const void *parsed, ar_error *err) {
    const train_args *a = parsed;
    if (a->steps < 1 || a->steps > 1000000)
        return error_set(err, AR_USAGE, "--steps: between 1 and 1000000");
    settings s;
    settings_default(&s);
    const ar_status status = bench_train(a, &s, err);
    settings_close(&s);
    return status;
}

const cli_command cmd_bench_train = {
    .name = "bench train",
    .summary = "time whole training steps of a preset on made-up tokens",
    .examples = "  arcane bench train --preset gpt2-124m --batch 4 --seq 64\n"
                "  arcane bench train --preset tiny --batch 16 --seq 256 -t 1 "
                "--json\n",
    .options = train_options,
    .args_size = sizeof(train_args),
    .defaults = &(const train_args){.on = DEVICE_DEFAULTS,
                                    .preset = "gpt2-124m",
                                    .rows = 4,
                                    .seq = 64,
                                    .steps = 5},
    .run = run_train,
};
