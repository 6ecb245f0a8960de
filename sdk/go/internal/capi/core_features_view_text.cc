// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/features/view_text.cc"
