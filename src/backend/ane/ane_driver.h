/* ane_driver.h - programs on Apple's Neural Engine through its private runtime.
 *
 *   ane_driver *d;
 *   TRY(ane_driver_open(&d, NULL, err));
 *   ane_program *p;
 *   const ane_source src = {.name = "layer", .mil = text, .mil_size = n,
 *                           .files = &weights, .n_files = 1};
 *   TRY(ane_program_open(&p, d, &src, NULL, err));
 *   const ane_procedure *f = ane_program_procedure(p, 0);
 *   ane_surface *x, *y;
 *   TRY(ane_surface_open(&x, d, f->inputs[0].size, err));      and y
 *   TRY(ane_surface_write(x, &f->inputs[0], values, err));
 *   TRY(ane_program_run(p, 0, &x, &y, err));
 *   TRY(ane_surface_read(y, &f->outputs[0], results, err));
 *
 * Never run on Apple hardware: tested against a stand-in for the runtime that
 * holds callers to what other projects found out about it.
 *
 * A driver may be used by several threads; calls of one program take turns.
 * Programs and surfaces are closed before their driver, surfaces after the
 * programs that ran with them or before: a program keeps what it needs. */
#ifndef ANE_DRIVER_H
#define ANE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arcane/status.h"

typedef struct ane_driver ane_driver;
typedef struct ane_program ane_program;
typedef struct ane_surface ane_surface;

enum { ANE_COMPILE_BUDGET = 100, ANE_QOS = 21, ANE_NAME = 128 };

typedef struct ane_driver_options {
    int compile_budget; /* of this process; 0: ANE_COMPILE_BUDGET */
    int load_tries;     /* at a failure that may pass; 0: 4 */
    double wait_s;      /* before the second, doubled each time; 0: 0.1 */
    const char *cache;  /* folder of compiled programs, copied; NULL: none */
} ane_driver_options;

/* What the system says of itself; "" and 0 where it says nothing. */
typedef struct ane_info {
    char chip[64], system[96];          /* "Apple M4 Max", "Version 15.5" */
    char architecture[32], subtype[32]; /* "h16g" */
    char product[32], build[32];        /* of the system: "macOS", "24F74" */
    int engines, cores;
    bool has_engine, virtual_machine;
    bool client, direct; /* are the client's calls there? */
} ane_info;

/* Errors: AR_UNSUPPORTED (no Neural Engine here: one sentence says what is
 * missing), AR_RANGE (a cache path that is too long), AR_NOMEM. */
ar_status ane_driver_open(ane_driver **out, const ane_driver_options *o,
                          ar_error *err);
void ane_driver_close(ane_driver *d); /* NULL is fine */
const ane_info *ane_driver_info(const ane_driver *d);

/* Programs compiled by this process, by all drivers together: the limit that
 * the budget keeps away from is the system's, for a process. */
int ane_compiles(void);

typedef enum ane_route {
    ANE_ROUTE_MEMORY, /* _ANEInMemoryModel */
    ANE_ROUTE_CLIENT, /* _ANEClient and _ANEModel: said to have no limit */
} ane_route;

typedef struct ane_program_options {
    ane_route route;
    bool direct; /* evaluate without the daemon between, where there is that */
    int qos;     /* 0, 9, 17, 21, 25 or 33 */
} ane_program_options;

/* A weight file; the program calls it @model_path/weights/NAME. */
typedef struct ane_file {
    const char *name;
    const void *data;
    size_t size; /* bytes, at most 2 GiB - 1 */
} ane_file;

typedef struct ane_source {
    const char *name; /* for sentences */
    const char *mil;  /* UTF-8 */
    size_t mil_size;  /* bytes */
    const ane_file *files;
    int n_files;
} ane_source;

/* An input or output as it lies in a surface: element (n, c, h, w) is at
 * n * batch_stride + c * plane_stride + h * row_stride + w * element. */
typedef struct ane_port {
    char name[ANE_NAME];
    char type[16];  /* "Float16" */
    size_t element; /* bytes */
    uint64_t symbol;
    size_t n, c, h, w;
    size_t row_stride, plane_stride, batch_stride; /* bytes */
    size_t size;                                   /* bytes of the surface */
} ane_port;

typedef struct ane_procedure {
    char name[ANE_NAME];
    uint64_t id;
    const ane_port *inputs, *outputs; /* in the order of the runtime */
    int n_inputs, n_outputs;
} ane_procedure;

/* Stage, compile and load a program, and learn its surfaces; the source is
 * borrowed.  NULL options: the memory route at QoS 21.  Errors: AR_RANGE
 * (arguments), AR_FULL (the process has spent its compiles: its message says
 * to save a checkpoint and start again), AR_FORMAT (the compiler refuses the
 * program), AR_DEVICE (everything else the runtime says), AR_UNSUPPORTED (a
 * route that is not here, a layout that is not known), AR_IO, AR_NOMEM. */
ar_status ane_program_open(ane_program **out, ane_driver *d,
                           const ane_source *src, const ane_program_options *o,
                           ar_error *err);
void ane_program_close(ane_program *p); /* NULL is fine */

const char *ane_program_id(const ane_program *p); /* the runtime's own */
bool ane_program_was_cached(const ane_program *p);
int ane_program_n_procedures(const ane_program *p);
const ane_procedure *ane_program_procedure(const ane_program *p, int i);

/* The place of a port by name, or -1. */
int ane_port_find(const ane_port *ports, int n, const char *name);

/* Evaluate; inputs and outputs are in the procedure's order.  Waits for the
 * results.  Errors: AR_RANGE (procedure, a surface that is missing or too
 * small), AR_DEVICE, AR_NOMEM. */
ar_status ane_program_run(ane_program *p, int procedure,
                          ane_surface *const *inputs,
                          ane_surface *const *outputs, ar_error *err);

/* Shared memory of at least `size` bytes, zeroed by the system.  Errors:
 * AR_RANGE, AR_DEVICE, AR_NOMEM. */
ar_status ane_surface_open(ane_surface **out, ane_driver *d, size_t size,
                           ar_error *err);
void ane_surface_close(ane_surface *s); /* NULL is fine */
size_t ane_surface_size(const ane_surface *s);

/* Lock for the CPU and give the address; unlock with the same `reading`. */
ar_status ane_surface_lock(ane_surface *s, bool reading, void **base,
                           ar_error *err);
ar_status ane_surface_unlock(ane_surface *s, bool reading, ar_error *err);

/* Copy values packed as [n, c, h, w] into the port's place, and back. */
ar_status ane_surface_write(ane_surface *s, const ane_port *port,
                            const void *src, ar_error *err);
ar_status ane_surface_read(ane_surface *s, const ane_port *port, void *dst,
                           ar_error *err);

#endif
