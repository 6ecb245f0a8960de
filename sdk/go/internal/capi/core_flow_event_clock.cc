// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/flow/event_clock.cc"
