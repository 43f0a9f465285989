/* pieces.c - a text cut into the pieces that the model encodes one by one. */
#include "tok/pieces.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

/* Each step keeps its text while the steps after it run, so each has its own
 * room. */
typedef struct step_room {
    uint8_t *codes;
    size_t capacity;
    text marked;
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
    bool first; /* the text begins with it */
    const char *text;
    size_t n_codes, n_bytes;
    size_t code, byte;
    /* the span that waits for its neighbour, for behaviours that join */
    size_t start, end;
    bool waiting, matched;
} stretch;

/* What a step has left. */
typedef struct part {
    const char *p;
    size_t n;
    bool first;
} part;

static ar_status run_step(pieces *w, int step, part in, ar_error *err);

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
        text_close(&w->rooms[i].marked);
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
    return run_step(s->w, s->step + 1,
                    (part){s->text + a, b - a, s->first && !a}, err);
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

static ar_status cut(pieces *w, int step, part in, ar_error *err) {
    step_room *room = &w->rooms[step];
    if (in.n > room->capacity) {
        mem_free(room->codes);
        room->capacity = 0;
        room->codes = mem_alloc(2 * in.n);
        if (!room->codes)
            return error_set(err, AR_NOMEM, "out of memory for cutting text");
        room->capacity = 2 * in.n;
    }
    while (in.n) {
        stretch s = {.w = w, .step = step, .first = in.first, .text = in.p};
        s.n_codes = pattern_transcribe(w->steps[step].pattern, in.p, in.n,
                                       room->codes, &s.n_bytes);
        if (s.n_codes) {
            TRY(cut_stretch(&s, room->codes, err));
            in.first = false;
        }
        in.p += s.n_bytes;
        in.n -= s.n_bytes;
        if (!in.n) break;
        TRY(run_step(w, step + 1, (part){in.p++, 1, in.first}, err));
        in.first = false;
        in.n--;
    }
    return AR_OK;
}

static bool starts_with(part in, const char *mark, size_t n) {
    return in.n >= n && !memcmp(in.p, mark, n);
}

static void replace_spaces(text *out, part in, const char *mark, size_t n) {
    const char *p = in.p, *end = in.p + in.n;
    while (p < end) {
        const char *space = memchr(p, ' ', (size_t)(end - p));
        text_add(out, p, (size_t)((space ? space : end) - p));
        if (!space) break;
        text_add(out, mark, n);
        p = space + 1;
    }
}

/* A copy with the mark in front, and for its spaces, where the step says. */
static ar_status add_marks(const cut_step *s, step_room *room, part *in,
                           ar_error *err) {
    const char *mark = s->mark ? s->mark : " ";
    const size_t n = strlen(mark);
    const bool begins = starts_with(*in, mark, n) ||
                        (s->replace_spaces && starts_with(*in, " ", 1));
    const bool prefix =
        s->prefix == PREFIX_ALWAYS || (s->prefix == PREFIX_FIRST && in->first);
    const bool replace =
        s->replace_spaces && in->n && memchr(in->p, ' ', in->n);
    if (!replace && (!prefix || begins)) return AR_OK;
    text_clear(&room->marked);
    if (prefix && !begins) text_add(&room->marked, mark, n);
    if (replace)
        replace_spaces(&room->marked, *in, mark, n);
    else
        text_add(&room->marked, in->p, in->n);
    in->p = room->marked.data;
    in->n = room->marked.size;
    return text_status(&room->marked, err);
}

static ar_status run_step(pieces *w, int step, part in, ar_error *err) {
    while (step < w->n_steps) {
        const cut_step *s = &w->steps[step];
        if (s->prefix || s->replace_spaces)
            TRY(add_marks(s, &w->rooms[step], &in, err));
        if (s->pattern) return cut(w, step, in, err);
        step++;
    }
    return w->fn(w->ctx, in.p, in.n, err);
}

ar_status pieces_cut(pieces *w, const char *p, size_t n, bool first,
                     ar_error *err) {
    return run_step(w, 0, (part){p, n, first}, err);
}
