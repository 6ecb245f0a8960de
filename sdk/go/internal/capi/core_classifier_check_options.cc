// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/classifier/check_options.cc"
