/* cmd_ane_info.c - arcane ane info: the Neural Engine of this machine. */

#include "backend/ane/ane.h"
#include "cli/options.h"

typedef struct info_args {
    bool json;
} info_args;

static const cli_option options[] = {
    {"--json", NULL, CLI_FLAG, false, offsetof(info_args, json), NULL,
     "print an object"},
    OPTIONS_END,
};

static const char tier[] = "never run";

static ar_status print_none(const info_args *a, const char *why,
                            ar_error *err) {
    if (a->json)
        return print_json(json_pack("{s:b, s:s, s:s}", "neural_engine", 0,
                                    "reason", why, "driver", tier),
                          err);
    puts(why);
    return AR_OK;
}

static ar_status print_object(const ane_info *i, ar_error *err) {
    return print_json(
        json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:b, "
                  "s:b, s:i, s:s}",
                  "neural_engine", 1, "chip", i->chip, "system", i->system,
                  "product", i->product, "build", i->build, "architecture",
                  i->architecture, "subtype", i->subtype, "engines", i->engines,
                  "cores", i->cores, "virtual_machine", i->virtual_machine,
                  "client", i->client, "direct", i->direct, "compile_budget",
                  ANE_COMPILE_BUDGET, "driver", tier),
        err);
}

static void row(const char *name, const char *value) {
    printf("  %-16s %s\n", name, *value ? value : "not told");
}

static void print_text(const ane_info *i) {
    puts("Apple Neural Engine");
    row("chip", i->chip);
    row("system", i->system);
    row("product", i->product);
    row("build", i->build);
    row("architecture", i->architecture);
    row("subtype", i->subtype);
    printf("  %-16s %d, with %d cores\n", "engines", i->engines, i->cores);
    row("virtual machine", i->virtual_machine ? "yes" : "no");
    row("client route", i->client ? "there" : "not there");
    row("direct runs", i->direct ? "there" : "not there");
    printf("  %-16s %d of this process\n", "compile budget",
           ANE_COMPILE_BUDGET);
    printf("tier: %s - the driver was tested against a stand-in for macOS's "
           "runtime only\n",
           tier);
}

static ar_status run(const void *parsed, ar_error *err) {
    const info_args *a = parsed;
    ane_driver *d;
    ar_error why = {0};
    const ar_status s = ane_driver_open(&d, NULL, &why);
    if (s == AR_UNSUPPORTED) return print_none(a, why.message, err);
    if (s != AR_OK) {
        if (err) *err = why;
        return s;
    }
    ar_status printed = AR_OK;
    if (a->json)
        printed = print_object(ane_driver_info(d), err);
    else
        print_text(ane_driver_info(d));
    ane_driver_close(d);
    return printed;
}

const cli_command cmd_ane_info = {
    .name = "ane info",
    .summary = "say what the system tells of its Neural Engine",
    .text = "On a Mac: chip, system, architecture and what of the private "
            "runtime is there; nothing is compiled or run.  Elsewhere: what "
            "is missing.  Both are success.",
    .examples = "  arcane ane info\n  arcane ane info --json > info.json\n",
    .options = options,
    .args_size = sizeof(info_args),
    .run = run,
};
