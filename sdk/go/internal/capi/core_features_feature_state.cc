// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/features/feature_state.cc"
