/* test_op_grads.c - gradients of every case of op_cases.def, in double on the
 * plain kernels, against central finite differences:
 *
 *   d sum(y dy) / dx_i = (sum(y(x + h e_i) dy) - sum(y(x - h e_i) dy)) / 2h
 *
 * Differences are taken element by element before they are summed, so only
 * elements that move contribute rounding. */
#include "tests/op_cases.h"
#include "tests/test.h"

/* Values looked at of each input; a few run the same code in the same way. */
static int samples(void) { return test_quick() ? 5 : 40; }

/* Outputs side by side, as the gradient's dy has them: output 0 alone, or the
 * parts of a SPLIT, which are rows of it. */
typedef struct probe {
    op_case_program with, plain; /* with gradients; without, to be moved */
    double *high;                /* y at x + h */
} probe;

/* Element i of the parts of a SPLIT joined along their axis. */
static double joined(const op_case_program *p, int64_t i) {
    if (p->row->op != OP_SPLIT) return op_case_get(p, p->out[0], i);
    const int axis = p->row->attr.view.axis;
    const shape s = p->row->in[0].shape;
    int64_t inner = 1;
    for (int k = axis + 1; k < s.rank; k++) inner *= s.dim[k];
    const int64_t outer = i / inner / s.dim[axis];
    int64_t at = i / inner % s.dim[axis];
    int part = 0;
    while (at >= p->row->attr.view.v[part]) at -= p->row->attr.view.v[part++];
    const int64_t size = p->row->attr.view.v[part];
    return op_case_get(p, p->out[part],
                       (outer * size + at) * inner + i % inner);
}

static int64_t count_y(const probe *p) {
    return op_case_count(&p->with, p->with.dy);
}

/* sum(y(x + h e_i) dy) - sum(y(x - h e_i) dy) for element i of input k */
static double difference(probe *p, int k, int64_t i, double h) {
    op_case_program *f = &p->plain;
    const double x = op_case_get(f, f->leaf[k], i);
    const int64_t n = count_y(p);
    double sum = 0;
    op_case_set(f, f->leaf[k], i, x + h);
    assert_ok(op_case_run(f, err));
    for (int64_t j = 0; j < n; j++) p->high[j] = joined(f, j);
    op_case_set(f, f->leaf[k], i, x - h);
    assert_ok(op_case_run(f, err));
    for (int64_t j = 0; j < n; j++)
        sum +=
            (p->high[j] - joined(f, j)) * op_case_get(&p->with, p->with.dy, j);
    op_case_set(f, f->leaf[k], i, x);
    return sum;
}

static double mean_size(const op_case_program *p, ref r) {
    const int64_t n = op_case_count(p, r);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += fabs(op_case_get(p, r, i));
    return sum / (double)n;
}

/* Richardson: the error of (4 d(h/2) - d(h)) / 3 is of order h^4. */
static double slope(probe *p, int k, int64_t i) {
    const double h =
        1e-4 * fmax(0.1, fabs(op_case_get(&p->plain, p->plain.leaf[k], i)));
    const double a = difference(p, k, i, h) / (2 * h);
    const double b = difference(p, k, i, h / 2) / h;
    return (4 * b - a) / 3;
}

/* No gradient at all says that it is 0. */
static bool check_input(probe *p, int k) {
    const op_case_program *g = &p->with;
    const ref grad = g->grad[k];
    const int64_t n = op_case_count(g, g->leaf[k]);
    char text[CASE_TEXT];
    if (grad) assert_int_equal(n, op_case_count(g, grad));
    const double size = grad ? mean_size(g, grad) : 0;
    const int64_t step = n > samples() ? n / samples() | 1 : 1;
    for (int64_t i = 0; i < n; i += step) {
        const double x = grad ? op_case_get(g, grad, i) : 0;
        const double want = slope(p, k, i);
        if (fabs(x - want) <= 1e-6 * fmax(fabs(want), size)) continue;
        print_error("%s: gradient of input %d, element %d is %.12g, "
                    "differences give %.12g\n",
                    op_case_text(g->row, text), k, (int)i, x, want);
        return false;
    }
    return true;
}

static int check_case(const op_case *c, case_device on) {
    static double high[1 << 17];
    probe p = {.high = high};
    int wrong = 0;
    char text[CASE_TEXT];
    ar_error err = {0};
    ar_status s = op_case_open(&p.with, c, on, AR_F64, true, &err);
    if (s == AR_OK) s = op_case_open(&p.plain, c, on, AR_F64, false, &err);
    if (s == AR_OK) s = op_case_run(&p.with, &err);
    if (s != AR_OK) fail_msg("%s: %s", op_case_text(c, text), err.message);
    assert_true(!p.with.dy || count_y(&p) <= 1 << 17);
    for (int k = 0; p.with.dy && k < MAX_INPUTS; k++)
        if (c->grad >> k & 1) wrong += !check_input(&p, k);
    op_case_close(&p.with);
    op_case_close(&p.plain);
    return wrong;
}

void test_op_grads(void **state) {
    (void)state;
    const device_options opt = {.kernels = "reference", .n_threads = 1};
    case_device on = {.b = backend_find("cpu")};
    int wrong = 0;
    assert_non_null(on.b);
    assert_ok(on.b->open(0, &opt, &on.d, err));
    for (int i = 0; i < n_op_cases; i++)
        if (op_cases[i].grad) wrong += check_case(&op_cases[i], on);
    on.b->close(on.d);
    assert_int_equal(wrong, 0);
}
