/* pieces.c - a text cut into the pieces that the model encodes one by one. */
#include "tok/pieces.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

/* Each step keeps its text while the steps after it run, so each has its own
 * room. */
typedef struct step_room {
    uint8_t *codes;
    size_t capacity;
    char *spaced;
    size_t spaced_capacity;
} step_room;

struct pieces {
    const cut_step *steps;
    int n_steps;
    piece_fn *fn;
    void *ctx;
    matcher *matcher;
    step_room rooms[PIECES_MAX_STEPS];
};

/* One stretch of UTF-8 in one step.  Spans are in code points; `code` and
 * `byte` are the last place where both are known. */
typedef struct stretch {
    pieces *w;
    int step;
    const char *text;
    size_t n_codes, n_bytes;
    size_t code, byte;
    /* the span that waits for its neighbour, for behaviours that join */
    size_t start, end;
    bool waiting, matched;
} stretch;

static ar_status run_step(pieces *w, int step, const char *p, size_t n,
                          ar_error *err);

ar_status pieces_open(pieces **out, const cut_step *steps, int n_steps,
                      piece_fn *fn, void *ctx, ar_error *err) {
    *out = NULL;
    pieces *w = mem_new(pieces, 1);
    if (!w) return error_set(err, AR_NOMEM, "out of memory for cutting text");
    *w = (pieces){.steps = steps, .n_steps = n_steps, .fn = fn, .ctx = ctx};
    const ar_status s = matcher_open(&w->matcher, err);
    if (s != AR_OK) {
        pieces_close(w);
        return s;
    }
    *out = w;
    return AR_OK;
}

void pieces_close(pieces *w) {
    if (!w) return;
    for (int i = 0; i < PIECES_MAX_STEPS; i++) {
        mem_free(w->rooms[i].codes);
        mem_free(w->rooms[i].spaced);
    }
    matcher_close(w->matcher);
    mem_free(w);
}

static size_t byte_at(stretch *s, size_t code) {
    if (s->n_codes == s->n_bytes) return code;
    const unsigned char *p = (const unsigned char *)s->text;
    while (s->code < code) {
        const unsigned char c = p[s->byte];
        s->byte += c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
        s->code++;
    }
    return s->byte;
}

static ar_status emit(stretch *s, size_t start, size_t end, ar_error *err) {
    if (start == end) return AR_OK;
    const size_t a = byte_at(s, start), b = byte_at(s, end);
    return run_step(s->w, s->step + 1, s->text + a, b - a, err);
}

static ar_status flush(stretch *s, ar_error *err) {
    if (!s->waiting) return AR_OK;
    s->waiting = false;
    return emit(s, s->start, s->end, err);
}

static ar_status wait_with(stretch *s, size_t start, size_t end, bool matched,
                           ar_error *err) {
    TRY(flush(s, err));
    s->start = start;
    s->end = end;
    s->matched = matched;
    s->waiting = true;
    return AR_OK;
}

static ar_status add_span(stretch *s, size_t start, size_t end, bool matched,
                          ar_error *err) {
    const cut_step *step = &s->w->steps[s->step];
    matched ^= step->invert;
    bool join = false;
    switch (step->behavior) {
    case CUT_REMOVED: return matched ? AR_OK : emit(s, start, end, err);
    case CUT_ISOLATED: return emit(s, start, end, err);
    case CUT_CONTIGUOUS: join = s->matched == matched; break;
    case CUT_MERGED_PREVIOUS: join = matched && !s->matched; break;
    case CUT_MERGED_NEXT: join = s->matched && !matched; break;
    }
    if (!s->waiting || !join) return wait_with(s, start, end, matched, err);
    s->end = end;
    s->matched = matched;
    return AR_OK;
}

/* Matches as Oniguruma's find_iter gives them: an empty one may not follow
 * the end of another. */
static ar_status cut_stretch(stretch *s, const uint8_t *codes, ar_error *err) {
    const pattern *p = s->w->steps[s->step].pattern;
    const size_t n = s->n_codes;
    size_t from = 0, used = 0, last_end = SIZE_MAX;
    while (from <= n) {
        match m;
        TRY(pattern_find(p, s->w->matcher, codes, n, from, &m, err));
        if (!m.found) break;
        if (m.start == m.end && m.end == last_end) {
            from++;
            continue;
        }
        if (used < m.start) TRY(add_span(s, used, m.start, false, err));
        TRY(add_span(s, m.start, m.end, true, err));
        used = from = last_end = m.end;
    }
    if (used < n) TRY(add_span(s, used, n, false, err));
    return flush(s, err);
}

static ar_status cut(pieces *w, int step, const char *p, size_t n,
                     ar_error *err) {
    step_room *room = &w->rooms[step];
    if (n > room->capacity) {
        mem_free(room->codes);
        room->capacity = 0;
        room->codes = mem_alloc(2 * n);
        if (!room->codes)
            return error_set(err, AR_NOMEM, "out of memory for cutting text");
        room->capacity = 2 * n;
    }
    while (n) {
        stretch s = {.w = w, .step = step, .text = p};
        s.n_codes = pattern_transcribe(w->steps[step].pattern, p, n,
                                       room->codes, &s.n_bytes);
        if (s.n_codes) TRY(cut_stretch(&s, room->codes, err));
        p += s.n_bytes;
        n -= s.n_bytes;
        if (!n) break;
        TRY(run_step(w, step + 1, p++, 1, err));
        n--;
    }
    return AR_OK;
}

/* A copy with a space in front. */
static ar_status add_space(step_room *room, const char **p, size_t *n,
                           ar_error *err) {
    if (*n >= room->spaced_capacity) {
        mem_free(room->spaced);
        room->spaced_capacity = 0;
        room->spaced = mem_alloc(2 * *n + 2);
        if (!room->spaced)
            return error_set(err, AR_NOMEM, "out of memory for cutting text");
        room->spaced_capacity = 2 * *n + 2;
    }
    room->spaced[0] = ' ';
    if (*n) memcpy(room->spaced + 1, *p, *n);
    *p = room->spaced;
    ++*n;
    return AR_OK;
}

static ar_status run_step(pieces *w, int step, const char *p, size_t n,
                          ar_error *err) {
    while (step < w->n_steps) {
        const cut_step *s = &w->steps[step];
        if (s->prefix_space && (!n || *p != ' '))
            TRY(add_space(&w->rooms[step], &p, &n, err));
        if (s->pattern) return cut(w, step, p, n, err);
        step++;
    }
    return w->fn(w->ctx, p, n, err);
}

ar_status pieces_cut(pieces *w, const char *p, size_t n, ar_error *err) {
    return run_step(w, 0, p, n, err);
}
