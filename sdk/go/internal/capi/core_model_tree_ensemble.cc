// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/model/tree_ensemble.cc"
