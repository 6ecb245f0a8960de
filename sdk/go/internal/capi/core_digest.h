// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "bba6217e2d39a5adb2721a55ac25e109871b3bc338e466175d722d35723831b8"
