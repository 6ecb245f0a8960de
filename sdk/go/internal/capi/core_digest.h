// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "4f8ae662a5db6feeca7a9585cc325db714ec45a439b7e62dd79f7d049dc8397d"
