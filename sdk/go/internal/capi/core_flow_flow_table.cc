// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/flow/flow_table.cc"
