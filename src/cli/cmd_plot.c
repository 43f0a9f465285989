/* cmd_plot.c - arcane plot: a run's curves, drawn again. */
#include "base/error.h"
#include "cli/options.h"
#include "train/train.h"

typedef struct plot_args {
    const char *run, *out;
} plot_args;

static const cli_option options[] = {
    {"RUN", NULL, CLI_TEXT, true, offsetof(plot_args, run), NULL,
     "a run's folder, with its log.jsonl"},
    {"--out", "-o", CLI_TEXT, false, offsetof(plot_args, out), "FILE",
     "picture to write, a .svg or a .png; default: loss.svg and loss.png in "
     "the "
     "run's folder"},
    OPTIONS_END,
};

static ar_status run(const void *parsed, ar_error *err) {
    const plot_args *a = parsed;
    TRY(plot_run(a->run, a->out, err));
    if (a->out)
        puts(a->out);
    else
        printf("%s/loss.svg\n%s/loss.png\n", a->run, a->run);
    return AR_OK;
}

const cli_command cmd_plot = {
    .name = "plot",
    .summary = "draw the loss curves of a run from its log",
    .examples = "  arcane plot runs/a\n  arcane plot runs/a --out curve.png\n",
    .options = options,
    .args_size = sizeof(plot_args),
    .run = run,
};
