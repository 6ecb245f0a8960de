// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/packet/parse_packet.cc"
