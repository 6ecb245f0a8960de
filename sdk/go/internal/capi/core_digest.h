// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "8520f04f6e5bbf877560b701ee8676df1d5f2248858437ba58fb6937141bdf8f"
