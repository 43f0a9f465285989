/* cmd_plan.c - arcane plan: what a model will take, beforehand. */
#include "backend/backends.h"
#include "base/error.h"
#include "cli/options.h"
#include "cli/plan_infer.h"
#include "cli/random_model.h"
#include "model/model.h"
#include "train/train.h"

typedef struct plan_args {
    const char *preset, *config_file, *compute, *optimizer, *model, *random;
    int64_t rows, seq, accumulate, threads, prompt, depth;
    double gflops, bandwidth;
    bool recompute, json, list, machines;
} plan_args;

static const cli_option options[] = {
    {"--preset", NULL, CLI_TEXT, false, offsetof(plan_args, preset), "NAME",
     "model; default gpt2-124m; --list shows them all"},
    {"--list", NULL, CLI_FLAG, false, offsetof(plan_args, list), NULL,
     "list the presets and their sizes"},
    {"--config", NULL, CLI_TEXT, false, offsetof(plan_args, config_file),
     "FILE", "settings of a run, as RUN/settings.json has them"},
    {"--batch", NULL, CLI_INT, false, offsetof(plan_args, rows), "N",
     "rows of a micro-step; default 4"},
    {"--seq", NULL, CLI_INT, false, offsetof(plan_args, seq), "N",
     "tokens of a row; default: the model's context"},
    {"--accumulate", NULL, CLI_INT, false, offsetof(plan_args, accumulate), "N",
     "micro-steps of an update; default 1"},
    {"--optimizer", NULL, CLI_TEXT, false, offsetof(plan_args, optimizer),
     "NAME", "as for train"},
    {"--compute", NULL, CLI_TEXT, false, offsetof(plan_args, compute), "TYPE",
     "f32, bf16 or f16"},
    {"--recompute", NULL, CLI_FLAG, false, offsetof(plan_args, recompute), NULL,
     "compute activations again in the backward pass"},
    {"--model", NULL, CLI_MODEL, false, offsetof(plan_args, model), "MODEL",
     "not training but prompts and answers of this model"},
    {"--random", NULL, CLI_TEXT, false, offsetof(plan_args, random),
     "SHAPE[:MIX]", "the same of a shape, as `arcane bench infer --random`"},
    {"--prompt", "-p", CLI_INT, false, offsetof(plan_args, prompt), "N",
     "tokens of the prompt; default 512"},
    {"--depth", "-d", CLI_INT, false, offsetof(plan_args, depth), "N",
     "tokens before the one that is written; default 0"},
    {"--machines", NULL, CLI_FLAG, false, offsetof(plan_args, machines), NULL,
     "also the times that other machines should reach"},
    {"--gflops", NULL, CLI_REAL, false, offsetof(plan_args, gflops), "X",
     "plan for a machine of X GFLOP/s; default: this one, measured"},
    {"--bandwidth", NULL, CLI_REAL, false, offsetof(plan_args, bandwidth), "X",
     "and of X GB/s"},
    {"--threads", "-t", CLI_INT, false, offsetof(plan_args, threads), "N",
     "threads to measure with; default: all processors"},
    {"--json", NULL, CLI_FLAG, false, offsetof(plan_args, json), NULL,
     "print an object"},
    OPTIONS_END,
};

static ar_status list_presets(ar_error *err) {
    for (int i = 0; i < config_preset_count(); i++) {
        model_config c;
        param_list p;
        TRY(config_preset(&c, config_preset_name(i), err));
        TRY(params_build(&p, &c, AR_F32, err));
        printf("%-28s %9.2f M  %s\n", config_preset_name(i),
               (double)p.count / 1e6, config_preset_text(i));
        params_close(&p);
    }
    return AR_OK;
}

static ar_status set_number(settings *s, const char *name, int64_t n,
                            ar_error *err) {
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)n);
    return n ? settings_set(s, name, text, err) : AR_OK;
}

static ar_status fill(settings *s, const plan_args *a, ar_error *err) {
    if (a->config_file)
        TRY(settings_read(s, a->config_file, err));
    else
        TRY(settings_set(s, "preset", "gpt2-124m", err));
    TRY(settings_loosen(s, a->optimizer ? "--optimizer" : NULL, a->preset,
                        err));
    if (a->preset) TRY(settings_set(s, "preset", a->preset, err));
    if (a->compute) TRY(settings_set(s, "compute", a->compute, err));
    if (a->optimizer) TRY(settings_set(s, "optimizer", a->optimizer, err));
    if (a->recompute) TRY(settings_set(s, "recompute", "true", err));
    TRY(set_number(s, "batch",
                   a->rows          ? a->rows
                   : a->config_file ? 0
                                    : 4,
                   err));
    TRY(set_number(s, "seq", a->seq, err));
    TRY(set_number(s, "accumulate", a->accumulate, err));
    return settings_set(s, "device", "null", err);
}

/* The rates of this machine, all in proportion to those that were given. */
static ar_status machine(const plan_args *a, device_speed *out, ar_error *err) {
    const backend *b = backend_find("cpu");
    const device_options o = {.n_threads = thread_count(a->threads)};
    device *d = NULL;
    TRY(b->open(0, &o, &d, err));
    const ar_status s = b->measure(d, out, err);
    b->close(d);
    TRY(s);
    if (a->gflops > 0) {
        const double factor = a->gflops * 1e9 / out->flops;
        out->flops *= factor;
        out->levels *= factor;
        out->cached *= factor;
    }
    if (a->bandwidth > 0) out->bandwidth = a->bandwidth * 1e9;
    return AR_OK;
}

static void line(const char *name, size_t bytes) {
    printf("  %-24s %10.1f MiB\n", name, (double)bytes / 1048576);
}

static ar_status report(const plan_args *a, const settings *s, const trainer *t,
                        ar_error *err) {
    trainer_memory m;
    device_speed speed;
    TRY(machine(a, &speed, err));
    trainer_memory_of(t, &m);
    const double seconds = trainer_predict(t, &speed);
    const double tokens = (double)(s->rows * s->seq * s->accumulate);
    const int64_t n_params = trainer_params(t)->count;
    if (a->json)
        return print_json(
            json_pack(
                "{s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:{s:I, s:I, s:I, "
                "s:I, s:I, s:I, s:I, s:I, s:I}}",
                "preset", s->preset, "parameters", (json_int_t)n_params,
                "batch", (json_int_t)s->rows, "seq", (json_int_t)s->seq,
                "step_flops", m.step_flops, "step_seconds", seconds,
                "tokens_per_second", tokens / seconds, "memory", "params",
                (json_int_t)m.params, "grads", (json_int_t)m.grads, "optimizer",
                (json_int_t)m.states, "ema", (json_int_t)m.ema, "activations",
                (json_int_t)m.activations, "constants", (json_int_t)m.constants,
                "scratch", (json_int_t)m.scratch, "buffers",
                (json_int_t)m.buffers, "total", (json_int_t)m.total),
            err);
    printf("%s: %.2f M parameters; %lld x %lld tokens",
           a->config_file && !a->preset ? a->config_file : s->preset,
           (double)n_params / 1e6, (long long)s->rows, (long long)s->seq);
    if (s->accumulate > 1)
        printf(" x %lld micro-steps", (long long)s->accumulate);
    printf("\n\nmemory\n");
    line("weights", m.params);
    line("gradients", m.grads);
    line("optimizer", m.states);
    if (m.ema) line("averaged weights", m.ema);
    line("activations", m.activations);
    line("scratch", m.scratch + m.constants + m.buffers);
    line("together", m.total);
    printf("\none update\n  %.3f TFLOP; at %.0f GFLOP/s and %.1f GB/s about "
           "%.3f s, %.0f tokens/s\n",
           m.step_flops / 1e12, speed.flops / 1e9, speed.bandwidth / 1e9,
           seconds, tokens / seconds);
    const char *name;
    for (int i = 0; a->machines && (name = plan_machine(i, &speed)); i++) {
        const double there = trainer_predict(t, &speed);
        printf("  %-24s %8.3f s %10.0f tokens/s\n", name, there,
               tokens / there);
    }
    return AR_OK;
}

static ar_status answer_line(const plan_args *a, const char *name,
                             const device_speed *speed, const ar_model *m,
                             ar_error *err) {
    plan_times t;
    TRY(plan_infer(m, speed, a->prompt, a->depth, &t, err));
    if (a->json)
        return print_json(json_pack("{s:I, s:f, s:I, s:f, s:f}", "prompt",
                                    (json_int_t)a->prompt, "prompt_seconds",
                                    t.prompt, "depth", (json_int_t)a->depth,
                                    "token_seconds", t.token,
                                    "tokens_per_second", 1 / t.token),
                          err);
    printf("  %-24s prompt of %lld: %8.3f s %8.0f tokens/s; answer: %8.2f ms "
           "%8.1f tokens/s\n",
           name, (long long)a->prompt, t.prompt, (double)a->prompt / t.prompt,
           1e3 * t.token, 1 / t.token);
    return AR_OK;
}

static ar_status plan_answers(const plan_args *a, ar_error *err) {
    device_speed speed;
    ar_model *m = NULL;
    const char *name;
    if (a->prompt < 1 || a->depth < 0)
        return error_set(err, AR_USAGE,
                         "--prompt: at least 1; --depth: not negative");
    if (a->model && a->random)
        return error_set(err, AR_USAGE, "give --model or --random, not both");
    TRY(machine(a, &speed, err));
    TRY(a->model ? ar_model_open(&m, a->model, err)
                 : random_model_open(&m, a->random, NULL, err));
    ar_status s = answer_line(a, "this machine", &speed, m, err);
    for (int i = 0; s == AR_OK && a->machines && !a->json &&
                    (name = plan_machine(i, &speed));
         i++)
        s = answer_line(a, name, &speed, m, err);
    ar_model_close(m);
    return s;
}

static ar_status run(const void *parsed, ar_error *err) {
    const plan_args *a = parsed;
    if (a->list) return list_presets(err);
    if (a->model || a->random) return plan_answers(a, err);
    settings s;
    model_config c;
    trainer *t = NULL;
    settings_default(&s);
    ar_status status = fill(&s, a, err);
    if (status == AR_OK) status = train_model_of(&s, &c, 0, err);
    if (status == AR_OK) status = trainer_open(&t, &s, &c, err);
    if (status == AR_OK) status = report(a, &s, t, err);
    trainer_close(t);
    settings_close(&s);
    return status;
}

const cli_command cmd_plan = {
    .name = "plan",
    .summary = "memory and time of training, prompts and answers, beforehand",
    .examples = "  arcane plan --preset gpt2-124m --batch 4 --seq 1024\n"
                "  arcane plan --preset target_1b --batch 1 --recompute\n"
                "  arcane plan --preset ar-d8 --gflops 2000 --bandwidth 300\n"
                "  arcane plan --random llama-1b:q4_k_m -p 512 --machines\n"
                "  arcane plan --list\n",
    .options = options,
    .args_size = sizeof(plan_args),
    .defaults = &(const plan_args){.prompt = 512},
    .run = run,
};
