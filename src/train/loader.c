/* loader.c - batches of token rows, one prepared ahead by a thread.
 *
 * There are two positions.  `now` is where the user is: the next loader_next
 * begins there.  `ahead` is behind the batch that the thread prepares.  When
 * the batch is taken, `ahead` becomes `now`, so what loader_position tells
 * never depends on how far the thread has come. */
#include "train/loader.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "train/loader_int.h"

/* Who may touch `ahead` and the batch: the thread while WANTED, else the user.
 * STOP ends the thread. */
enum turn { RESTING, WANTED, STOP };

struct loader {
    loader_options opt; /* shards, paths: not ours, not used after opening */
    stream tokens;
    pack_index documents; /* PACKED only */
    uint64_t print;       /* of the data */
    position now, ahead;
    int32_t *inputs, *targets; /* [B, T] prepared */
    int32_t *row;              /* [T + 1] */
    ar_status status;          /* of the prepared batch */
    ar_error err;

    pthread_t thread;
    int running;
    int asked; /* by the user, who alone looks at it: a batch at `now` */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum turn turn;
};

static const char *const order_names[] = {
    [LOADER_SEQUENTIAL] = "sequential",
    [LOADER_SHUFFLED] = "shuffled",
    [LOADER_PACKED] = "packed",
};

/* Row r of the sequential order begins at (r T) mod (n - T - 1). */
static int64_t sequential_start(const loader *l, int64_t row) {
    const int64_t period = l->tokens.n_tokens - l->opt.n_tokens - 1;
    return (int64_t)((__int128)row * l->opt.n_tokens % period);
}

static int64_t shuffled_start(const loader *l, int64_t row) {
    const int64_t n = (l->tokens.n_tokens - 1) / l->opt.n_tokens; /* windows */
    return shuffle_at(l->opt.seed, row / n, n, row % n) * l->opt.n_tokens;
}

/* Ids row[T + 1] into line b of a batch. */
static void place_row(const loader *l, const int32_t *row, int64_t b,
                      int32_t *inputs, int32_t *targets) {
    const int64_t n = l->opt.n_tokens;
    memcpy(inputs + b * n, row, (size_t)n * sizeof *row);
    memcpy(targets + b * n, row + 1, (size_t)n * sizeof *row);
}

static ar_status make_batch(loader *l, ar_error *err) {
    const int64_t n = l->opt.n_tokens + 1;
    for (int64_t b = 0; b < l->opt.n_rows; b++) {
        if (l->opt.order == LOADER_PACKED) {
            TRY(pack_row(&l->documents, &l->tokens, &l->ahead, n, l->row, err));
        } else {
            const int64_t row = l->ahead.row++;
            const int64_t start = l->opt.order == LOADER_SHUFFLED
                                      ? shuffled_start(l, row)
                                      : sequential_start(l, row);
            TRY(stream_read(&l->tokens, start, n, l->row, err));
        }
        place_row(l, l->row, b, l->inputs, l->targets);
    }
    return AR_OK;
}

/* The thread: prepare a batch whenever one is wanted. */
static void *prepare(void *ctx) {
    loader *l = ctx;
    pthread_mutex_lock(&l->lock);
    while (l->turn != STOP) {
        if (l->turn != WANTED) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        l->status = make_batch(l, &l->err);
        pthread_mutex_lock(&l->lock);
        if (l->turn == WANTED) l->turn = RESTING;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void set_turn(loader *l, enum turn turn) {
    pthread_mutex_lock(&l->lock);
    l->turn = turn;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* Wait until the thread has nothing to do. */
static void wait_for_thread(loader *l) {
    pthread_mutex_lock(&l->lock);
    while (l->turn == WANTED) pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

/* Have the batch at `now` prepared. */
static void want_batch(loader *l) {
    l->ahead = l->now;
    l->asked = 1;
    set_turn(l, WANTED);
}

static ar_status check_options(const loader_options *o, ar_error *err) {
    const int64_t most = INT64_C(1) << 40;
    if (o->n_shards < 1 || o->n_shards > INT32_MAX)
        return error_set(err, AR_RANGE, "no token shards were given");
    if (o->n_rows < 1 || o->n_tokens < 1 || o->n_rows > most ||
        o->n_tokens > most / o->n_rows)
        return error_set(err, AR_RANGE,
                         "a batch of %" PRId64 " rows of %" PRId64
                         " tokens is not possible",
                         o->n_rows, o->n_tokens);
    if (o->n_vocab < 1)
        return error_set(err, AR_RANGE, "a vocabulary of %" PRId32 " ids",
                         o->n_vocab);
    if (o->order == LOADER_PACKED && (o->bos < 0 || o->bos >= o->n_vocab))
        return error_set(err, AR_RANGE,
                         "packing needs a beginning-of-sequence token; %" PRId32
                         " is not in the vocabulary of %" PRId32,
                         o->bos, o->n_vocab);
    return AR_OK;
}

/* Sequential rows need T + 2 ids (their period is n - T - 1), others T + 1. */
static ar_status check_size(const loader *l, ar_error *err) {
    const int64_t need =
        l->opt.n_tokens + (l->opt.order == LOADER_SEQUENTIAL ? 2 : 1);
    if (l->opt.order == LOADER_PACKED || l->tokens.n_tokens >= need)
        return AR_OK;
    return error_set(err, AR_RANGE,
                     "%s%s: %" PRId64
                     " tokens are fewer than one row of %" PRId64
                     " needs (%" PRId64 ")",
                     l->tokens.paths[0], l->tokens.n_shards > 1 ? " ..." : "",
                     l->tokens.n_tokens, l->opt.n_tokens, need);
}

static ar_status open_data(loader *l, ar_error *err) {
    TRY(stream_open(&l->tokens, &l->opt, err));
    TRY(check_size(l, err));
    if (l->opt.order == LOADER_PACKED)
        TRY(pack_index_open(&l->documents, &l->tokens, l->opt.bos, err));
    l->print = stream_print(&l->tokens);
    const int64_t n = l->opt.n_rows * l->opt.n_tokens;
    l->inputs = mem_new(int32_t, n);
    l->targets = mem_new(int32_t, n);
    l->row = mem_new(int32_t, l->opt.n_tokens + 1);
    return l->inputs && l->targets && l->row
               ? AR_OK
               : error_set(err, AR_NOMEM, "out of memory for a batch");
}

/* The thread takes no signals: they are for the program's own threads. */
static ar_status start_thread(loader *l, ar_error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    l->running = !pthread_create(&l->thread, NULL, prepare, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return l->running ? AR_OK
                      : error_set(err, AR_NOMEM,
                                  "no thread could be started for the loader");
}

ar_status loader_open(loader **out, const loader_options *opt, ar_error *err) {
    *out = NULL;
    TRY(check_options(opt, err));
    loader *l = mem_new(loader, 1);
    if (!l) return error_set(err, AR_NOMEM, "out of memory for the loader");
    l->opt = *opt;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    ar_status s = open_data(l, err);
    if (s == AR_OK) s = start_thread(l, err);
    if (s != AR_OK) {
        loader_close(l);
        return s;
    }
    l->opt.shards = NULL; /* were borrowed */
    *out = l;
    return AR_OK;
}

void loader_close(loader *l) {
    if (!l) return;
    if (l->running) {
        set_turn(l, STOP);
        pthread_join(l->thread, NULL);
    }
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    pack_index_close(&l->documents);
    stream_close(&l->tokens);
    mem_free(l->inputs);
    mem_free(l->targets);
    mem_free(l->row);
    mem_free(l);
}

int64_t loader_tokens(const loader *l) { return l->tokens.n_tokens; }

ar_status loader_next(loader *l, int32_t *inputs, int32_t *targets,
                      ar_error *err) {
    if (!l->asked) want_batch(l);
    wait_for_thread(l);
    if (l->status != AR_OK) {
        l->asked = 0; /* the next call tries again from `now` */
        return error_set(err, l->status, "%s", l->err.message);
    }
    const size_t size =
        (size_t)(l->opt.n_rows * l->opt.n_tokens) * sizeof *inputs;
    memcpy(inputs, l->inputs, size);
    memcpy(targets, l->targets, size);
    l->now = l->ahead;
    want_batch(l);
    return AR_OK;
}

/* The part of a position that only its order has. */
static int add_order(const loader *l, json_t *o) {
    const position *p = &l->now;
    int failed = 0;
    if (l->opt.order != LOADER_PACKED) {
        failed |= json_object_set_new(o, "row", json_integer(p->row));
        if (l->opt.order == LOADER_SHUFFLED)
            failed |= json_object_set_new(
                o, "seed", json_integer((json_int_t)l->opt.seed));
        return failed;
    }
    json_t *buffer = json_array();
    for (int64_t i = 0; i < p->n; i++)
        failed |= json_array_append_new(buffer, json_integer(p->buffer[i]));
    failed |= json_object_set_new(o, "epoch", json_integer(p->epoch));
    failed |= json_object_set_new(o, "next", json_integer(p->next));
    failed |= json_object_set_new(o, "buffer", buffer);
    return failed;
}

json_t *loader_position(const loader *l) {
    char print[17];
    snprintf(print, sizeof print, "%016" PRIx64, l->print);
    json_t *o =
        json_pack("{s:s, s:s, s:I}", "order", order_names[l->opt.order], "data",
                  print, "tokens_a_row", (json_int_t)l->opt.n_tokens);
    if (!o || !add_order(l, o)) return o;
    json_decref(o);
    return NULL;
}

static ar_status misfit(ar_error *err, const char *what) {
    return error_set(err, AR_FORMAT, "the saved data position does not fit: %s",
                     what);
}

/* An integer in [0, end) under `key`. */
static int read_count(const json_t *o, const char *key, int64_t end,
                      int64_t *out) {
    const json_t *v = json_object_get(o, key);
    *out = json_integer_value(v);
    return json_is_integer(v) && *out >= 0 && *out < end;
}

static ar_status read_packed(const loader *l, const json_t *o, position *p,
                             ar_error *err) {
    const json_t *buffer = json_object_get(o, "buffer");
    const int64_t n = l->documents.n;
    p->n = (int64_t)json_array_size(buffer);
    if (!read_count(o, "epoch", INT64_MAX, &p->epoch) ||
        !read_count(o, "next", n, &p->next) || !json_is_array(buffer) ||
        p->n > PACK_MOST)
        return misfit(err, "its epoch, next document or buffer is not valid");
    for (int64_t i = 0; i < p->n; i++) {
        const json_t *v = json_array_get(buffer, (size_t)i);
        p->buffer[i] = json_integer_value(v);
        if (!json_is_integer(v) || p->buffer[i] < 0 || p->buffer[i] >= n)
            return misfit(err, "it names a document that is not there");
    }
    return AR_OK;
}

static ar_status read_position(const loader *l, const json_t *o, position *p,
                               ar_error *err) {
    const char *order = json_string_value(json_object_get(o, "order"));
    const char *print = json_string_value(json_object_get(o, "data"));
    const json_t *seed = json_object_get(o, "seed");
    char here[17];
    int64_t n;
    if (!order || strcmp(order, order_names[l->opt.order]))
        return misfit(err, "it is of another order of rows");
    snprintf(here, sizeof here, "%016" PRIx64, l->print);
    if (!print || strcmp(print, here))
        return misfit(err, "it is of other token shards");
    if (!read_count(o, "tokens_a_row", INT64_MAX, &n) || n != l->opt.n_tokens)
        return misfit(err, "it is of rows of another length");
    if (l->opt.order == LOADER_PACKED) return read_packed(l, o, p, err);
    if (l->opt.order == LOADER_SHUFFLED &&
        (!json_is_integer(seed) ||
         json_integer_value(seed) != (json_int_t)l->opt.seed))
        return misfit(err, "it is of another seed");
    return read_count(o, "row", INT64_C(1) << 62, &p->row)
               ? AR_OK
               : misfit(err, "its row is not valid");
}

ar_status loader_seek(loader *l, const json_t *where, ar_error *err) {
    position p = {0};
    TRY(read_position(l, where, &p, err));
    wait_for_thread(l);
    l->now = p;
    want_batch(l);
    return AR_OK;
}

ar_status loader_window(const loader *l, int64_t batch, int32_t *inputs,
                        int32_t *targets, ar_error *err) {
    const int64_t n = l->opt.n_tokens, n_rows = l->opt.n_rows;
    if (batch < 0 || batch > (INT64_C(1) << 62) / n_rows)
        return error_set(err, AR_RANGE, "batch %" PRId64 " does not exist",
                         batch);
    if (l->tokens.n_tokens < n + 2)
        return error_set(err, AR_RANGE,
                         "%s: %" PRId64
                         " tokens are too few for rows of %" PRId64,
                         l->tokens.paths[0], l->tokens.n_tokens, n);
    for (int64_t b = 0; b < n_rows; b++) {
        const int64_t start = sequential_start(l, batch * n_rows + b);
        int32_t *to = inputs + b * n;
        TRY(stream_read(&l->tokens, start, n, to, err));
        memcpy(targets + b * n, to + 1, (size_t)(n - 1) * sizeof *to);
        TRY(stream_read(&l->tokens, start + n, 1, targets + b * n + n - 1,
                        err));
    }
    return AR_OK;
}
