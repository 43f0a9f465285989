/* backends.h - the top header of the backend layer: the devices. */
#ifndef BACKEND_BACKENDS_H
#define BACKEND_BACKENDS_H

#include "backend/op_bench.h"
#include "core/backend.h"

extern const backend backend_cpu, backend_cuda, backend_opencl;
extern const backend backend_gpu_host, backend_null;

#endif
