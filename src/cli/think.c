/* think.c - what a model thinks before it answers, dimmed in a terminal. */
#include "cli/think.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void think_open(think_filter *f) {
    const char *plain = getenv("NO_COLOR");
    *f = (think_filter){.color = isatty(STDOUT_FILENO) && !(plain && plain[0])};
}

void think_begin(think_filter *f) {
    f->inside = false;
    f->n_held = 0;
}

static const char *mark(const think_filter *f) {
    return f->inside ? "</think>" : "<think>";
}

static void turn(think_filter *f, FILE *out) {
    if (!f->inside && f->color) fputs("\033[2m", out);
    fputs(mark(f), out);
    if (f->inside && f->color) fputs("\033[0m", out);
    f->inside = !f->inside;
    f->n_held = 0;
}

static void show_byte(think_filter *f, char c, FILE *out) {
    const char *m = mark(f);
    f->held[f->n_held++] = c;
    while (f->n_held && strncmp(f->held, m, f->n_held) != 0) {
        putc(f->held[0], out);
        memmove(f->held, f->held + 1, --f->n_held);
    }
    if (f->n_held == strlen(m)) turn(f, out);
}

void think_show(think_filter *f, const char *p, size_t n, FILE *out) {
    for (size_t i = 0; i < n; i++) show_byte(f, p[i], out);
}

void think_end(think_filter *f, FILE *out) {
    fwrite(f->held, 1, f->n_held, out);
    f->n_held = 0;
    if (f->inside && f->color) fputs("\033[0m", out);
    f->inside = false;
}
