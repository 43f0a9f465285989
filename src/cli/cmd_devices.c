/* cmd_devices.c - arcane devices: what there is to compute with. */

#include "backend/backends.h"
#include "backend/cpu/kernels.h"
#include "base/error.h"
#include "base/thread.h"
#include "cli/options.h"

typedef struct devices_args {
    bool slots, json, quick;
    int64_t threads;
} devices_args;

static const cli_option options[] = {
    {"--slots", NULL, CLI_FLAG, false, offsetof(devices_args, slots), NULL,
     "list every kernel slot and the table that serves it"},
    {"--quick", NULL, CLI_FLAG, false, offsetof(devices_args, quick), NULL,
     "measure nothing"},
    {"--threads", "-t", CLI_INT, false, offsetof(devices_args, threads), "N",
     "threads to measure with; default: all processors"},
    {"--json", NULL, CLI_FLAG, false, offsetof(devices_args, json), NULL,
     "print an object"},
    OPTIONS_END,
};

static const char *const slot_names[] = {
#define SLOT(name, ret, args, text) #name,
#include "backend/cpu/kernels.def"
#undef SLOT
};
static const char *const slot_texts[] = {
#define SLOT(name, ret, args, text) text,
#include "backend/cpu/kernels.def"
#undef SLOT
};
enum { N_SLOTS = sizeof slot_names / sizeof *slot_names };

typedef struct measured {
    device_caps caps;
    device_speed speed; /* 0 = not measured */
} measured;

/* One device: what it is, and what it can do unless that is not wanted. */
static ar_status measure(const backend *b, int index, const devices_args *a,
                         measured *out, ar_error *err) {
    const device_options o = {.n_threads = thread_count(a->threads)};
    device *d = NULL;
    TRY(b->open(index, &o, &d, err));
    b->caps(d, &out->caps);
    const ar_status s = a->quick ? AR_OK : b->measure(d, &out->speed, err);
    b->close(d);
    return s;
}

/* Other processors, by name; gpu-host imitates one, and is not measured. */
static const char *const others[] = {"cuda", "opencl"};
enum { N_OTHERS = sizeof others / sizeof *others };

static bool usable(const cpu_kernels *k) {
    for (const cpu_kernels *const *u = cpu_kernels_usable(); *u; u++)
        if (*u == k) return true;
    return false;
}

static void print_tables(void) {
    printf("\nkernel tables (--kernels NAME):\n");
    const cpu_kernels *best = cpu_kernels_find(NULL);
    for (const cpu_kernels *const *k = cpu_kernels_all(); *k; k++)
        printf("  %-10s tier: %-10s gemm tile %2d x %2d  %s\n", (*k)->isa,
               (*k)->tier, (*k)->gemm.mr, (*k)->gemm.nr,
               *k == best   ? "in use"
               : usable(*k) ? "usable here"
                            : "not for this CPU");
    printf("  %-10s tier: %-10s plain C, float and double\n", "reference",
           "ci");
    puts("tiers: ci = its tests run in CI; hardware = ran once on real "
         "hardware; never run");
}

static json_t *tables_object(void) {
    json_t *tables = json_array();
    const cpu_kernels *best = cpu_kernels_find(NULL);
    for (const cpu_kernels *const *k = cpu_kernels_all(); *k; k++)
        json_array_append_new(
            tables, json_pack("{s:s, s:s, s:b, s:b, s:i, s:i}", "name",
                              (*k)->isa, "tier", (*k)->tier, "usable",
                              usable(*k), "in_use", *k == best, "gemm_rows",
                              (*k)->gemm.mr, "gemm_columns", (*k)->gemm.nr));
    return tables;
}

static json_t *device_object(const char *name, int index, const measured *m) {
    const device_speed *x = &m->speed;
    return json_pack("{s:s, s:i, s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "name",
                     name, "index", index, "text", m->caps.name, "memory",
                     (json_int_t)m->caps.memory, "gflops", x->flops / 1e9,
                     "gops_8_bit", x->levels / 1e9, "gb_per_s",
                     x->bandwidth / 1e9, "gb_per_s_cached", x->cached / 1e9,
                     "dispatch_s", x->dispatch);
}

static void print_device(const measured *m) {
    puts(m->caps.name);
    const device_speed *x = &m->speed;
    if (x->flops > 0)
        printf("  measured: %.0f GFLOP/s in f32 products, %.0f in those of 8 "
               "bits; %.1f GB/s read from memory, %.0f from caches; %.1f us to "
               "start all threads\n",
               x->flops / 1e9, x->levels / 1e9, x->bandwidth / 1e9,
               x->cached / 1e9, 1e6 * x->dispatch);
}

/* The devices of one backend; a word about why there is none. */
static void show_others(const char *name, const devices_args *a, json_t *list) {
    const backend *b = backend_find(name);
    const int n = b->count();
    for (int i = 0; i < (n ? n : 1); i++) {
        measured m = {0};
        ar_error why = {0};
        const ar_status s = measure(b, i, a, &m, &why);
        if (list && s == AR_OK)
            json_array_append_new(list, device_object(name, i, &m));
        else if (!list && s == AR_OK)
            print_device(&m);
        else if (!list)
            printf("%s: %s\n", name, why.message);
    }
}

static ar_status print_object(const measured *m, const devices_args *a,
                              ar_error *err) {
    json_t *cpu = device_object("cpu", 0, m), *list = json_array();
    json_object_set_new(cpu, "processors", json_integer(pool_processors()));
    json_object_set_new(cpu, "kernels", tables_object());
    json_array_append_new(list, cpu);
    for (int i = 0; i < N_OTHERS; i++) show_others(others[i], a, list);
    return print_json(json_pack("{s:o}", "devices", list), err);
}

static ar_status run(const void *parsed, ar_error *err) {
    const devices_args *a = parsed;
    measured m = {0};
    TRY(measure(backend_find("cpu"), 0, a, &m, err));
    if (a->json) return print_object(&m, a, err);
    print_device(&m);
    for (int i = 0; i < N_OTHERS; i++) show_others(others[i], a, NULL);
    puts("gpu-host: kernels of GPUs on this processor, to test them");
    puts("null: plans and counts, computes nothing (arcane plan)");
    print_tables();
    if (!a->slots) return AR_OK;
    printf("\nslots, all served by \"%s\":\n", cpu_kernels_find(NULL)->isa);
    for (int i = 0; i < N_SLOTS; i++)
        printf("  %-14s %s\n", slot_names[i], slot_texts[i]);
    return AR_OK;
}

const cli_command cmd_devices = {
    .name = "devices",
    .summary = "list devices, instruction sets and kernels, and measure them",
    .examples = "  arcane devices\n  arcane devices --slots --threads 1\n",
    .options = options,
    .args_size = sizeof(devices_args),
    .run = run,
};
