/* engine_state.h - the inside of an engine, shared by engine.c, which opens
 * it, engine_cache.c, which places its cache, engine_build.c, which makes its
 * programs, and the files of sessions, which run them. */
#ifndef INFER_ENGINE_STATE_H
#define INFER_ENGINE_STATE_H

#include "arcane/generate.h"
#include "arcane/session.h"
#include "core/backend.h"
#include "infer/prefix.h"
#include "model/model.h"

/* Buffers that programs are run with. */
enum slot {
    SLOT_WEIGHTS, /* what could not be used where it lies in the file */
    SLOT_ROWS,    /* I32 [ROWS_COUNT, R] */
    SLOT_TABLE,   /* I32 [groups, S, M]: pages of each session */
    SLOT_CACHE,   /* keys and values of each layer, see pool */
    SLOT_HIDDEN,  /* [R, C]: last hidden state of the rows just run */
    SLOT_LOGITS,  /* [head rows, V] */
    SLOT_FILE,    /* and one after it for every weight used in its file */
};

/* What a step says about each row; R = max_rows. */
enum row_field {
    ROWS_ID,       /* token, -1 = a dead row */
    ROWS_POSITION, /* in its text */
    ROWS_SESSION,  /* row of the table, -1 = a dead row */
    ROWS_LONG,     /* of a text beyond the original context of a longrope */
    ROWS_PICK,     /* rows whose logits are wanted */
    ROWS_SLOT,     /* of each group: where its key and value go, -1 = nowhere */
    ROWS_COUNT = ROWS_SLOT + MAX_GROUPS,
};

/* Row capacities: a few sizes up to max_rows. */
enum { MAX_PROGRAMS = 8, HEAD_MAX_ROWS = 64 };

/* Layers that keep the same tokens of a text share tables and pages.  Group 0
 * keeps all of them, whether or not a layer needs it; the others, those of a
 * window. */
typedef struct cache_group {
    int64_t window;  /* keys that a query sees, itself included; 0 = all */
    int64_t keep;    /* tokens before the next that are kept; 0 = all */
    int64_t n_pages; /* of its pool */
} cache_group;

typedef struct cache_layout {
    int64_t page; /* tokens a page */
    int64_t pages_per_session;
    int64_t
        refill; /* tokens run again before a window without pages is right */
    int n_groups;
    cache_group group[MAX_GROUPS];
    size_t size; /* bytes of all pools */
} cache_layout;

/* Where the pool of keys, or of values, of a layer is in SLOT_CACHE. */
typedef struct pool_place {
    ar_type type;
    shape shape; /* [P, page, heads, dim], or [rows, ..] of states; of rank 0 =
                    there is none */
    int64_t offset;
    size_t page_size, row_size; /* bytes of a page, of a token */
} pool_place;

typedef struct engine_program {
    int64_t n_rows;
    graph g; /* rewritten; the program refers to it */
    program *p;
} engine_program;

/* Tokens are remembered as marks: the token, and whether its keys are those of
 * a longrope's long text.  Equal marks have equal keys. */
static const int32_t MARK_LONG = INT32_MIN;
static inline int32_t mark_token(int32_t mark) { return mark & ~MARK_LONG; }

/* A text.  Of its `length` tokens group 0 has the first n_kept, all groups
 * have what is needed to go on after n_ready.  They differ where a rewind went
 * beyond the margin of a window: the next step runs tokens [n_ready, n_kept)
 * again, for the windows only. */
struct ar_session {
    ar_engine *e;
    bool open;
    int32_t index; /* row of the tables */
    int64_t length, n_kept, n_ready;
    int32_t *marks;             /* [M, page] */
    int64_t n_pages;            /* of group 0 */
    int32_t *pages[MAX_GROUPS]; /* [M], -1 = none */
    int64_t first[MAX_GROUPS];  /* page behind those that a group gave back */
    int64_t n_nodes;            /* pages that the prefix tree has: the first */
    int32_t *nodes;             /* [M]: their nodes */
    uint64_t step;              /* the last ar_engine_step it took part in */
    /* While a step runs: where it ends, the first token whose logits are
     * wanted, and where they go, [V] each. */
    int64_t end, want;
    double *logits;
};

struct ar_engine {
    const ar_model *m;
    const backend *be;
    device *dev;
    ar_engine_options opt;
    ar_type type;      /* of weights, cache and activations */
    param_list params; /* in that type */
    struct matmul_attr matmul;

    int32_t *weight_slot; /* [params.n] */
    int64_t *weight_offset;
    ar_type *weight_type; /* in the graph */
    size_t weights_size, mapped_size;
    buffer *buffers; /* [n_buffers] */
    int n_buffers;

    cache_layout cache;
    pool_place *k_pool, *v_pool; /* [n_layers] */
    /* of layers with a state, one for each session: [n_layers] */
    pool_place *conv_pool, *scan_pool;
    struct recurrent *recurrent; /* NULL: no layer has a state */
    prefix_tree prefixes;        /* and the pages of every group */
    ar_session *sessions;        /* [max_sessions] */
    int32_t *lists;              /* what their pointers point to */

    int32_t *rows;    /* [ROWS_COUNT, R] */
    double **targets; /* [R]: where logits of picked rows go */
    void *row;        /* [V]: logits on their way out */

    engine_program body[MAX_PROGRAMS], head[MAX_PROGRAMS];
    int n_body, n_head;
    uint64_t n_steps; /* ar_engine_step so far */
    int64_t n_rows;   /* rows run so far */
};

/* ---- engine_cache.c ---- */

/* The cache for e->opt and its pools.  Errors: AR_RANGE (an option), AR_SHAPE
 * (heads that are not whole blocks of a type), AR_NOMEM, which says how many
 * tokens would fit the memory that is free. */
ar_status cache_place(ar_engine *e, ar_error *err);
int cache_group_of(const cache_layout *c, int64_t window);
/* First token that a group needs for a text to go on after n tokens. */
static inline int64_t cache_first_needed(const cache_group *g, int64_t n) {
    return g->window > 0 && n >= g->window ? n - g->window + 1 : 0;
}

/* ---- session_pages.c ---- */

/* Give back what a text of s->length tokens, of which at most n_kept are
 * computed, does not need; lowers n_ready where a window has gaps. */
void session_trim(ar_session *s);
/* Pages of group 0 for a text of n tokens, those that will be written its
 * own.  Errors: AR_FULL, AR_DEVICE; then session_trim puts it right. */
ar_status session_reserve(ar_session *s, int64_t n, ar_error *err);
/* The same of the windowed groups for tokens [n_ready, n). */
ar_status session_reserve_windows(ar_session *s, int64_t n, ar_error *err);
/* The same for tokens up to n, from the first page that each group holds. */
ar_status session_reserve_held(ar_session *s, int64_t n, ar_error *err);
/* n_ready tokens are computed now: let others find full pages, give back what
 * lies behind the windows. */
void session_advanced(ar_session *s, int64_t n_ready);
/* Take the pages that others computed for marks [0, n) if those are more than
 * n_ready; n_kept may then be more than the length. */
ar_status session_find_prefix(ar_session *s, int64_t n, ar_error *err);
/* Hold all that `from`, of the same engine, holds. */
ar_status session_share(ar_session *s, const ar_session *from, ar_error *err);

/* ---- session_step.c ---- */

ar_status check_tokens(const ar_engine *e, const int32_t *tokens, int64_t n,
                       ar_error *err);
/* The mark of a token of a text of `length` tokens. */
int32_t session_mark(const ar_engine *e, int32_t token, int64_t length);
/* How many rows to run next of `left`, and the program for them: one that fits
 * without many dead rows, else the largest that is filled. */
const engine_program *engine_choose(const engine_program *list, int n,
                                    int64_t left, int64_t *rows);
/* Run the next rows of the sessions of parts[0 .. n), up to their `end`. */
ar_status step_run(ar_engine *e, const ar_engine_part *parts, int64_t n,
                   ar_error *err);

/* ---- generate.c ---- */

const ar_session *generator_session(const ar_generator *g);

/* ---- engine_build.c ---- */

/* Graphs and programs for all capacities. */
ar_status engine_build(ar_engine *e, ar_error *err);
void engine_unbuild(ar_engine *e);

#endif
