// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/base/result.cc"
