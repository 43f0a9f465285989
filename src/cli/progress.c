/* progress.c - one line on the terminal that says how far long work is. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR = 20 };

void progress_begin(progress *p, const char *what) {
    *p = (progress){.what = what, .started = clock_now()};
    p->terminal = isatty(STDERR_FILENO);
}

const char *progress_clock(double seconds, char out[32]) {
    const long s = seconds < 0 || seconds > 1e8 ? 0 : (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
    return out;
}

const char *progress_bytes(double bytes, char out[32]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int i = 0;
    for (; bytes >= 1024 && i < 4; i++) bytes /= 1024;
    snprintf(out, 32, i ? "%.2f %s" : "%.0f %s", bytes, units[i]);
    return out;
}

static int columns(void) {
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col) return w.ws_col;
    return 80;
}

/* Redrawn at most ten times a second. */
void progress_show_left(progress *p, double done, double left,
                        const char *text) {
    const double now = clock_now();
    if (!p->terminal || now - p->drawn < 0.1) return;
    p->drawn = now;
    done = done < 0 ? 0 : done > 1 ? 1 : done;
    char bar[BAR * 3 + 1] = "", line[512], clock[32];
    for (int i = 0; i < BAR; i++)
        memcpy(bar + 3 * i, i < (int)(done * BAR + 0.5) ? "\u2588" : "\u2591",
               4);
    snprintf(line, sizeof line, "%s %s %3.0f%%  %s  %s left", p->what, bar,
             100 * done, text ? text : "", progress_clock(left, clock));
    /* each block of the bar is three bytes but one column */
    fprintf(stderr, "\r\033[K%.*s", columns() - 1 + BAR * 2, line);
    fflush(stderr);
}

void progress_show(progress *p, double done, const char *text) {
    const double spent = clock_now() - p->started;
    progress_show_left(p, done, done > 0 ? spent / done - spent : 0, text);
}

void progress_end(progress *p) {
    if (p->terminal && p->drawn > 0) fputs("\r\033[K", stderr);
    p->drawn = 0;
}
