// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/policy/flow_policy.cc"
