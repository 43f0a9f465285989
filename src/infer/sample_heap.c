/* sample_heap.c - heaps, candidates and softmax for the steps of a sampler. */
#include <math.h>

#include "infer/sample_steps.h"

/* Whether a leaves a heap before b; of equals the first, or with `late` the
 * last, in the order of indices. */
static bool before(const double *key, int32_t a, int32_t b, bool late) {
    if (key[a] != key[b]) return key[a] < key[b];
    return late ? a > b : a < b;
}

static void sift_down(const double *key, int32_t *heap, int64_t i, int64_t n,
                      bool late) {
    for (int64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && before(key, heap[child + 1], heap[child], late))
            child++;
        if (!before(key, heap[child], heap[i], late)) return;
        const int32_t t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
    }
}

static void build(const double *key, int32_t *heap, int64_t n, bool late) {
    for (int64_t i = n / 2 - 1; i >= 0; i--) sift_down(key, heap, i, n, late);
}

static int32_t pop(const double *key, int32_t *heap, int64_t *n, bool late) {
    const int32_t top = heap[0];
    heap[0] = heap[--*n];
    sift_down(key, heap, 0, *n, late);
    return top;
}

void sample_heap_build(const double *key, int32_t *heap, int64_t n) {
    build(key, heap, n, false);
}

int32_t sample_heap_pop(const double *key, int32_t *heap, int64_t *n) {
    return pop(key, heap, n, false);
}

void sample_largest(const double *x, int64_t n, int64_t k, int32_t *heap) {
    for (int64_t i = 0; i < k; i++) heap[i] = (int32_t)i;
    build(x, heap, k, true);
    for (int64_t i = k; i < n; i++) {
        if (!(x[i] > x[heap[0]])) continue;
        heap[0] = (int32_t)i;
        sift_down(x, heap, 0, k, true);
    }
}

int32_t sample_largest_pop(const double *x, int32_t *heap, int64_t *k) {
    return pop(x, heap, k, true);
}

int64_t candidates_find(const candidates *c, int32_t id) {
    int64_t low = 0, high = c->n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (c->id[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n && c->id[low] == id ? low : -1;
}

void candidates_compact(candidates *c) {
    int64_t n = 0;
    for (int64_t i = 0; i < c->n; i++) {
        if (c->logit[i] == -INFINITY) continue;
        c->id[n] = c->id[i];
        c->logit[n++] = c->logit[i];
    }
    c->n = n;
}

sample_scale sample_scale_of(const double *logits, int64_t n) {
    sample_scale z = {-INFINITY, 0};
    for (int64_t i = 0; i < n; i++)
        if (logits[i] > z.max) z.max = logits[i];
    for (int64_t i = 0; i < n; i++)
        if (logits[i] != -INFINITY) z.sum += exp(logits[i] - z.max);
    return z;
}

double sample_prob(const sample_scale *z, double logit) {
    return logit == -INFINITY ? 0 : exp(logit - z->max) / z->sum;
}
