// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "507a2952a7244f3096bb663a7dada6a3005907bc181f2cc9f3ba8d23e3fd39fb"
