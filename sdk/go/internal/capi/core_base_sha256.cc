// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/base/sha256.cc"
