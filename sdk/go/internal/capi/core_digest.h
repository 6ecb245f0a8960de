// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "3e69c8e20afc1515161f871acd2790211223b979189fd6732087c6ec6d50fb28"
