// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/policy/policy_options.cc"
