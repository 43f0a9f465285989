/* engine_state.h - the inside of an engine, shared by engine.c, which opens
 * it, engine_build.c, which makes its programs, and session.c, which runs
 * them. */
#ifndef INFER_ENGINE_STATE_H
#define INFER_ENGINE_STATE_H

#include "infer/engine.h"
#include "infer/pages.h"

/* Buffers that programs are run with. */
enum slot {
    SLOT_WEIGHTS, /* what could not be used where it lies in the file */
    SLOT_ROWS,    /* I32 [ROWS_COUNT, R] */
    SLOT_TABLE,   /* I32 [S, M]: pages of each session */
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
    ROWS_SLOT,     /* where its key and value go, -1 = nowhere */
    ROWS_LONG,     /* of a text beyond the original context of a longrope */
    ROWS_PICK,     /* rows whose logits are wanted */
    ROWS_COUNT,
};

/* Row capacities: a few sizes up to max_rows. */
enum { MAX_PROGRAMS = 8, HEAD_MAX_ROWS = 64 };

/* Where the pool of keys, of values or of states of a layer is in SLOT_CACHE.
 */
typedef struct pool_place {
    shape shape; /* [P, page, heads, dim]; see layer_cache.h for states */
    int64_t offset;
} pool_place;

typedef struct engine_program {
    int64_t n_rows;
    graph g; /* rewritten; the program refers to it */
    program *p;
} engine_program;

struct session {
    engine *e;
    bool open;
    int32_t index; /* row of the table */
    int64_t length, n_pages;
    int32_t *pages;  /* [M] */
    int32_t *tokens; /* [M, page]: the text, of models with states */
    uint64_t step;   /* the last engine_step it took part in */
};

struct engine {
    const model *m;
    const backend *be;
    device *dev;
    engine_options opt;
    ar_type type;      /* of weights, cache and activations */
    param_list params; /* in that type */
    struct matmul_attr matmul;

    int32_t *weight_slot; /* [params.n] */
    int64_t *weight_offset;
    ar_type *weight_type; /* in the graph */
    size_t weights_size, mapped_size;
    buffer *buffers; /* [n_buffers] */
    int n_buffers;

    int64_t n_pages, pages_per_session; /* P, M */
    pool_place *k_pool, *v_pool;        /* [n_layers]; a v_pool of rank 0: none,
                                         * values are in the keys */
    /* of layers with a state, one for each session: [n_layers] */
    pool_place *conv_pool, *scan_pool;
    struct recurrent *recurrent; /* NULL: no layer has a state */
    page_pool pages;
    session *sessions;   /* [max_sessions] */
    int32_t *page_lists; /* [max_sessions, M] */
    int32_t *texts;      /* [max_sessions, M, page]; NULL without states */

    int32_t *rows; /* [ROWS_COUNT, R] */
    void *row;     /* [V]: logits on their way out */

    engine_program body[MAX_PROGRAMS], head[MAX_PROGRAMS];
    int n_body, n_head;
    uint64_t n_steps; /* engine_step so far */
};

/* Graphs and programs for all capacities. */
ar_status engine_build(engine *e, ar_error *err);
void engine_unbuild(engine *e);

#endif
