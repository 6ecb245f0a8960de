// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/feedback/feedback_queue.cc"
