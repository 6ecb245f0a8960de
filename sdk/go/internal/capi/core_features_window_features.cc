// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/features/window_features.cc"
