/* test_model_ane.c - whole models as programs of the Neural Engine: what is
 * lowered, what stays, and that its types follow. */
#include "backend/ane/ane_lower.h"
#include "backend/ane/mil_check.h"
#include "base/mem.h"
#include "core/backend.h"
#include "model/layer_cache.h"
#include "model/model.h"
#include "quant/quant.h"
#include "tests/model/golden_io.h"
#include "tests/model/golden_models.h"
#include "tests/test.h"

enum { SLOT_WEIGHTS, SLOT_IDS, SLOT_LOGITS, SLOT_CACHE, TOKENS = 8 };
enum { PAGES = 4, PAGE = 16, LAYERS = 8 };

/* A pool of keys and values of each layer, all of one session. */
static void add_pages(graph *g, const model_config *c, decoder_pages *p) {
    static ref k[LAYERS], v[LAYERS], table[LAYERS], slot[LAYERS];
    const ref t =
        graph_input(g, "table", AR_I32, shape2(1, PAGES), SLOT_IDS, 0);
    const ref s = graph_input(g, "slot", AR_I32, shape1(TOKENS), SLOT_IDS, 0);
    assert_true(c->n_layers <= LAYERS);
    for (int i = 0; i < c->n_layers; i++) {
        const shape pool = shape4(PAGES, PAGE, layer_cache_of(c, i).n_heads,
                                  layer_cache_of(c, i).k_dim);
        k[i] = graph_state(g, "keys", AR_F32, pool, SLOT_CACHE, 0);
        v[i] = graph_state(g, "values", AR_F32, pool, SLOT_CACHE, 0);
        table[i] = t;
        slot[i] = s;
    }
    *p = (decoder_pages){
        .k_pool = k, .v_pool = v, .table = table, .slot = slot, .page = PAGE};
    p->sequence =
        graph_input(g, "sequence", AR_I32, shape1(TOKENS), SLOT_IDS, 0);
}

static void build(graph *g, const model_config *c, const param_list *params,
                  bool paged) {
    ref param[256];
    assert_true(params->n <= 256);
    for (int i = 0; i < params->n; i++)
        param[i] =
            graph_param(g, params->spec[i].name, AR_F32, params->spec[i].shape,
                        SLOT_WEIGHTS, params->spec[i].offset);
    decoder d = {.g = g,
                 .config = c,
                 .params = params,
                 .param = param,
                 .type = AR_F32,
                 .matmul = {.compute = AR_F32, .exact = 1},
                 .n_rows = paged ? TOKENS : 1,
                 .n_tokens = paged ? 1 : TOKENS};
    decoder_pages pages;
    d.ids = graph_input(g, "ids", AR_I32, shape1(TOKENS), SLOT_IDS, 0);
    if (paged) {
        add_pages(g, c, &pages);
        d.pages = &pages;
        d.positions =
            graph_input(g, "positions", AR_I32, shape1(TOKENS), SLOT_IDS, 0);
    }
    const ref y = decoder_logits(&d, decoder_hidden(&d));
    graph_store(g,
                graph_state(g, "logits", AR_F32, shape2(TOKENS, c->n_vocab),
                            SLOT_LOGITS, 0),
                y);
}

static const void *weight(void *context, const graph *g, ref leaf) {
    return (const char *)context + graph_node(g, leaf)->attr.leaf.offset;
}

static int count(const mil_program *p, const char *kind) {
    const mil_func *f = mil_get_func(p, 0);
    int n = 0;
    for (int i = 0; i < f->n_ops; i++) n += strcmp(f->ops[i].kind, kind) == 0;
    return n;
}

static void show(const char *name, const ane_lowered *p) {
    const mil_program *mil = ane_get_program(p);
    int n_in, n_out;
    ane_inputs(p, &n_in);
    ane_outputs(p, &n_out);
    print_message("%-12s %d in, %d out, %d conv, %d matmul, %d transpose, %d "
                  "reshape, %d statements\n",
                  name, n_in, n_out, count(mil, "conv"), count(mil, "matmul"),
                  count(mil, "transpose"), count(mil, "reshape"),
                  mil_get_func(mil, 0)->n_ops);
}

enum how { CONSTANTS, INPUTS, DECODE };

static void check_program(const ane_lowered *p, const char *name,
                          const model_config *c, enum how how) {
    const mil_program *mil = ane_get_program(p);
    const int layers = (int)c->n_layers;
    int n_in, n_out;
    const ane_port *in = ane_inputs(p, &n_in);
    ane_outputs(p, &n_out);
    show(name, p);
    assert_ok(mil_check(name, mil, err));
    /* two products of attention a layer; the weights' are convolutions, of
     * four or more a layer and the vocabulary */
    if (how == CONSTANTS) {
        assert_int_equal(count(mil, "matmul"), 2 * layers);
        assert_true(count(mil, "conv") > 4 * layers);
    } else {
        assert_true(count(mil, "matmul") > 6 * layers || how == DECODE);
    }
    /* rows of queries before attention and after */
    if (how == CONSTANTS) assert_int_equal(count(mil, "transpose"), 2 * layers);
    assert_int_equal(count(mil, "tile"), 0);
    /* the cache comes and goes; who sees what comes once for each window */
    int masks = 0, hot = 0;
    for (int i = 0; i < n_in; i++) {
        masks += in[i].kind == ANE_PAGE_MASK;
        hot += in[i].kind == ANE_ONE_HOT;
    }
    assert_int_equal(n_out, how == DECODE ? 1 + 2 * layers : 1);
    assert_int_equal(hot, how == DECODE);
    assert_true(how == DECODE ? masks >= 1 && masks <= 2 : masks == 0);
}

/* Everything but the table's rows and the angles is one program. */
static void choose(const graph *g, bool *in, uint32_t room) {
    assert_true(g->n_nodes <= room);
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        const node *n = &g->nodes[i];
        const char *why = NULL;
        const bool view = op_table[n->op].flags & OP_VIEW;
        in[i] = ane_supports(g, n, &why);
        if (in[i] || n->op == OP_EMBED || n->op == OP_ROPE_TABLE) continue;
        if (!view || type_is_float(n->out[0].type))
            fail_msg("%s: %s", op_table[n->op].name, why);
    }
}

static void check_model(const char *name, enum how how) {
    ar_model *m;
    param_list params;
    graph g, h;
    ane_lowered *p;
    bool in[4096] = {false};
    assert_ok(ar_model_open(&m, golden_model(name, ""), err));
    assert_ok(params_build(&params, &m->config, AR_F32, err));
    void *data = mem_alloc((size_t)params.size);
    assert_ok(params_load(&params, AR_F32, m->files, data, err));
    graph_open(&g);
    build(&g, &m->config, &params, how == DECODE);
    assert_ok(graph_rewrite(&g, &h, err));
    choose(&h, in, 4096);
    const ane_lower_options opt = {.weight = how == INPUTS ? NULL : weight,
                                   .context = data};
    assert_ok(ane_lower(&h, in, &opt, &p, err));
    check_program(p, name, &m->config, how);
    ane_lowered_close(p);
    graph_close(&h);
    graph_close(&g);
    mem_free(data);
    params_close(&params);
    ar_model_close(m);
}

void test_ane_models(void **state) {
    (void)state;
    static const char *const names[] = {"llama", "gpt2", "qwen3",
                                        "gemma3_text"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_model(names[i], CONSTANTS);
        check_model(names[i], INPUTS);
        check_model(names[i], DECODE);
    }
}
