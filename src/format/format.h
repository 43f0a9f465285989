/* format.h - the top header of the format layer. */
#ifndef FORMAT_FORMAT_H
#define FORMAT_FORMAT_H

#include "format/checkpoint.h"
#include "format/document.h"
#include "format/gguf.h"
#include "format/imatrix.h"
#include "format/safetensors.h"
#include "format/shard.h"
#include "format/weights.h"

#endif
