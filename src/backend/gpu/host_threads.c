/* host_threads.c - up to HOST_THREADS_MAX lanes of a group as threads.
 *
 * The threads live as long as the device and meet twice for every group: when
 * it begins and when it has ended. */
#include "backend/gpu/host_threads.h"

#include <pthread.h>

#include "base/error.h"
#include "base/mem.h"

/* A barrier whose number of members may differ each time it is empty. */
typedef struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int expected, here;
    unsigned round;
} meeting;

static void meet(meeting *m) {
    pthread_mutex_lock(&m->lock);
    const unsigned round = m->round;
    if (++m->here == m->expected) {
        m->here = 0;
        m->round++;
        pthread_cond_broadcast(&m->all_here);
    }
    while (m->round == round) pthread_cond_wait(&m->all_here, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

static void meeting_open(meeting *m, int expected) {
    *m = (meeting){.expected = expected};
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->all_here, NULL);
}

static void meeting_close(meeting *m) {
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->all_here);
}

typedef struct member {
    host_threads *t;
    pthread_t thread;
    int index;
} member;

struct host_threads {
    member members[HOST_THREADS_MAX];
    int n_members;
    meeting group, lanes; /* all members and the caller; lanes at a barrier */
    const host_job *job;
    const host_lane *lane;
    int32_t first, n_lanes; /* n_lanes < 0: go home */
};

static _Thread_local host_threads *crew_of_this;

void host_threads_barrier(void) { meet(&crew_of_this->lanes); }

static void *work(void *ctx) {
    const member *m = ctx;
    host_threads *t = m->t;
    crew_of_this = t;
    for (;;) {
        meet(&t->group);
        if (t->n_lanes < 0) return NULL;
        if (m->index < t->n_lanes) {
            host_lane l = *t->lane;
            l.index = t->first + m->index;
            t->job->kernel->enter(&l, t->job->args, t->job->pointers);
        }
        meet(&t->group);
    }
}

void host_threads_close(host_threads *t) {
    if (!t) return;
    t->n_lanes = -1;
    pthread_mutex_lock(&t->group.lock);
    t->group.expected = t->n_members + 1;
    pthread_mutex_unlock(&t->group.lock);
    if (t->n_members) meet(&t->group);
    for (int i = 0; i < t->n_members; i++)
        pthread_join(t->members[i].thread, NULL);
    meeting_close(&t->group);
    meeting_close(&t->lanes);
    mem_free(t);
}

ar_status host_threads_open(host_threads **out, ar_error *err) {
    *out = NULL;
    host_threads *t = mem_new(host_threads, 1);
    if (!t) return error_set(err, AR_NOMEM, "no memory for threads of lanes");
    meeting_open(&t->group, HOST_THREADS_MAX + 1);
    meeting_open(&t->lanes, HOST_THREADS_MAX);
    for (int i = 0; i < HOST_THREADS_MAX; i++) {
        t->members[i] = (member){.t = t, .index = i};
        if (pthread_create(&t->members[i].thread, NULL, work, &t->members[i]))
            break;
        t->n_members++;
    }
    if (t->n_members < HOST_THREADS_MAX) {
        host_threads_close(t);
        return error_set(err, AR_DEVICE, "no threads for the lanes of a group");
    }
    *out = t;
    return AR_OK;
}

void host_threads_run(host_threads *t, const host_job *job, const host_lane *l,
                      int32_t first) {
    const int32_t left = job->lanes - first;
    t->job = job;
    t->lane = l;
    t->first = first;
    t->n_lanes = left < HOST_THREADS_MAX ? left : HOST_THREADS_MAX;
    t->lanes.expected = t->n_lanes;
    meet(&t->group);
    meet(&t->group);
}
