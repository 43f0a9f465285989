/* cmd_bench_infer.c - arcane bench infer: tokens a second, of prompts and of
 * answers, at some depth; columns and JSON fields are those of llama-bench. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/draft_option.h"
#include "cli/engine_option.h"
#include "cli/random_model.h"
#include "infer/infer.h"
#include "model/model.h"

typedef struct infer_args {
    device_args on;
    const char *model, *random, *keep, *prompts, *gens, *depths, *output;
    const char *text;
    int64_t reps, sessions;
    engine_args run;
    draft_args guess;
    bool json, look_up;
} infer_args;

static const cli_option infer_options[] = {
    {"MODEL", NULL, CLI_MODEL, false, offsetof(infer_args, model), NULL,
     "a model folder or a GGUF file"},
    {"--random", NULL, CLI_TEXT, false, offsetof(infer_args, random),
     "SHAPE[:MIX]",
     "no file but random weights: a preset such as llama-1b, qwen3-0.6b or "
     "smollm2-135m, and f32, f16, bf16, or a type or mix as `arcane quantize "
     "--to` has them; default q4_k_m"},
    {"--keep", NULL, CLI_TEXT, false, offsetof(infer_args, keep), "FILE",
     "with --random: write the model there and keep it"},
    {"--prompt", "-p", CLI_TEXT, false, offsetof(infer_args, prompts), "N,...",
     "tokens of a prompt to time; 0 = none; default 512"},
    {"--gen", "-n", CLI_TEXT, false, offsetof(infer_args, gens), "N,...",
     "tokens to write, one by one, to time; 0 = none; default 128"},
    {"--depth", "-d", CLI_TEXT, false, offsetof(infer_args, depths), "N,...",
     "tokens already in the context; default 0"},
    {"--draft", NULL, CLI_MODEL, false, offsetof(infer_args, guess.draft),
     "MODEL",
     "what it writes greedily, without and with guesses of this smaller model "
     "of the same vocabulary"},
    {"--look-up", NULL, CLI_FLAG, false, offsetof(infer_args, look_up), NULL,
     "the same with guesses from the text itself"},
    {"--draft-max", NULL, CLI_INT, false, offsetof(infer_args, guess.most), "N",
     "tokens guessed at once at most, 0 to 16; default 8"},
    {"--text", NULL, CLI_TEXT, false, offsetof(infer_args, text), "FILE",
     "with --draft or --look-up: the text before, cut at the depth; whole "
     "where that is 0; default: made-up tokens"},
    {"--reps", "-r", CLI_INT, false, offsetof(infer_args, reps), "N",
     "times each is run, after one to warm up; default 5"},
    {"--sessions", NULL, CLI_INT, false, offsetof(infer_args, sessions), "N",
     "different texts that go on together, each with these tokens, in one step "
     "after the other; tokens of all are counted; default 1"},
    {"--output", "-o", CLI_TEXT, false, offsetof(infer_args, output), "FORM",
     "md (a table), csv or json; default md"},
    {"--json", NULL, CLI_FLAG, false, offsetof(infer_args, json), NULL,
     "the same as -o json: a list of objects"},
    ENGINE_OPTIONS(infer_args),
    DEVICE_OPTIONS(infer_args),
    OPTIONS_END,
};

enum { MOST = 32, MAX_REPS = 1000, MAX_TEXT = 16 << 20, MAX_SESSIONS = 64 };

typedef struct numbers {
    int32_t *x;
    int64_t n;
} numbers;

/* What is written: made-up tokens; or the likeliest, with guesses from
 * nowhere, from the text, or of a smaller model. */
typedef enum test_kind { MADE_UP, NO_GUESS, LOOK_UP, DRAFT } test_kind;
static const char *const kind_names[] = {"", "none", "look-up", "draft"};

/* What to run. */
typedef struct test_shape {
    int64_t prompt, gen, depth;
    test_kind kind;
} test_shape;

/* One row of the table. */
typedef struct test {
    test_shape is;
    ar_generate_stats stats;  /* of all samples */
    double samples[MAX_REPS]; /* tokens a second */
    double mean, deviation;
} test;

typedef struct bench {
    const infer_args *a;
    ar_model *m;
    ar_engine *e;
    ar_session *s[MAX_SESSIONS];
    int64_t reps, threads, sessions;
    int64_t longest; /* tokens of a session in one step */
    int32_t *ids;    /* [sessions][longest] */
    double *logits;  /* [sessions][V] */
    int32_t *text;   /* [n_text] of --text; NULL without */
    int64_t n_text;
    draft_model guess;
    ar_sampler *greedy;
    char type[64];
    json_t *rows; /* with JSON */
} bench;

static ar_status read_numbers(const char *name, const char *list, numbers *out,
                              ar_error *err) {
    TRY(parse_ids(name, list, &out->x, &out->n, err));
    bool good = out->n >= 1 && out->n <= MOST;
    for (int64_t i = 0; i < out->n; i++) good = good && out->x[i] >= 0;
    if (good) return AR_OK;
    return error_set(err, AR_USAGE, "%s: 1 to %d numbers, none negative", name,
                     MOST);
}

/* Texts of which no two are the same, without one token twice in a row. */
static int32_t made_up(const bench *b, int64_t who, int64_t i) {
    return (int32_t)((i * 7919 + who * 101 + 13) % b->m->config.n_vocab);
}

/* n tokens from `first` for every session, in one step. */
static ar_status feed(bench *b, int64_t first, int64_t n, bool want,
                      ar_error *err) {
    ar_engine_part part[MAX_SESSIONS];
    if (n == 0) return AR_OK;
    for (int64_t s = 0; s < b->sessions; s++) {
        int32_t *ids = b->ids + s * b->longest;
        for (int64_t i = 0; i < n; i++) ids[i] = made_up(b, s, first + i);
        part[s] = (ar_engine_part){
            .s = b->s[s],
            .tokens = ids,
            .n = n,
            .want = want ? AR_LOGITS_LAST : AR_LOGITS_NONE,
            .logits = want ? b->logits + s * b->m->config.n_vocab : NULL};
    }
    return ar_engine_step(b->e, part, b->sessions, err);
}

/* The likeliest tokens behind a text that is read before the clock starts. */
static ar_status write_text(bench *b, test *t, double *seconds, ar_error *err) {
    ar_generate_options o = b->guess.options;
    ar_generator *g;
    if (t->is.kind != DRAFT) o.draft = NULL;
    if (t->is.kind == NO_GUESS) o.max_guesses = 0;
    TRY(ar_generator_open(&g, b->s[0], &o, err));
    for (int64_t i = 0; i < t->is.depth; i++)
        b->ids[i] = b->text ? b->text[i] : made_up(b, 0, i);
    ar_status s = ar_generator_begin(g, b->ids, t->is.depth, NULL, err);
    const double start = clock_now();
    for (int64_t i = 0; i < t->is.gen && s == AR_OK; i++) {
        int32_t id;
        s = ar_generator_next(g, b->greedy, &id, err);
    }
    *seconds = clock_now() - start;
    const ar_generate_stats now = ar_generator_stats(g);
    t->stats.guessed += now.guessed;
    t->stats.right += now.right;
    ar_generator_close(g);
    return s;
}

static ar_status run_once(bench *b, test *t, double *seconds, ar_error *err) {
    if (t->is.kind != MADE_UP) return write_text(b, t, seconds, err);
    for (int64_t s = 0; s < b->sessions; s++) ar_session_rewind(b->s[s], 0);
    TRY(feed(b, 0, t->is.depth, false, err));
    const double start = clock_now();
    TRY(feed(b, 0, t->is.prompt, true, err));
    for (int64_t i = 0; i < t->is.gen; i++) TRY(feed(b, i + 1, 1, true, err));
    *seconds = clock_now() - start;
    return AR_OK;
}

static ar_status run_test(bench *b, test *t, ar_error *err) {
    double seconds, sum = 0, squares = 0;
    const double n = (double)((t->is.prompt + t->is.gen) * b->sessions);
    const double reps = (double)b->reps;
    TRY(run_once(b, t, &seconds, err));
    t->stats = (ar_generate_stats){0};
    for (int64_t i = 0; i < b->reps; i++) {
        TRY(run_once(b, t, &seconds, err));
        t->samples[i] = n / seconds;
        sum += t->samples[i];
    }
    t->mean = sum / reps;
    for (int64_t i = 0; i < b->reps; i++)
        squares += (t->samples[i] - t->mean) * (t->samples[i] - t->mean);
    t->deviation = b->reps > 1 ? sqrt(squares / (reps - 1)) : 0;
    return AR_OK;
}

static const char *name_of(const infer_args *a) {
    const char *path = a->random ? a->random : a->model;
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static bool guesses(const infer_args *a) {
    return a->guess.draft || a->look_up;
}

static void print_head(const infer_args *a) {
    const char *form = a->output;
    if (!strcmp(form, "csv"))
        printf("model,type,n_threads,n_prompt,n_gen,n_depth,avg_ts,stddev_ts"
               "%s\n",
               guesses(a) ? ",guess,guessed_tokens,right_guesses" : "");
    if (!strcmp(form, "md"))
        printf("| model | type | size | threads | test | t/s |\n"
               "| ----- | ---- | ---: | ------: | ---: | --: |\n");
}

static double size_of(const bench *b) {
    double size = 0;
    for (int64_t i = 0; i < weights_count(b->m->files); i++)
        size += (double)weights_get(b->m->files, i)->size;
    return size;
}

static void print_csv(const bench *b, const test *t) {
    printf("%s,%s,%lld,%lld,%lld,%lld,%.3f,%.3f", name_of(b->a), b->type,
           (long long)b->threads, (long long)t->is.prompt, (long long)t->is.gen,
           (long long)t->is.depth, t->mean, t->deviation);
    if (guesses(b->a))
        printf(",%s,%lld,%lld", kind_names[t->is.kind],
               (long long)t->stats.guessed, (long long)t->stats.right);
    putchar('\n');
}

/* "tg128 draft (310 of 400) @ d4096": what was right of what was guessed. */
static void name_test(const bench *b, const test *t, char *out, size_t size) {
    char guess[64] = "", depth[32] = "", many[32] = "";
    if (b->sessions > 1)
        snprintf(many, sizeof many, " x %lld", (long long)b->sessions);
    if (t->is.kind > NO_GUESS)
        snprintf(guess, sizeof guess, " %s (%lld of %lld right)",
                 kind_names[t->is.kind], (long long)t->stats.right,
                 (long long)t->stats.guessed);
    if (t->is.depth)
        snprintf(depth, sizeof depth, " @ d%lld", (long long)t->is.depth);
    snprintf(out, size, "%s%lld%s%s%s", t->is.gen ? "tg" : "pp",
             (long long)(t->is.gen ? t->is.gen : t->is.prompt), many, guess,
             depth);
}

static void print_test(const bench *b, const test *t, const char *form) {
    char name[192];
    name_test(b, t, name, sizeof name);
    if (!strcmp(form, "csv"))
        print_csv(b, t);
    else
        printf("| %s | %s | %.1f MiB | %lld | %s | %.2f ± %.2f |\n",
               name_of(b->a), b->type, size_of(b) / 1048576,
               (long long)b->threads, name, t->mean, t->deviation);
    fflush(stdout);
}

static void note_test(bench *b, const test *t) {
    json_t *samples = json_array();
    for (int64_t i = 0; i < b->reps; i++)
        json_array_append_new(samples, json_real(t->samples[i]));
    json_t *row = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "model",
        name_of(b->a), "type", b->type, "n_threads", (json_int_t)b->threads,
        "n_prompt", (json_int_t)t->is.prompt, "n_gen", (json_int_t)t->is.gen,
        "n_depth", (json_int_t)t->is.depth, "n_sessions",
        (json_int_t)b->sessions, "avg_ts", t->mean, "stddev_ts", t->deviation,
        "samples_ts", samples);
    if (t->is.kind != MADE_UP) {
        json_object_set_new(row, "guess", json_string(kind_names[t->is.kind]));
        json_object_set_new(row, "guessed_tokens",
                            json_integer(t->stats.guessed));
        json_object_set_new(row, "right_guesses", json_integer(t->stats.right));
    }
    json_array_append_new(b->rows, row);
}

static ar_status one_test(bench *b, test_shape is, ar_error *err) {
    if (is.prompt + is.gen == 0) return AR_OK;
    test *t = mem_new(test, 1);
    if (!t) return error_set(err, AR_NOMEM, "out of memory");
    t->is = is;
    const ar_status s = run_test(b, t, err);
    if (s == AR_OK && b->rows)
        note_test(b, t);
    else if (s == AR_OK)
        print_test(b, t, b->a->output);
    mem_free(t);
    return s;
}

static int64_t largest(const numbers *x) {
    int64_t most = 0;
    for (int64_t i = 0; i < x->n; i++)
        if (x->x[i] > most) most = x->x[i];
    return most;
}

/* The type most of the weights have. */
static void find_type(bench *b) {
    double most = -1, size[AR_TYPE_COUNT] = {0};
    for (int64_t i = 0; i < weights_count(b->m->files); i++) {
        const tensor_view *t = weights_get(b->m->files, i);
        size[t->type] += (double)t->size;
        if (size[t->type] <= most) continue;
        most = size[t->type];
        snprintf(b->type, sizeof b->type, "%s", ar_type_name(t->type));
    }
}

static ar_status open_engine(bench *b, int64_t length, int64_t longest,
                             ar_error *err) {
    ar_engine_options o;
    TRY(engine_args_read(&o, &b->a->on, &b->a->run, err));
    b->sessions = o.max_sessions = b->a->sessions;
    b->longest = longest + 1;
    o.max_tokens = (length + o.page) * b->sessions;
    b->threads = o.n_threads ? o.n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    if (length > b->m->config.n_ctx)
        return error_set(err, AR_USAGE,
                         "%lld tokens are more than the model's context of "
                         "%lld",
                         (long long)length, (long long)b->m->config.n_ctx);
    TRY(ar_engine_open(&b->e, b->m, &o, err));
    for (int64_t i = 0; i < b->sessions; i++)
        TRY(ar_session_open(&b->s[i], b->e, err));
    TRY(draft_model_open(&b->guess, &b->a->guess, &o, err));
    ar_sample_options greedy = ar_sample_options_default();
    greedy.temperature = 0;
    TRY(ar_sampler_open(&b->greedy, &greedy, b->m->config.n_vocab, 0, err));
    b->ids = mem_new(int32_t, b->sessions * b->longest);
    b->logits = mem_new(double, b->sessions * b->m->config.n_vocab);
    if (!b->ids || !b->logits) return error_set(err, AR_NOMEM, "out of memory");
    return AR_OK;
}

/* Tokens before a text that is written: there is at least one. */
static int64_t depth_of_text(const bench *b, int64_t depth) {
    return depth ? depth : b->text ? b->n_text : 1;
}

static ar_status gen_tests(bench *b, int64_t gen, int64_t depth,
                           ar_error *err) {
    if (!guesses(b->a))
        return one_test(b, (test_shape){0, gen, depth, MADE_UP}, err);
    test_shape t = {0, gen, depth_of_text(b, depth), NO_GUESS};
    for (; t.kind <= DRAFT; t.kind++)
        if (t.kind == NO_GUESS ||
            (t.kind == LOOK_UP ? b->a->look_up : b->a->guess.draft != NULL))
            TRY(one_test(b, t, err));
    return AR_OK;
}

/* Before anything is printed: is there so much text, and do the models fit? */
static ar_status check_guesses(bench *b, const numbers *d, ar_error *err) {
    ar_generator *g;
    for (int64_t i = 0; i < d->n; i++)
        if (b->text && d->x[i] > b->n_text)
            return error_set(err, AR_USAGE,
                             "--depth %d: %.160s has only %lld tokens", d->x[i],
                             b->a->text, (long long)b->n_text);
    TRY(ar_generator_open(&g, b->s[0], &b->guess.options, err));
    ar_generator_close(g);
    return AR_OK;
}

static ar_status run_tests(bench *b, const numbers *p, const numbers *n,
                           const numbers *d, ar_error *err) {
    const int64_t prompt = largest(p), gen = largest(n);
    int64_t depth = largest(d);
    for (int64_t i = 0; i < d->n && guesses(b->a) && gen; i++)
        if (depth_of_text(b, d->x[i]) > depth) depth = b->n_text;
    TRY(open_engine(b, depth + (prompt > gen ? prompt : gen) + 1,
                    prompt > depth ? prompt : depth, err));
    find_type(b);
    if (guesses(b->a)) TRY(check_guesses(b, d, err));
    if (!b->rows) print_head(b->a);
    for (int64_t k = 0; k < d->n; k++) {
        for (int64_t i = 0; i < p->n; i++)
            TRY(one_test(b, (test_shape){p->x[i], 0, d->x[k], MADE_UP}, err));
        for (int64_t i = 0; i < n->n; i++)
            TRY(gen_tests(b, n->x[i], d->x[k], err));
    }
    return AR_OK;
}

/* The tokens of --text. */
static ar_status read_text(bench *b, ar_error *err) {
    ar_tokenizer *tok;
    char *data;
    size_t size, count = 0;
    if (!b->a->text) return AR_OK;
    TRY(ar_model_tokenizer(&tok, b->m, err));
    if (!tok)
        return error_set(err, AR_FORMAT, "%.160s: has no tokenizer for --text",
                         name_of(b->a));
    ar_status s = file_read(b->a->text, MAX_TEXT, &data, &size, err);
    if (s == AR_OK) {
        s = ar_tokenizer_encode(tok, data, size, AR_TEMPLATE, NULL, 0, &count,
                                err);
        b->text = mem_new(int32_t, (int64_t)count + 1);
        if (s == AR_OK && !b->text)
            s = error_set(err, AR_NOMEM, "out of memory");
        if (s == AR_OK)
            s = ar_tokenizer_encode(tok, data, size, AR_TEMPLATE, b->text,
                                    count, &count, err);
        mem_free(data);
    }
    ar_tokenizer_close(tok);
    b->n_text = (int64_t)count;
    if (s != AR_OK || b->n_text) return s;
    return error_set(err, AR_USAGE, "%.160s: has no text", b->a->text);
}

static ar_status check(infer_args *a, ar_error *err) {
    if (!a->model == !a->random)
        return error_set(err, AR_USAGE, "give a MODEL or --random SHAPE");
    if (a->keep && !a->random)
        return error_set(err, AR_USAGE, "--keep: only with --random");
    if (a->text && !guesses(a))
        return error_set(err, AR_USAGE,
                         "--text: only with --draft or --look-up");
    if (a->reps < 1 || a->reps > MAX_REPS)
        return error_set(err, AR_USAGE, "--reps: between 1 and %d", MAX_REPS);
    if (a->sessions < 1 || a->sessions > MAX_SESSIONS)
        return error_set(err, AR_USAGE, "--sessions: between 1 and %d",
                         MAX_SESSIONS);
    if (a->json) a->output = "json";
    if (strcmp(a->output, "md") && strcmp(a->output, "csv") &&
        strcmp(a->output, "json"))
        return error_set(err, AR_USAGE,
                         "--output: \"%.40s\" is not md, csv or "
                         "json",
                         a->output);
    return AR_OK;
}

static ar_status run_all(bench *b, numbers list[3], ar_error *err) {
    const infer_args *a = b->a;
    TRY(read_numbers("--prompt", a->prompts, &list[0], err));
    TRY(read_numbers("--gen", a->gens, &list[1], err));
    TRY(read_numbers("--depth", a->depths, &list[2], err));
    TRY(a->random ? random_model_open(&b->m, a->random, a->keep, err)
                  : ar_model_open(&b->m, a->model, err));
    TRY(read_text(b, err));
    if (!strcmp(a->output, "json")) b->rows = json_array();
    return run_tests(b, &list[0], &list[1], &list[2], err);
}

static ar_status run_infer(const void *parsed, ar_error *err) {
    infer_args a = *(const infer_args *)parsed;
    bench b = {.a = &a, .reps = a.reps};
    numbers list[3] = {{0}};
    TRY(check(&a, err));
    ar_status s = run_all(&b, list, err);
    if (s == AR_OK && b.rows)
        s = print_json(b.rows, err);
    else
        json_decref(b.rows);
    draft_model_close(&b.guess);
    ar_sampler_close(b.greedy);
    for (int i = 0; i < MAX_SESSIONS; i++) ar_session_close(b.s[i]);
    ar_engine_close(b.e);
    ar_model_close(b.m);
    mem_free(b.ids);
    mem_free(b.logits);
    mem_free(b.text);
    for (int i = 0; i < 3; i++) mem_free(list[i].x);
    return s;
}

const cli_command cmd_bench_infer = {
    .name = "bench infer",
    .summary = "time prompts and answers of a model",
    .text = "pp512 is a prompt of 512 tokens in one go, tg128 are 128 tokens "
            "one after the other, each with its logits; @ d4096: with 4096 "
            "tokens before them. Tokens are made up, nothing is sampled; but "
            "with --draft or --look-up the model writes what it finds "
            "likeliest, without and with guesses. Prints means and standard "
            "deviations.",
    .examples =
        "  arcane bench infer model.gguf\n"
        "  arcane bench infer model.gguf -t 2 -p 32,512 -n 64 -d 0,4096 -r 3\n"
        "  arcane bench infer --random llama-1b:q4_0 --json\n"
        "  arcane bench infer model.gguf -p 0 --look-up --draft small.gguf "
        "--text story.txt\n",
    .options = infer_options,
    .args_size = sizeof(infer_args),
    .defaults = &(const infer_args){.on = DEVICE_DEFAULTS,
                                    .guess = DRAFT_DEFAULTS,
                                    .prompts = "512",
                                    .gens = "128",
                                    .depths = "0",
                                    .output = "md",
                                    .reps = 5,
                                    .sessions = 1},
    .run = run_infer,
};
