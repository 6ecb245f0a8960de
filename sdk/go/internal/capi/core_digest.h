// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "1f1ce026d664023a4c094ebd4587b57502ed987c93ffae5494f2e89ca9fa220d"
