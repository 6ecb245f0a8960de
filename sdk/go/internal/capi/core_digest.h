// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "8596bd489a9cbde72dbbd428984fd0e7eb9b7329c8edb8e3485859d64a0e3a8c"
