/* line_edit.c - a line from the person: libedit in a terminal, plain reading
 * elsewhere. */
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/line_edit.h"

enum { HISTORY = 1000, MAX_TEXT = 64 << 20 };

struct line_edit {
    EditLine *el; /* NULL without a terminal */
    History *history;
    const char *prompt;
};

static char *show_prompt(EditLine *el) {
    line_edit *e = NULL;
    el_get(el, EL_CLIENTDATA, &e);
    return (char *)e->prompt;
}

/* Without a locale of many characters, libedit drops all but ASCII. */
static void use_utf8(void) {
    static const char *const names[] = {"", "C.UTF-8", "en_US.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_CTYPE, names[i]) && MB_CUR_MAX > 1) return;
}

static bool open_terminal(line_edit *e, const char *program) {
    HistEvent event;
    use_utf8();
    e->el = el_init(program, stdin, stdout, stderr);
    e->history = history_init();
    if (!e->el || !e->history) return false;
    history(e->history, &event, H_SETSIZE, HISTORY);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, show_prompt);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_HIST, history, e->history);
    el_source(e->el, NULL); /* ~/.editrc */
    return true;
}

line_edit *line_edit_open(const char *program) {
    line_edit *e = mem_new(line_edit, 1);
    if (!e) return NULL;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) return e;
    if (open_terminal(e, program)) return e;
    line_edit_close(e);
    return NULL;
}

void line_edit_close(line_edit *e) {
    if (!e) return;
    if (e->el) el_end(e->el);
    if (e->history) history_end(e->history);
    mem_free(e);
}

/* One line as typed, with its end; NULL at the end of the input. */
static bool read_raw(line_edit *e, const char *prompt, text *out,
                     bool *stopped) {
    if (e->el) {
        int n = 0;
        e->prompt = prompt;
        const char *line = el_gets(e->el, &n);
        *stopped = !line && n < 0 && errno == EINTR;
        if (!line || n <= 0) return *stopped;
        text_add(out, line, (size_t)n);
        return true;
    }
    char piece[4096];
    const size_t before = out->size;
    while (out->size < MAX_TEXT && fgets(piece, sizeof piece, stdin)) {
        text_adds(out, piece);
        if (out->size && out->data[out->size - 1] == '\n') break;
    }
    *stopped = false;
    return out->size > before;
}

static bool drop_last(text *t, char c) {
    if (!t->size || t->data[t->size - 1] != c) return false;
    t->data[--t->size] = 0;
    return true;
}

/* The end of the last line; empty lines before it stay. */
static void cut_end(text *t) {
    drop_last(t, '\n');
    drop_last(t, '\r');
}

/* Empty lines behind a whole text. */
static void cut_empty(text *t) {
    while (drop_last(t, '\n') || drop_last(t, '\r')) continue;
}

static bool is_quotes(const text *t, size_t from) {
    return t->size - from == 3 && !memcmp(t->data + from, "\"\"\"", 3);
}

/* Lines up to one of three quotes. */
static bool read_block(line_edit *e, text *out, bool *stopped) {
    text_clear(out);
    for (;;) {
        const size_t from = out->size;
        if (!read_raw(e, "... ", out, stopped)) return out->size > 0;
        if (*stopped) return true;
        cut_end(out);
        if (is_quotes(out, from)) {
            out->size = from;
            cut_empty(out);
            return true;
        }
        text_adds(out, "\n");
    }
}

/* A paste goes on: what is there at once was not typed. */
static bool more_pasted(const line_edit *e) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return e->el && poll(&input, 1, 20) > 0;
}

bool line_edit_read(line_edit *e, const char *prompt, text *out,
                    bool *stopped) {
    HistEvent event;
    text_clear(out);
    *stopped = false;
    if (!read_raw(e, prompt, out, stopped)) return false;
    if (*stopped) return true;
    cut_end(out);
    if (is_quotes(out, 0)) return read_block(e, out, stopped);
    while (out->size && out->data[out->size - 1] == '\\') {
        out->data[out->size - 1] = '\n';
        if (!read_raw(e, "... ", out, stopped) || *stopped) break;
        cut_end(out);
    }
    while (!*stopped && more_pasted(e)) {
        text_adds(out, "\n");
        if (!read_raw(e, "... ", out, stopped)) break;
        cut_end(out);
    }
    cut_empty(out);
    if (e->el && out->size) history(e->history, &event, H_ENTER, out->data);
    return true;
}
