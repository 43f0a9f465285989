/* think.h - what a model thinks before it answers, dimmed in a terminal. */
#ifndef CLI_THINK_H
#define CLI_THINK_H

#include <stdbool.h>
#include <stdio.h>

/* Text comes in pieces; a mark may be spread over several. */
typedef struct think_filter {
    bool color, inside;
    char held[16]; /* the beginning of what may be a mark */
    size_t n_held;
} think_filter;

/* Dims if stdout is a terminal and NO_COLOR is not set. */
void think_open(think_filter *f);
void think_begin(think_filter *f);
void think_show(think_filter *f, const char *p, size_t n, FILE *out);
void think_end(think_filter *f, FILE *out);

#endif
