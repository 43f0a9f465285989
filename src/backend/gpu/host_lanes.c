/* host_lanes.c - lanes as loops and as fibres; groups over a pool. */
#include <assert.h>
#include <string.h>

#include "backend/gpu/host_fibre.h"
#include "backend/gpu/host_threads.h"
#include "base/error.h"
#include "base/mem.h"

/* Everything that one worker needs for a group. */
typedef struct worker {
    host_lane lane[HOST_LANES_MAX];
    fibre fibres[HOST_LANES_MAX];
    fibre_home home;
    unsigned char *stacks; /* taken when the first fibre is needed */
    size_t shared_filled;
    int running;    /* the lane that runs */
    int n_finished; /* lanes that left the kernel */
    const host_job *job;
    unsigned char shared[HOST_SHARED_SIZE] __attribute__((aligned(64)));
} worker;

struct host_lanes {
    pool *threads;
    worker *workers;
    host_threads *crew; /* NULL: lanes are fibres */
    bool backward;
    const host_job *job;
};

static _Thread_local worker *self; /* NULL: this thread is a lane itself */

static const size_t stacks_size = (size_t)HOST_LANES_MAX * FIBRE_STACK;

void host_lanes_close(host_lanes *h) {
    if (!h) return;
    for (int i = 0; h->workers && i < pool_threads(h->threads); i++)
        if (h->workers[i].stacks)
            mem_block_free(h->workers[i].stacks, stacks_size);
    host_threads_close(h->crew);
    pool_close(h->threads);
    mem_free(h->workers);
    mem_free(h);
}

ar_status host_lanes_open(host_lanes **out, bool threads, bool backward,
                          ar_error *err) {
    *out = NULL;
    host_lanes *h = mem_new(host_lanes, 1);
    if (!h) return error_set(err, AR_NOMEM, "no memory for lanes");
    h->backward = backward;
    ar_status s = pool_open(&h->threads, threads ? 1 : 0, err);
    if (s == AR_OK && threads) s = host_threads_open(&h->crew, err);
    if (s == AR_OK) {
        const int n = pool_threads(h->threads);
        h->workers = mem_new(worker, n);
        if (!h->workers) s = error_set(err, AR_NOMEM, "no memory for lanes");
        for (int i = 0; h->workers && i < n; i++) {
            h->workers[i].stacks = mem_block_alloc(stacks_size);
            if (!h->workers[i].stacks)
                s = error_set(err, AR_NOMEM, "no memory for stacks of lanes");
        }
    }
    if (s != AR_OK)
        host_lanes_close(h);
    else
        *out = h;
    return s;
}

/* ---- what a running lane calls ---- */

/* Memory that no lane has written is full of NaN. */
void *host_shared(host_lane *l, size_t size) {
    const size_t at = l->shared_used;
    l->shared_used += (size + 15) & ~(size_t)15;
    assert(l->shared_used <= HOST_SHARED_SIZE);
    if (self && l->shared_used > self->shared_filled) {
        memset(l->shared + at, 0xff, l->shared_used - at);
        self->shared_filled = l->shared_used;
    }
    return l->shared + at;
}

void host_barrier(void) {
    if (!self)
        host_threads_barrier();
    else
        fibre_leave(&self->fibres[self->running], &self->home);
}

/* ---- one group ---- */

static host_lane lane_of(const host_job *j, int64_t group,
                         unsigned char *shared) {
    const uint32_t g = (uint32_t)(group % j->groups[0]);
    const int64_t rest = group / j->groups[0];
    return (host_lane){
        .lanes = j->lanes,
        .count = 1,
        .step = 1,
        .group = {g, (uint32_t)(rest % j->groups[1]),
                  (uint32_t)(rest / j->groups[1])},
        .groups = {j->groups[0], j->groups[1], j->groups[2]},
        .shared = shared,
    };
}

static void flat_group(const host_lanes *h, worker *w, int64_t group) {
    const host_job *j = h->job;
    host_lane l = lane_of(j, group, w->shared);
    l.count = j->lanes;
    if (h->backward) l.index = j->lanes - 1, l.step = -1;
    j->kernel->enter(&l, j->args, j->pointers);
}

static void fibre_main(void *ctx) {
    worker *w = ctx;
    const int i = w->running;
    w->job->kernel->enter(&w->lane[i], w->job->args, w->job->pointers);
    w->n_finished++;
}

/* Every lane up to its next barrier, or to its end. */
static void one_turn(worker *w, int n, bool falling) {
    for (int k = 0; k < n; k++) {
        w->running = falling ? n - 1 - k : k;
        fibre_enter(&w->fibres[w->running], &w->home);
    }
}

static void fibre_group(const host_lanes *h, worker *w, int64_t group) {
    const int n = h->job->lanes;
    w->job = h->job;
    w->n_finished = 0;
    w->shared_filled = 0;
    for (int i = 0; i < n; i++) {
        w->lane[i] = lane_of(h->job, group, w->shared);
        w->lane[i].index = i;
        fibre_start(&w->fibres[i], &w->home,
                    w->stacks + (size_t)i * FIBRE_STACK, fibre_main, w);
    }
    bool falling = h->backward;
    while (w->n_finished == 0) {
        one_turn(w, n, falling);
        falling = h->backward && !falling;
    }
    /* a barrier that only some lanes reach is a mistake in the kernel */
    assert(w->n_finished == n);
    for (int i = 0; i < n; i++) fibre_end(&w->fibres[i]);
}

/* ---- all groups ---- */

/* Shares depend on the launch alone. */
static int64_t groups_a_share(int64_t n_groups) {
    const int64_t n = n_groups / 64;
    return n > 1 ? n : 1;
}

static int64_t count_groups(const host_job *j) {
    return (int64_t)j->groups[0] * j->groups[1] * j->groups[2];
}

static void run_share(void *ctx, int64_t share, int index) {
    const host_lanes *h = ctx;
    worker *w = &h->workers[index];
    const int64_t total = count_groups(h->job), each = groups_a_share(total);
    self = w;
    for (int64_t g = share * each; g < total && g < (share + 1) * each; g++)
        if (h->job->kernel->flat)
            flat_group(h, w, g);
        else
            fibre_group(h, w, g);
    self = NULL;
}

/* Lanes as threads: group by group, all of them together. */
static void run_threads(host_lanes *h) {
    const host_job *j = h->job;
    for (int64_t g = 0; g < count_groups(j); g++) {
        const host_lane l = lane_of(j, g, h->workers[0].shared);
        memset(h->workers[0].shared, 0xff, HOST_SHARED_SIZE);
        for (int32_t at = 0; at < j->lanes; at += HOST_THREADS_MAX)
            host_threads_run(h->crew, j, &l, at);
    }
}

ar_status host_lanes_run(host_lanes *h, const host_job *job, ar_error *err) {
    const int64_t total = count_groups(job), each = groups_a_share(total);
    h->job = job;
    if (h->crew && !job->kernel->flat && job->lanes > HOST_THREADS_MAX)
        return error_set(err, AR_DEVICE, "a group of %d lanes that meet",
                         (int)job->lanes);
    if (h->crew)
        run_threads(h);
    else
        pool_run(h->threads, run_share, h, (total + each - 1) / each);
    return AR_OK;
}
