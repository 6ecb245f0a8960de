// Written by internal/generate. Do not edit.
#include "prelude.h"
#include "../../../../core/classifier/socket_classifier.cc"
