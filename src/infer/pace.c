/* pace.c - how many tokens to guess ahead. */
#include "infer/pace.h"

#include <stdlib.h>

/* Steps of a kind are averaged over about eight, guesses over about forty. */
static const double new_part = 0.125, forget = 0.975;
/* A gain smaller than this may be noise. */
static const double margin = 1.03;
enum { FIRST = 4 }; /* guesses of the first probe */

/* Known, or on the line through the nearest k that is and k = 0. */
static double seconds_of(const pace *p, int k) {
    if (p->seconds[k] > 0) return p->seconds[k];
    int near = 0;
    for (int i = 1; i <= PACE_MOST; i++)
        if (p->seconds[i] > 0 && (!near || abs(i - k) < abs(near - k)))
            near = i;
    if (!near) return p->seconds[0];
    const double slope = (p->seconds[near] - p->seconds[0]) / near;
    return p->seconds[0] + (slope > 0 ? slope : 0) * k;
}

static int best(const pace *p, int most) {
    const double a = p->tried > 0 ? p->right / p->tried : 0;
    double tokens = 1, term = 1, most_speed = 1 / seconds_of(p, 0) * margin;
    int k = 0;
    for (int i = 1; i <= most; i++) {
        term *= a;
        tokens += term;
        const double speed = tokens / seconds_of(p, i);
        if (speed <= most_speed) continue;
        most_speed = speed;
        k = i;
    }
    return k;
}

int pace_choose(const pace *p, int most) {
    if (most > PACE_MOST) most = PACE_MOST;
    if (most < 1 || p->seconds[0] <= 0) return 0;
    const int probe = most < FIRST ? most : FIRST;
    if (p->tried <= 0) return probe;
    const int k = best(p, most);
    if (k > 0) return k;
    return p->since_probe >= PACE_PROBE - 1 ? probe : 0;
}

void pace_note(pace *p, int k, int right, double seconds) {
    if (k < 0 || k > PACE_MOST) return;
    double *s = &p->seconds[k];
    *s = *s > 0 ? *s + new_part * (seconds - *s) : seconds;
    p->since_probe = k ? 0 : p->since_probe + 1;
    if (!k) return;
    /* Guesses after the first wrong one were not tried. */
    const int tried = right < k ? right + 1 : k;
    for (int i = 0; i < tried; i++) {
        p->tried = forget * p->tried + 1;
        p->right = forget * p->right + (i < right);
    }
}
