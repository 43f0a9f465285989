/* ane.h - the top header of the Neural Engine's folder. */
#ifndef ANE_ANE_H
#define ANE_ANE_H

#include "backend/ane/mil.h"
#include "backend/ane/mil_check.h"
#include "backend/ane/mil_sim.h"

#endif
