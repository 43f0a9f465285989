/* sink.h - where token ids go: counted, and kept as far as there is room. */
#ifndef TOK_SINK_H
#define TOK_SINK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct id_sink {
    int32_t *ids; /* NULL to count only */
    size_t capacity, count;
} id_sink;

static inline void sink_add(id_sink *s, const int32_t *ids, size_t n) {
    if (s->ids && s->count < s->capacity) {
        const size_t room = s->capacity - s->count;
        memcpy(s->ids + s->count, ids, (n < room ? n : room) * sizeof *ids);
    }
    s->count += n;
}

#endif
