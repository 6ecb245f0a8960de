// The shared library is made of the archive of core; CMake wants a source of its own for it.
#include "reelsense.h"
