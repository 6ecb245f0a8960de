// Written by internal/generate. Do not edit.
// Of the core's text.
#define REELSENSE_GO_CORE_DIGEST "d5b835a1d32c705cf243670d3b741dca9b603acec0b31b24cd8ca0295e36f65d"
